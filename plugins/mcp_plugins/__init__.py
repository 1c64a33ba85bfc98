"""Plugins that come with the runtime. Rule: a plugin uses only the public author API of `mcp_runtime`."""
