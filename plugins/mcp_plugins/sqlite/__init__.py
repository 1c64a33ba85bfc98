"""The plugin `sqlite`: lets an AI client look at a SQLite database, query it, and change it with the user's consent.

Serve it with `mcp-runtime serve --plugin mcp_plugins.sqlite`; the settings are in `settings`. Without a configured
database it serves a small sample shop.

`access` knows SQLite and nothing of MCP, and runs in the processes of `workers`; `plugin`, `resources` and `execute`
know MCP and no SQL.
"""

# Importing a file declares what is in it, in this order.
from . import resources, execute  # isort: skip
from .plugin import plugin
from .settings import SqliteSettings

__all__ = ["SqliteSettings", "execute", "plugin", "resources"]
