"""Authoring: from an author's Python function to an entry of the catalog."""
