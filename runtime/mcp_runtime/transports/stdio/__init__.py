"""The stdio transport: one JSON message a line."""
