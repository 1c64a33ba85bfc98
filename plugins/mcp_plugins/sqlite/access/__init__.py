"""Access to the database: statements and their bounds. It knows SQLite, and nothing of MCP."""
