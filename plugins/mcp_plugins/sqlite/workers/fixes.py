"""The fixes that SQLite needs where clients write the statements. Rule: what is missing is told once, and served."""

import sqlite3
from functools import cache
from typing import Final

# Before it, a statement can corrupt memory: CVE-2025-6965, and CVE-2025-7458 in 3.39.2 to 3.41.1. Distributions put
# fixes into versions of older number, which no version tells: so this is a warning, and no reason not to serve.
FIXED: Final = (3, 50, 2)


@cache
def warn_of_missing_fixes(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Tell the operator's log, once, that an SQLite of this version may lack a fix for hostile statements."""
    if version >= FIXED:
        return
    import structlog  # late: with the first statement, and not with the start of the server

    structlog.get_logger("mcp_plugins.sqlite").warning(
        "sqlite_may_lack_fixes", version=_dotted(version), fixed_in=_dotted(FIXED)
    )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
