"""The connection to the database, opened for one statement.

Rule: a connection lives as long as one call, in the thread of that call.

Opening takes under a millisecond, and no state of a statement can outlive it: no cursor, no lock, no temporary table.
"""

import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from mcp_plugins.sqlite.settings import SqliteSettings

from .refusals import DatabaseUnavailable, StatementRefused
from .values import decode_text

# `PRAGMA table_list` (3.37) tells real tables from the shadow tables of full-text search.
if sqlite3.sqlite_version_info < (3, 37, 0):
    raise ImportError(f"this Python has SQLite {sqlite3.sqlite_version}; the plugin needs 3.37 or newer")

# SQLite's own default is a megabyte; nobody writes a statement of 100 kB by hand, and a parser's time grows with it.
MAX_SQL_BYTES: Final = 100_000

# LIKE and GLOB take time quadratic in the pattern, inside one step that cannot be stopped.
MAX_PATTERN_BYTES: Final = 1_000

LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

# Some ten microseconds of plain work, so that asking the clock costs nothing measurable, and slow functions in a loop
# are seen soon.
OPCODES_BETWEEN_CHECKS: Final = 1_000


@contextmanager
def opened(path: Path, settings: SqliteSettings, *, mode: Literal["ro", "rw"]) -> Generator[sqlite3.Connection]:
    """Open the existing database at `path`, bounded by `settings`, and close it at the end. See `reached`."""
    with reached(path, settings, mode=mode) as connection:
        try:
            _bound(connection, settings)
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"{path}: {error}") from error
        yield connection


@contextmanager
def reached(path: Path, settings: SqliteSettings, *, mode: Literal["ro", "rw"]) -> Generator[sqlite3.Connection]:
    """Open the existing database at `path`, without bounds, and close it at the end. Never creates a file.

    Raises DatabaseUnavailable when the file is missing or is no database, and StatementRefused when it stays locked.
    The file's schema is read here, so that what fails later is about the statement.
    """
    connection = _connect(path, settings, mode)
    try:
        try:
            # Before the limits: they are for statements, and must not keep a wide schema from being read.
            _read_schema(connection)
        except sqlite3.Error as error:
            if not (settings.allow_writes and _extended_code(error) == sqlite3.SQLITE_READONLY_ROLLBACK):
                raise _unreachable(path, error, settings) from error
            _roll_back(path, settings)
        yield connection
    finally:
        connection.close()


def _connect(path: Path, settings: SqliteSettings, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=settings.busy_timeout_s,
            isolation_level=None,  # transactions are begun and ended where they are needed, in plain sight
            cached_statements=0,  # a cached statement would not be shown to the authorizer again
        )
    except sqlite3.Error as error:
        raise DatabaseUnavailable(f"{path}: {error}") from error


def _read_schema(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()


def _roll_back(path: Path, settings: SqliteSettings) -> None:
    """Undo what a writer left that was killed in its transaction: nobody can read before that, and readers may not."""
    connection = _connect(path, settings, "rw")
    try:
        _read_schema(connection)
    except sqlite3.Error as error:
        raise _unreachable(path, error, settings) from error
    finally:
        connection.close()


def _unreachable(path: Path, error: sqlite3.Error, settings: SqliteSettings) -> Exception:
    return _refusal(error, settings) if _code(error) in LOCKED else DatabaseUnavailable(f"{path}: {error}")


def _bound(connection: sqlite3.Connection, settings: SqliteSettings) -> None:
    connection.text_factory = decode_text
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, settings.max_value_bytes)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, MAX_SQL_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, settings.max_parameters)
    connection.setlimit(sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0)
    # Sorting in memory instead of in files: what a statement can take is then bounded by the heap limit alone.
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA hard_heap_limit = {settings.max_memory_bytes:d}").fetchall()
    # Views and triggers of a database from elsewhere may call only harmless functions.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA foreign_keys = ON")


@contextmanager
def time_limit(connection: sqlite3.Connection, limit_s: float) -> Generator[None]:
    """Stop what the connection runs in this block after `limit_s` seconds: it ends with SQLITE_INTERRUPT.

    The progress handler sees every loop. The timer catches the steps that loop inside themselves, such as `count(*)`
    over a large table; alone it would not do, because SQLite forgets an interrupt that comes between two statements.
    """
    deadline_s = time.monotonic() + limit_s
    connection.set_progress_handler(lambda: time.monotonic() >= deadline_s, OPCODES_BETWEEN_CHECKS)
    timer = threading.Timer(limit_s, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # the connection must not be closed under a timer that is about to interrupt it
        connection.set_progress_handler(None, 0)


@contextmanager
def refusals(settings: SqliteSettings) -> Generator[None]:
    """Turn what `sqlite3` raises in this block into StatementRefused; DatabaseUnavailable when the file is at fault."""
    try:
        yield
    except sqlite3.Error as error:
        raise _refusal(error, settings) from error
    except sqlite3.Warning as error:  # `sqlite3` of Python 3.11 and older, for a second statement
        raise StatementRefused(str(error)) from error
    except MemoryError as error:
        raise StatementRefused("The statement needs more memory than the server allows (max_memory_bytes).") from error


def _refusal(error: sqlite3.Error, settings: SqliteSettings) -> Exception:
    match _code(error):
        case sqlite3.SQLITE_INTERRUPT:
            return StatementRefused(
                f"The statement was stopped after {settings.query_time_limit_s:g} s (query_time_limit_s). "
                "Narrow it down: add WHERE or LIMIT, use an indexed column, or end the recursion."
            )
        case sqlite3.SQLITE_TOOBIG:
            return StatementRefused(
                f"A string or blob is longer than {settings.max_value_bytes} bytes (max_value_bytes). "
                "Leave that column out, or select its length()."
            )
        case code if code in LOCKED:
            return StatementRefused("The database is locked by another program. Nothing was changed; try again later.")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN:
            return DatabaseUnavailable(str(error))
        case _:
            return StatementRefused(f"SQLite refused the statement: {error}")


def _code(error: sqlite3.Error) -> int:
    return _extended_code(error) & 0xFF


def _extended_code(error: sqlite3.Error) -> int:
    # Errors that `sqlite3` raises by itself, such as a wrong number of parameters, carry no code.
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code
