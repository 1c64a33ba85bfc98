"""The writing of tallies into the ledger's file. Rule: one transaction, and every count in it is an addition.

So a process that dies has written all of a batch or nothing of it, two processes add to the same rows, and no count
goes back. What is old goes first when room is needed.
"""

import sqlite3
import stat
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from mcp_bridges.deprecation.ledger.schema import MESSAGE, opened_for_writing, transaction
from mcp_bridges.deprecation.ledger.tallies import Counted, Tally
from mcp_bridges.gate.identity import Identity
from mcp_runtime.protocol.revisions import MODERN_REVISIONS

_Key = TypeVar("_Key")

MAX_NETWORKS: Final = 64
"""Networks that are kept apart for one client; more are counted as one."""
MORE_NETWORKS: Final = "(more)"
_MAKE_ROOM: Final = 10
"""One part in so many of the file is freed at once, so that it is not done again at the next flush."""

_ADD_CLIENT: Final = """
    INSERT INTO client (id, principal, name, version, user_agent, transport, network, first_seen, last_seen)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
        first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen)"""
_SEEN_MODERN: Final = "UPDATE client SET modern_seen = max(coalesce(modern_seen, 0), ?) WHERE id = ?"
_ADD_NETWORK: Final = """
    INSERT INTO network VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls,
        first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen)"""
_ADD_USE: Final = """
    INSERT INTO use (day, client, feature, revision, calls, refused, would_refuse, first_seen, last_seen)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls,
        refused = refused + excluded.refused, would_refuse = would_refuse + excluded.would_refuse,
        first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen)"""
_ADD_WATCHED: Final = "INSERT INTO watched VALUES (?, ?) ON CONFLICT DO UPDATE SET lost = lost + excluded.lost"
_FORGET_CLIENTS: Final = (
    "DELETE FROM network WHERE client NOT IN (SELECT client FROM use)",
    "DELETE FROM client WHERE id NOT IN (SELECT client FROM use)",
)


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch: all that one flush writes."""

    tallies: Mapping[Counted, Tally]
    lost: int
    """Calls that could not be counted by client."""
    today: str
    forget_before: str | None = None
    """Days before it are removed, and clients that then have none left; None removes nothing."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """The file that a batch went into, by its device and inode."""

    device: int
    inode: int
    made: bool
    """Whether it was made for this batch."""
    aside: tuple[Path, ...]
    """Siblings of a file that was there before, moved to these names."""

    def follows(self, before: "Written") -> bool:
        """Whether the file is the one of `before`."""
        return not self.made and (self.device, self.inode) == (before.device, before.inode)


def write(path: Path, batch: Batch, *, max_bytes: int) -> Written:
    """Add `batch` to the file, and say which that is. Where it is as large as it may be, its oldest days make room.

    Blocks: for a worker thread. Raises OSError, sqlite3.Error, LedgerUnusable, and then nothing was written.
    """
    with opened_for_writing(path, max_bytes=max_bytes) as connection:
        try:
            _add(connection, batch)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL or not _make_room(connection, batch.today):
                raise
            _add(connection, batch)
        found = path.stat()
        return Written(device=found.st_dev, inode=found.st_ino, made=connection.made, aside=connection.aside)


def is_there(path: Path, written: Written) -> bool:
    """Whether the file that was written to is still at its place."""
    try:
        found = path.stat()
    except OSError:
        return False
    # The number of a file that is gone is given to the next one, be it a directory.
    return stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) == (written.device, written.inode)


def _add(connection: sqlite3.Connection, batch: Batch) -> None:
    with transaction(connection):
        connection.execute(_ADD_WATCHED, (batch.today, batch.lost))
        for identity, seen in _by_identity(batch.tallies).items():
            connection.execute(_ADD_CLIENT, (identity.key, *identity, seen.first_s, seen.last_s))
        _add_networks(connection, batch.tallies)
        for what, tally in batch.tallies.items():
            client = what.identity.key
            counts = (tally.calls, tally.refused, tally.would_refuse, tally.first_s, tally.last_s)
            if MESSAGE in what.features and what.revision in MODERN_REVISIONS:
                connection.execute(_SEEN_MODERN, (tally.last_s, client))
            for feature in what.features:
                connection.execute(_ADD_USE, (what.day, client, feature, what.revision, *counts))
        if batch.forget_before is not None:
            _forget(connection, batch.forget_before)


def _by_identity(tallies: Mapping[Counted, Tally]) -> dict[Identity, Tally]:
    return _summed((what.identity, tally) for what, tally in tallies.items())


def _summed(pairs: Iterable[tuple[_Key, Tally]]) -> dict[_Key, Tally]:
    found: dict[_Key, Tally] = {}
    for key, tally in pairs:
        found.setdefault(key, Tally(first_s=tally.first_s, last_s=tally.last_s)).add(tally)
    return found


def _add_networks(connection: sqlite3.Connection, tallies: Mapping[Counted, Tally]) -> None:
    seen = _summed(((what.identity.key, what.network), tally) for what, tally in tallies.items() if _has_network(what))
    for (client, network), tally in seen.items():
        known = {name for (name,) in connection.execute("SELECT network FROM network WHERE client = ?", (client,))}
        kept = network if network in known or len(known) < MAX_NETWORKS else MORE_NETWORKS
        connection.execute(_ADD_NETWORK, (client, kept, tally.calls, tally.first_s, tally.last_s))


def _has_network(what: Counted) -> bool:
    return bool(what.network) and MESSAGE in what.features


def _make_room(connection: sqlite3.Connection, today: str) -> bool:
    """Remove days from the oldest on, never today's; whether that freed anything."""
    most = _pragma(connection, "max_page_count")
    if _pragma(connection, "page_count") < most // 2:
        return False  # It is the disk that is full: to forget would be no help, and is no remedy.
    wanted = max(most // _MAKE_ROOM, 1)
    while _pragma(connection, "freelist_count") < wanted:
        (oldest,) = connection.execute("SELECT min(day) FROM use").fetchone()
        if oldest is None or oldest >= today:
            break
        with transaction(connection):
            _forget(connection, (date.fromisoformat(oldest) + timedelta(days=1)).isoformat())
    return _pragma(connection, "freelist_count") > 0


def _forget(connection: sqlite3.Connection, day: str) -> None:
    connection.execute("DELETE FROM use WHERE day < ?", (day,))
    connection.execute("DELETE FROM watched WHERE day < ?", (day,))
    for statement in _FORGET_CLIENTS:
        connection.execute(statement)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
