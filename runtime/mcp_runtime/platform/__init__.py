"""Python and the event loop, as the runtime uses them. Rule: nothing here knows MCP."""
