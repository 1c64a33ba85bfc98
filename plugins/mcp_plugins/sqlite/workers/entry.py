"""The program of a worker, run as a script. Rule: it loads what knows SQLite, and nothing that speaks MCP.

Importing `mcp_plugins.sqlite` would declare the plugin, and load the runtime for it: three times the memory, ten times
the start. So the package stands here without what its `__init__` does.
"""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

if __name__ == "__main__":
    here = Path(__file__).resolve().parents[1]
    sys.path[:] = [part for part in sys.path if part != str(Path(__file__).parent)]
    sys.path.append(str(here.parents[1]))  # behind the standard library, where site-packages would be too
    package = ModuleType("mcp_plugins.sqlite")
    package.__path__ = [str(here)]
    sys.modules[package.__name__] = package
    import_module("mcp_plugins.sqlite.workers.child").main()
