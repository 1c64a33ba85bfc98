"""The command `mcp-runtime`: its command line, its commands, and how they end."""
