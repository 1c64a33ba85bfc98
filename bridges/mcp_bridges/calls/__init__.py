"""Calls of old clients: an old request at work."""
