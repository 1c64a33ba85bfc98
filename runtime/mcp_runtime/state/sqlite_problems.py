"""SQLite's failures, in an operator's words. Rule: whatever is wrong with a file comes out as a StateError."""

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mcp_runtime.state.port import StateError
from mcp_runtime.state.siblings import Unsound

LOCKED: Final = (
    "another process keeps it locked",
    "stop that process, or give this server a state.directory of its own",
)
FORBIDDEN: Final = (
    "it cannot be opened for writing",
    "make it and its directory writable for the user that the server runs as, or set state.directory",
)
DAMAGED: Final = (
    "it is damaged, or no SQLite database",
    "stop the server, move the file aside with `mcp-runtime state reset`, and restore a copy of it or start without",
)
OVERWRITTEN: Final = (
    "it was overwritten or cut short while it was in use",
    "stop the server, see what `mcp-runtime state check` says, and put back a copy",
)
REPLACED: Final = (
    "it is replaced faster than it can be opened",
    "stop whatever moves it, or set state.directory",
)
_PROBLEMS: Final[Mapping[int, tuple[str, str]]] = {
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_PROTOCOL: LOCKED,
    sqlite3.SQLITE_CANTOPEN: FORBIDDEN,
    sqlite3.SQLITE_PERM: FORBIDDEN,
    sqlite3.SQLITE_READONLY: FORBIDDEN,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_FULL: ("its disk is full", "free some space, or set state.directory to another disk"),
}
"""What SQLite's primary result codes mean to an operator, and what to do."""


def problem_of(error: sqlite3.DatabaseError) -> tuple[str, str]:
    """The problem and its fix."""
    primary = error.sqlite_errorcode & 0xFF  # an extended code has its primary one in the lowest byte
    return _PROBLEMS.get(primary, (f"SQLite reports: {error}", "check the disk and the file, or set state.directory"))


@contextmanager
def blaming(path: Path) -> Generator[None, None, None]:
    """Turn what goes wrong with the file at `path` into a StateError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StateError(path, *problem_of(error)) from None
    except Unsound:
        raise StateError(path, *DAMAGED) from None
    except TimeoutError:
        raise StateError(path, *LOCKED) from None
    except OSError as error:
        raise StateError(path, f"it cannot be kept: {error.strerror or error}", FORBIDDEN[1]) from None
