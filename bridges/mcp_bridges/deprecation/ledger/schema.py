"""The file of a ledger: its schema, and its connections.

Rule: a file of any older version is brought to this one; one of a newer version is left alone.

`use` has a row for each client, feature, revision and day. The feature `*` is the message itself, whatever it used, so
that traffic can be told from the sum of its features. `client.modern_seen` is when a client last sent a modern request,
NULL where it never did. Days are UTC; times are Unix seconds.
"""

import math
import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from mcp_runtime.state import siblings

VERSION: Final = 3
MESSAGE: Final = "*"
"""The feature of a row that counts messages."""

# `ON CONFLICT DO UPDATE` takes aggregates of the excluded row from 3.24 on, and `WITHOUT ROWID` is older still.
_BUSY_TIMEOUT_S: Final = 1.0
"""The time that other processes may hold the file, in all: their writes take milliseconds."""

_CREATE: Final = (
    """CREATE TABLE client (
        id TEXT PRIMARY KEY, principal TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
        user_agent TEXT NOT NULL, transport TEXT NOT NULL, network TEXT NOT NULL, first_seen REAL NOT NULL,
        last_seen REAL NOT NULL, modern_seen REAL
    ) WITHOUT ROWID""",
    """CREATE TABLE network (
        client TEXT NOT NULL, network TEXT NOT NULL, calls INTEGER NOT NULL,
        first_seen REAL NOT NULL, last_seen REAL NOT NULL, PRIMARY KEY (client, network)
    ) WITHOUT ROWID""",
    """CREATE TABLE use (
        day TEXT NOT NULL, client TEXT NOT NULL, feature TEXT NOT NULL, revision TEXT NOT NULL,
        calls INTEGER NOT NULL, refused INTEGER NOT NULL, would_refuse INTEGER NOT NULL,
        first_seen REAL NOT NULL, last_seen REAL NOT NULL, PRIMARY KEY (day, client, feature, revision)
    ) WITHOUT ROWID""",
    # The days on which somebody was watching: without them, a quiet month and a month switched off look the same.
    "CREATE TABLE watched (day TEXT PRIMARY KEY, lost INTEGER NOT NULL) WITHOUT ROWID",
)

_MIGRATIONS: Final = {
    # Version 1 kept one address in the client's own row, did not count dry runs, and did not say when it was watching.
    1: (
        """CREATE TABLE network (
            client TEXT NOT NULL, network TEXT NOT NULL, calls INTEGER NOT NULL,
            first_seen REAL NOT NULL, last_seen REAL NOT NULL, PRIMARY KEY (client, network)
        ) WITHOUT ROWID""",
        """INSERT INTO network SELECT client.id, client.peer,
            coalesce((SELECT sum(calls) FROM use WHERE use.client = client.id AND use.feature = '*'), 0),
            client.first_seen, client.last_seen FROM client WHERE client.peer <> ''""",
        "ALTER TABLE client DROP COLUMN peer",
        "ALTER TABLE client ADD COLUMN modern_seen REAL",
        """UPDATE client SET modern_seen = (SELECT max(last_seen) FROM use
            WHERE use.client = client.id AND feature = '*' AND revision = '2026-07-28')""",
        "ALTER TABLE use ADD COLUMN would_refuse INTEGER NOT NULL DEFAULT 0",
        "CREATE TABLE watched (day TEXT PRIMARY KEY, lost INTEGER NOT NULL) WITHOUT ROWID",
        "INSERT INTO watched SELECT DISTINCT day, 0 FROM use",
    ),
    # Version 2 took anonymous clients of all networks for one.
    2: ("ALTER TABLE client ADD COLUMN network TEXT NOT NULL DEFAULT ''",),
}
"""The statements that make a file of each older version one of the next."""


class LedgerUnusable(Exception):
    """A file that this version cannot use; the text says why and what to do."""


class Opened(sqlite3.Connection):
    """A connection that waits for other processes until some moment, whatever it is at."""

    until_s: float = math.inf
    """The moment, of time.monotonic."""
    made: bool = False
    """Whether there was no file before."""
    aside: tuple[Path, ...] = ()
    """Siblings that were another file's, where they are now."""

    def wait_no_longer(self) -> None:
        """Bound what the next statement waits for a lock by the time that is left in all."""
        left_s = min(max(self.until_s - time.monotonic(), 0.0), _BUSY_TIMEOUT_S)
        self.execute(f"PRAGMA busy_timeout = {left_s * 1000:.0f}")


@contextmanager
def opened_for_writing(path: Path, *, max_bytes: int) -> Generator[Opened]:
    """A connection to the file at `path`: made where missing, for its owner alone, of this version, bounded in size.

    Transactions are the caller's. Raises OSError, sqlite3.Error, LedgerUnusable.
    """
    until_s = time.monotonic() + _BUSY_TIMEOUT_S
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _damage_explained(path), _turn(path, until_s), ExitStack() as stack:
        # The turn to the end: SQLite removes its journal by name, which must not be another file's by then.
        made = not path.exists()
        aside = siblings.put_aside(path) if made else siblings.settle(path, siblings.is_whole)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = stack.enter_context(closing(_connect(path, until_s)))
        connection.made, connection.aside = made, tuple(aside)
        _upgrade(connection, path)
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute(f"PRAGMA max_page_count = {max(max_bytes // page_bytes, 1):d}").fetchone()
        yield connection


@contextmanager
def opened_for_reading(path: Path) -> Generator[sqlite3.Connection]:
    """A connection to the existing file at `path`, which shows one state of it whatever is written meanwhile.

    A file of an older version is brought to this one, which takes a right to write. Raises LedgerUnusable.
    """
    if not path.exists():
        raise LedgerUnusable(f"there is no ledger at {path}; a server that serves old clients makes it")
    until_s = time.monotonic() + _BUSY_TIMEOUT_S
    try:
        with ExitStack() as stack:
            with _turn(path, until_s):
                aside = siblings.settle(path, siblings.is_whole)
                if aside:
                    raise LedgerUnusable(
                        f"beside {path} lay a journal of another file; it is {aside[0]} now: ask again"
                    )
                # Writable where it may be: after a crash the first who opens the file has to put it right.
                connection = stack.enter_context(closing(_connect(path, until_s)))
                if _version(connection) != VERSION:
                    _upgrade(connection, path)
                connection.execute("PRAGMA query_only = ON")
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the lock, while it is our turn
            yield connection
    except (OSError, sqlite3.Error) as error:
        raise LedgerUnusable(f"{path} cannot be read: {error}; see `mcp-runtime state check`") from error
    except siblings.Unsound as error:
        raise LedgerUnusable(f"{path} cannot be read: {_DAMAGED}") from error


_DAMAGED: Final = "it is damaged; `mcp-runtime state reset --ledger` moves it aside, and the server begins another"


@contextmanager
def _turn(path: Path, until_s: float) -> Generator[None]:
    """A turn of `siblings`, whose end of patience is LedgerUnusable. A TimeoutError of the block is the block's."""
    with ExitStack() as stack:
        try:
            stack.enter_context(siblings.turn(path, until_s=until_s))
        except TimeoutError:
            raise LedgerUnusable(f"{path} is kept locked by another process") from None
        yield


@contextmanager
def _damage_explained(path: Path) -> Generator[None]:
    try:
        yield
    except siblings.Unsound:
        raise LedgerUnusable(f"{path}: {_DAMAGED}") from None
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise
        raise LedgerUnusable(f"{path}: {error}: {_DAMAGED}") from None


def _connect(path: Path, until_s: float) -> Opened:
    if path.is_file() and path.stat().st_nlink > 1:
        raise LedgerUnusable(f"{path} is a hard link; under its other name SQLite would not find its journal: copy it")
    # isolation_level None: transactions begin and end where they are written, in plain sight. SQLite opens a file that
    # it may not write for reading alone, by itself.
    # The journal is SQLite's default, not WAL: a WAL file cannot be opened by a reader without a right to write.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None, factory=Opened)
    connection.until_s = until_s
    connection.wait_no_longer()
    return connection


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema to VERSION in one transaction; of two processes that start at once, one finds it done."""
    if _version(connection) == VERSION:
        return
    with transaction(connection):
        version = _version(connection)
        if version > VERSION:
            raise LedgerUnusable(
                f"{path} was made by a newer mcp-runtime (schema {version}); set ledger.database, or upgrade"
            )
        statements = (
            _CREATE if version == 0 else tuple(one for step in range(version, VERSION) for one in _MIGRATIONS[step])
        )
        if version != VERSION:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION:d}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """A transaction: all of the block, or nothing of it. It locks at once, so two writers queue instead of failing."""
    if isinstance(connection, Opened):
        connection.wait_no_longer()
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        if isinstance(connection, Opened):
            connection.wait_no_longer()
        connection.execute("COMMIT")
    except BaseException:
        # Some errors, a full disk for one, have ended the transaction already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
