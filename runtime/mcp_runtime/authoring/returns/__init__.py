"""Returns: from what a function returned to a result of the protocol."""
