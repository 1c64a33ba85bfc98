"""The source files that ship. Rule: read as text, so that nothing has to be imported to be looked at."""

import ast
from pathlib import Path
from typing import Final

from tests.docs.pages import ROOT

SOURCES: Final = tuple(
    path
    for folder in ("runtime/mcp_runtime", "plugins/mcp_plugins", "bridges/mcp_bridges")
    for path in sorted((ROOT / folder).rglob("*.py"))
)


def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))
