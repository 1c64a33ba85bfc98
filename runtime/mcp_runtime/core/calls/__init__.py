"""Calls: one request on its way, and what it can do while it is at work."""
