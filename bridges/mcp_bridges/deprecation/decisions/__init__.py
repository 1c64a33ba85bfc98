"""Decisions: what the operator, and before them the specification, has decided about the past."""
