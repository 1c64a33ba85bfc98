"""Handlers: what a function of a plugin is given while it serves a request."""
