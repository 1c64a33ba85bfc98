"""Sessions: what an old conversation is, as values."""
