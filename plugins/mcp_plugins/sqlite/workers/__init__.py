"""The workers: processes that run statements, and can be killed. They know SQLite, and nothing of MCP."""
