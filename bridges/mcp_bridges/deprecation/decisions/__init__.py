"""Decisions: what the operator has decided about the past, and the specification."""
