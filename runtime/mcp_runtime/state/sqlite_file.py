"""One SQLite file of values under keys. Rule: synchronous; whatever is wrong with the file comes out as a StateError.

Several processes may have it open. It appears under its name complete, so nobody ever sees half a schema. Imported with
its first use only, because `sqlite3` takes as long to import as a small server takes to answer.
"""

import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from mcp_runtime.state.errors import StateError, WouldWait

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x4D435052
"""Marks the file as ours: "MCPR"."""

# `id` rises with each put, which makes the first one the oldest. Triggers count, for count(*) reads the whole table.
_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE entries (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value BLOB NOT NULL, expires_at REAL NOT NULL);
CREATE INDEX entries_by_expiry ON entries (expires_at);
CREATE TABLE size (entries INTEGER NOT NULL);
INSERT INTO size VALUES (0);
CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN UPDATE size SET entries = entries + 1; END;
CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN UPDATE size SET entries = entries - 1; END;
COMMIT;
"""

_GET: Final = "SELECT value FROM entries WHERE key = ? AND expires_at > ?"
_REMOVE: Final = "DELETE FROM entries WHERE key = ?"
_ADD: Final = "INSERT INTO entries (key, value, expires_at) VALUES (?, ?, ?)"
_PURGE: Final = "DELETE FROM entries WHERE expires_at <= ?"
_COUNT: Final = "SELECT entries FROM size"
_REMOVE_OLDEST: Final = "DELETE FROM entries WHERE id IN (SELECT id FROM entries ORDER BY id LIMIT ?)"

_LOCKED: Final = (
    "another process keeps it locked",
    "stop that process, or give this server a state.directory of its own",
)
_FORBIDDEN: Final = (
    "it cannot be opened for writing",
    "make it and its directory writable for the user that the server runs as, or set state.directory",
)
_DAMAGED: Final = (
    "it is damaged, or no SQLite database",
    "stop the server and restore a copy of it, or remove it and lose what it keeps",
)
_PROBLEMS: Final[Mapping[int, tuple[str, str]]] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_CANTOPEN: _FORBIDDEN,
    sqlite3.SQLITE_PERM: _FORBIDDEN,
    sqlite3.SQLITE_READONLY: _FORBIDDEN,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_FULL: ("its disk is full", "free some space, or set state.directory to another disk"),
}
"""What SQLite's primary result codes mean to an operator, and what to do."""


def create(path: Path) -> None:
    """Make the file and its directory, for their owner alone. Raises StateError.

    Where another process makes the file meanwhile, that one stays.
    """
    with _blaming(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable by its owner alone
        os.close(descriptor)
        temporary = Path(name)
        try:
            with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
                connection.executescript(_SCHEMA)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            with suppress(FileExistsError):  # Unlike a rename, a link fails where another process was first.
                os.link(temporary, path)
        finally:
            temporary.unlink()


class StateFile:
    """The open file at `path`, of at most `max_entries` values. Raises StateError, as does all it offers.

    `read` is for one thread, the event loop's; the others may be called from any, and wait for each other. Waiting for
    other processes ends after `busy_timeout_s`. `now` gives seconds since the epoch: they outlive a process.
    """

    def __init__(self, path: Path, *, max_entries: int, busy_timeout_s: float, now: Callable[[], float]) -> None:
        self._path = path
        self._max_entries = max_entries
        self._now = now
        self._writing = threading.Lock()
        with _blaming(path), ExitStack() as opened:
            self._writer = _connect(path, busy_timeout_s)
            opened.callback(self._writer.close)
            self._reader = _connect(path, busy_timeout_s)
            opened.callback(self._reader.close)
            # Waiting would hold up the loop; `read` refuses instead.
            self._reader.execute("PRAGMA busy_timeout = 0")
            self._reader.execute("PRAGMA query_only = ON")
            opened.pop_all()

    def read(self, key: str) -> bytes | None:
        """The value, None where there is none. Raises WouldWait where another process is at work on the file itself."""
        # No `with _blaming`: it would take as long as the query.
        try:
            row = self._reader.execute(_GET, (key, self._now())).fetchone()
        except sqlite3.DatabaseError as error:
            if _problem(error) is _LOCKED:
                raise WouldWait from None
            raise _state_error(self._path, error) from None
        return None if row is None else row[0]

    def read_waiting(self, key: str) -> bytes | None:
        """As `read`, but waits."""
        with self._transaction() as writer:
            return self._value(writer, key)

    def put(self, key: str, value: bytes, *, ttl_s: float) -> None:
        """Set the value, forget what has expired, then what was put longest ago past the bound."""
        with self._transaction() as writer:
            self._replace(writer, key, value, ttl_s)

    def swap(self, key: str, value: bytes, *, expected: bytes | None, ttl_s: float) -> bool:
        """`put` where the value is `expected`; no other process comes in between."""
        with self._transaction() as writer:
            if self._value(writer, key) != expected:
                return False
            self._replace(writer, key, value, ttl_s)
            return True

    def delete(self, key: str) -> None:
        """Remove the value, if there is one."""
        with self._transaction() as writer:
            writer.execute(_REMOVE, (key,))

    def close(self) -> None:
        """Close it once a write that is under way has ended."""
        with self._writing, _blaming(self._path):
            self._reader.close()
            self._writer.close()

    def _value(self, connection: sqlite3.Connection, key: str) -> bytes | None:
        row = connection.execute(_GET, (key, self._now())).fetchone()
        return None if row is None else row[0]

    def _replace(self, writer: sqlite3.Connection, key: str, value: bytes, ttl_s: float) -> None:
        now = self._now()
        writer.execute(_REMOVE, (key,))  # REPLACE would remove it without running the trigger that counts
        writer.execute(_ADD, (key, value, now + ttl_s))
        writer.execute(_PURGE, (now,))
        excess = writer.execute(_COUNT).fetchone()[0] - self._max_entries
        if excess > 0:
            writer.execute(_REMOVE_OLDEST, (excess,))

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection, None, None]:
        # The lock: asyncio may cancel the task that awaits a thread, and then another thread comes while it works.
        with self._writing, _blaming(self._path):
            # IMMEDIATE: a transaction that reads first and writes then may find that another has written in between.
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")


def _connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """A connection to the file, which is there and ours."""
    with ExitStack() as opened:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=busy_timeout_s,
            isolation_level=None,  # transactions begin and end in plain sight
            check_same_thread=False,
        )
        opened.callback(connection.close)
        _check(path, connection)
        # With a WAL, what was committed outlives a killed process without a sync; only a power cut may take the latest.
        connection.execute("PRAGMA synchronous = NORMAL")
        opened.pop_all()
    return connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StateError(path, "it is not a file that mcp-runtime made", "move it away, or set state.directory")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StateError(
            path,
            f"its schema has version {version} and was made by a newer mcp-runtime; this one knows {SCHEMA_VERSION}",
            "run the newer release, or set state.directory",
        )


def _problem(error: sqlite3.DatabaseError) -> tuple[str, str]:
    primary = error.sqlite_errorcode & 0xFF  # an extended code has its primary one in the lowest byte
    return _PROBLEMS.get(primary, (f"SQLite reports: {error}", "check the disk and the file, or set state.directory"))


def _state_error(path: Path, error: sqlite3.DatabaseError) -> StateError:
    return StateError(path, *_problem(error))


@contextmanager
def _blaming(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _state_error(path, error) from None
    except OSError as error:
        raise StateError(path, f"it cannot be kept: {error.strerror or error}", _FORBIDDEN[1]) from None
