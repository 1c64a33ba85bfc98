"""State: what outlives a request. Rule: a port with real engines behind it; nothing distributed is written by hand."""
