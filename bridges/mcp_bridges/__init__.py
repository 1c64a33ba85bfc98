"""Bridges: what the runtime offers to clients of older MCP revisions. Rule: every bridge ends at the dispatcher."""
