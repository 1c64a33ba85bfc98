"""Sessions over HTTP, whose session is their id."""
