"""Retiring the past: what is on its way out, who still uses it, how they are told. Rule: evidence before refusal."""
