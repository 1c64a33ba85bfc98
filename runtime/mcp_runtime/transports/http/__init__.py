"""The Streamable HTTP transport, as an ASGI application."""
