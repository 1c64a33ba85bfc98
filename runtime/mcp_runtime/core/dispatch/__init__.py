"""The dispatcher: from a request to the handler that serves it, and back to an answer."""
