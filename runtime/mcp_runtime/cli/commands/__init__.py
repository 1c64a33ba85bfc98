"""The commands of `mcp-runtime`, a file each."""
