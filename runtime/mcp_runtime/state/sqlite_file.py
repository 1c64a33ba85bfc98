"""One SQLite file of values under keys. Rule: synchronous; whatever is wrong with the file comes out as a StateError.

Several processes may have it open. It appears under its name complete, so nobody ever sees half a schema. Imported with
its first use only, because `sqlite3` takes as long to import as a small server takes to answer.
"""

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from mcp_runtime.state import siblings
from mcp_runtime.state import sqlite_place as place
from mcp_runtime.state import sqlite_schema as schema
from mcp_runtime.state.port import ENDED, NoRoomError, StateError, WouldWait
from mcp_runtime.state.sqlite_problems import LOCKED, REPLACED, blaming, problem_of
from mcp_runtime.state.sqlite_schema import APPLICATION_ID, SCHEMA_VERSION, Bounds

_GET: Final = (
    "SELECT x'00' FROM ends WHERE key = :key AND expires_at > :now "  # ENDED
    "UNION ALL SELECT value FROM entries WHERE key = :key AND expires_at > :now"
)
_REMOVE: Final = "DELETE FROM entries WHERE key = ?"
_ADD: Final = "INSERT INTO entries (key, value, expires_at, owner) VALUES (?, ?, ?, ?)"
_END: Final = "INSERT INTO ends (key, expires_at, owner) VALUES (?, ?, ?)"
_PURGE: Final = "DELETE FROM entries WHERE expires_at <= ?"
_PURGE_ENDS: Final = "DELETE FROM ends WHERE expires_at <= ?"
_COUNT: Final = "SELECT entries FROM size"
_REMOVE_OLDEST: Final = "DELETE FROM entries WHERE id = (SELECT id FROM entries WHERE owner = ? ORDER BY id LIMIT 1)"


def create(path: Path, *, until_s: float) -> Sequence[Path]:
    """Make the file and its directory, for their owner alone. Waits until `until_s` of time.monotonic.

    Where another process makes the file meanwhile, that one stays. Siblings of a file that is gone are put aside: says
    where they are. Raises StateError.
    """
    with blaming(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with siblings.turn(path, until_s=until_s):
            if path.exists():
                return ()
            aside = siblings.put_aside(path)
            _make(path)
            return aside


def _make(path: Path) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable by its owner alone
    os.close(descriptor)
    temporary = Path(name)
    try:
        with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            schema.make(connection)
        with suppress(FileExistsError):  # Unlike a rename, a link fails where another process was first.
            os.link(temporary, path)
    finally:
        temporary.unlink()


class StateFile:
    """The open file at `path`, which keeps to its `bounds`. Raises StateError, as does all it offers.

    `read` is for one thread, the event loop's; the others may be called from any, and wait for each other and for other
    processes until `until_s` of time.monotonic. `now` gives seconds since the epoch: they outlive a process.

    `identity` is the file that is open, `size_bytes` how long it was when last looked at, and `aside` has the siblings
    that were another file's and are put aside. `pushed_out` counts values that went before their time.
    """

    def __init__(self, path: Path, *, bounds: Bounds, until_s: float, now: Callable[[], float]) -> None:
        self._path = path
        self._bounds = bounds
        self.pushed_out = 0
        self._now = now
        self._writing = threading.Lock()
        with blaming(path), siblings.turn(path, until_s=until_s), ExitStack() as opened:
            self.identity, self.size_bytes = place.only_name_of(path)
            self.aside = place.settled(path, self.identity, is_sound)
            self._writer = _connect(path, _left_s(until_s))
            opened.callback(self._writer.close)
            schema.migrate(self._writer)
            bounds.limit(self._writer)
            self._reader = _connect(path, _left_s(until_s))
            opened.callback(self._reader.close)
            # Waiting would hold up the loop; `read` refuses instead.
            self._reader.execute("PRAGMA busy_timeout = 0")
            self._reader.execute("PRAGMA query_only = ON")
            if place.identity_of(path.stat()) != self.identity:
                raise StateError(path, *REPLACED)
            self._wal = place.wal_of(path)
            opened.pop_all()
        place.note_opened(self.identity)

    def read(self, key: str) -> bytes | None:
        """The value, None where there is none. Raises WouldWait where another process is at work on the file itself."""
        # No `with _blaming`: it would take as long as the query.
        try:
            row = self._reader.execute(_GET, {"key": key, "now": self._now()}).fetchone()
        except sqlite3.DatabaseError as error:
            if problem_of(error) is LOCKED:
                raise WouldWait from None
            raise StateError(self._path, *problem_of(error)) from None
        return None if row is None else row[0]

    def read_waiting(self, key: str, *, until_s: float) -> bytes | None:
        """As `read`, but waits."""
        with self._transaction(until_s) as writer:
            return self._value(writer, key)

    def put(self, key: str, value: bytes, *, ttl_s: float, owner: str | None = None, until_s: float) -> None:
        """Set the value; what has expired goes, and past the bounds what this owner put longest ago."""
        try:
            with self._transaction(until_s) as writer:
                self._replace(writer, key, value, ttl_s, owner)
        except NoRoomError:
            self.delete(key, until_s=until_s)

    def swap(
        self,
        key: str,
        value: bytes,
        *,
        expected: bytes | None,
        ttl_s: float,
        owner: str | None = None,
        until_s: float,
    ) -> bool:
        """`put` where the value is `expected`; no other process comes in between. Raises NoRoomError."""
        with self._transaction(until_s) as writer:
            if self._value(writer, key) != expected:
                return False
            self._replace(writer, key, value, ttl_s, owner)
            return True

    def end(self, key: str, *, ttl_s: float, owner: str | None, until_s: float) -> bool:
        """Forget the value, and keep that the key was ended; False where there is no room for that."""
        with self._transaction(until_s) as writer:
            now, name = self._now(), schema.owner_name(owner)
            writer.execute(_PURGE_ENDS, (now,))
            if self._value(writer, key) != ENDED:
                if not self._bounds.has_room_to_end(writer, name):
                    return False
                writer.execute(_END, (key, now + ttl_s, name))
            writer.execute(_REMOVE, (key,))
            return True

    def can_end(self, owner: str | None) -> bool:
        """Whether there is room for another end, as the reader sees it; what has expired counts until it is purged."""
        try:
            return self._bounds.has_room_to_end(self._reader, schema.owner_name(owner))
        except sqlite3.DatabaseError as error:
            if problem_of(error) is LOCKED:
                raise WouldWait from None
            raise StateError(self._path, *problem_of(error)) from None

    def can_end_waiting(self, owner: str | None, *, until_s: float) -> bool:
        """As `can_end`, but waits, and without what has expired."""
        with self._transaction(until_s) as writer:
            writer.execute(_PURGE_ENDS, (self._now(),))
            return self._bounds.has_room_to_end(writer, schema.owner_name(owner))

    def delete(self, key: str, *, until_s: float) -> None:
        """Remove the value, if there is one."""
        with self._transaction(until_s) as writer:
            writer.execute(_REMOVE, (key,))

    def entries(self) -> int | None:
        """How many values it has, None where it cannot be read any more. Not while `read` may run."""
        try:
            return int(self._reader.execute(_COUNT).fetchone()[0])
        except sqlite3.DatabaseError:
            return None

    def close(self, *, until_s: float) -> None:
        """Close it once a write that is under way has ended; one that has not by `until_s` ends with the process."""
        if not self._writing.acquire(timeout=_left_s(until_s)):
            return
        try:
            with blaming(self._path), ExitStack() as stack:
                # The last to close removes the siblings by name. Without the turn, SQLite still looks whether the file
                # is where it was before it does.
                with suppress(OSError):
                    stack.enter_context(siblings.turn(self._path, until_s=until_s))
                self._reader.close()
                self._writer.close()
        finally:
            self._writing.release()
        place.note_closed(self.identity)

    def leave_place(self, *, until_s: float) -> Sequence[Path]:
        """Once the file is not where it was, take its siblings out of the way of the next one: says where they are."""
        with blaming(self._path), suppress(FileNotFoundError), siblings.turn(self._path, until_s=until_s):
            if place.wal_of(self._path) != self._wal or place.is_open(self._path):
                return ()
            return siblings.put_aside(self._path)
        return ()

    def _value(self, connection: sqlite3.Connection, key: str) -> bytes | None:
        row = connection.execute(_GET, {"key": key, "now": self._now()}).fetchone()
        return None if row is None else row[0]

    def _replace(self, writer: sqlite3.Connection, key: str, value: bytes, ttl_s: float, owner: str | None) -> None:
        now, name = self._now(), schema.owner_name(owner)
        writer.execute(_REMOVE, (key,))  # REPLACE would remove it without running the trigger that counts
        writer.execute(_PURGE, (now,))
        pushed_out = 0
        while not self._bounds.has_room(writer, name, entry_bytes=schema.entry_bytes(key, value)):
            if not writer.execute(_REMOVE_OLDEST, (name,)).rowcount:
                raise NoRoomError
            pushed_out += 1
        writer.execute(_ADD, (key, value, now + ttl_s, name))
        self.pushed_out += pushed_out

    @contextmanager
    def _transaction(self, until_s: float) -> Generator[sqlite3.Connection, None, None]:
        # The lock: asyncio may cancel the task that awaits a thread, and then another thread comes while it works.
        if not self._writing.acquire(timeout=_left_s(until_s)):
            raise StateError(self._path, *LOCKED)
        try:
            with blaming(self._path):
                self._writer.execute(f"PRAGMA busy_timeout = {int(_left_s(until_s) * 1000)}")
                # IMMEDIATE: a transaction that reads first and writes then may find that another wrote in between.
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                    self._writer.execute("COMMIT")
                finally:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
        finally:
            self._writing.release()


def is_sound(path: Path) -> bool:
    """Whether the copy at `path` is intact; of a file of ours that includes its count, which a mixture gets wrong."""

    def counts(connection: sqlite3.Connection) -> bool:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            return True
        sound = connection.execute("SELECT entries = (SELECT count(*) FROM entries) FROM size").fetchone()[0]
        if sound and schema.version_of(connection) >= 2:
            sound = connection.execute("SELECT ends = (SELECT count(*) FROM ends) FROM size").fetchone()[0]
        return bool(sound)

    return siblings.is_whole(path, counts)


def _left_s(until_s: float) -> float:
    return max(until_s - time.monotonic(), 0.0)


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
    version = schema.version_of(connection)
    if version > SCHEMA_VERSION:
        raise StateError(
            path,
            f"its schema has version {version} and was made by a newer mcp-runtime; this one knows {SCHEMA_VERSION}",
            "run the newer release, or set state.directory",
        )
