"""The platform: what Python, the process and the event loop give us. Rule: nothing here knows MCP."""
