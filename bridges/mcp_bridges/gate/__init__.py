"""The gate: who may still use the past, and how a refusal looks."""
