"""The MCP protocol as values. Rule: no async, no clock, no sockets, no logging; msgspec and the stdlib only."""
