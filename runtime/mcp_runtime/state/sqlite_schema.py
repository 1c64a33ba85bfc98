"""The schema of the state's SQLite file, and its bounds. Rule: what is held is counted by triggers, never by a walk.

Values and ends have an owner: a digest of the client's key, empty for clients without one. Imported with `sqlite3`.
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from mcp_runtime.platform.shares import share_of

SCHEMA_VERSION: Final = 2
APPLICATION_ID: Final = 0x4D435052
"""Marks the file as ours: "MCPR"."""
PAGE_BYTES: Final = 4096
"""SQLite's own choice since 3.12."""
_SPARE_PAGES: Final = 256
_END_BYTES: Final = 256
"""An end with its two indexes takes half of it."""
_WAL_BYTES: Final = 4_194_304
"""What SQLite lets it grow to before it copies it into the file. Longer ones are cut once that is done."""
_OWNER_BYTES: Final = 8

# A row has its key twice, in the table and in an index, and takes about 150 bytes beside.
_COST: Final = "(2 * length(CAST({row}.key AS BLOB)) + length({row}.value) + 200)"
ROW_BYTES: Final = 200
"""As in `_COST`."""

_ENDS: Final[Sequence[str]] = (
    "CREATE TABLE ends (key TEXT PRIMARY KEY, expires_at REAL NOT NULL, owner TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX ends_by_expiry ON ends (expires_at)",
    "CREATE INDEX entries_by_owner ON entries (owner, id)",
    """
    CREATE TABLE owners (
        owner TEXT PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL, ends INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
)

_TRIGGER: Final = """
CREATE TRIGGER {name} AFTER {when} ON {table} BEGIN
    UPDATE size SET entries = entries + {entries}, bytes = bytes + {bytes}, ends = ends + {ends};
    INSERT OR IGNORE INTO owners VALUES ({row}.owner, 0, 0, 0);
    UPDATE owners SET entries = entries + {entries}, bytes = bytes + {bytes}, ends = ends + {ends}
        WHERE owner = {row}.owner;
    DELETE FROM owners WHERE owner = {row}.owner AND entries = 0 AND ends = 0;
END
"""
_ADDED: Final = {"when": "INSERT", "row": "NEW"}
_REMOVED: Final = {"when": "DELETE", "row": "OLD"}
_TRIGGERS: Final[Sequence[str]] = (
    _TRIGGER.format(name="entry_added", table="entries", **_ADDED, entries=1, bytes=_COST.format(row="NEW"), ends=0),
    _TRIGGER.format(
        name="entry_removed", table="entries", **_REMOVED, entries=-1, bytes=f"-{_COST.format(row='OLD')}", ends=0
    ),
    _TRIGGER.format(name="end_added", table="ends", **_ADDED, entries=0, bytes=0, ends=1),
    _TRIGGER.format(name="end_removed", table="ends", **_REMOVED, entries=0, bytes=0, ends=-1),
)

# `id` rises with each put, which makes the first one the oldest.
_NEW: Final[Sequence[str]] = (
    """
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value BLOB NOT NULL, expires_at REAL NOT NULL,
        owner TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX entries_by_expiry ON entries (expires_at)",
    "CREATE TABLE size (entries INTEGER NOT NULL, bytes INTEGER NOT NULL, ends INTEGER NOT NULL)",
    "INSERT INTO size VALUES (0, 0, 0)",
    *_ENDS,
    *_TRIGGERS,
)

# In version 1 the end of a session was a value.
_FROM_1: Final[Sequence[str]] = (
    "DROP TRIGGER entry_added",
    "DROP TRIGGER entry_removed",
    "ALTER TABLE entries ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE size ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE size ADD COLUMN ends INTEGER NOT NULL DEFAULT 0",
    *_ENDS,
    """INSERT INTO ends SELECT key, expires_at, '' FROM entries WHERE value = CAST('{"ended":true}' AS BLOB)""",
    "DELETE FROM entries WHERE key IN (SELECT key FROM ends)",
    "UPDATE size SET entries = (SELECT count(*) FROM entries), ends = (SELECT count(*) FROM ends)",
    f"UPDATE size SET bytes = (SELECT ifnull(sum{_COST.format(row='entries')}, 0) FROM entries)",  # noqa: S608  # ours
    "INSERT INTO owners SELECT '', entries, bytes, ends FROM size WHERE entries + ends > 0",
    *_TRIGGERS,
)

_VERSION: Final = f"PRAGMA user_version = {SCHEMA_VERSION}"


def make(connection: sqlite3.Connection) -> None:
    """Make the schema in an empty file."""
    connection.execute("PRAGMA journal_mode = WAL")
    _execute(connection, _NEW)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(_VERSION)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file of ours that an older release made to this schema; nothing of it is lost."""
    if version_of(connection) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version_of(connection) < SCHEMA_VERSION:  # and no other process was faster
            _execute(connection, _FROM_1)
            connection.execute(_VERSION)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the schema in the file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _execute(connection: sqlite3.Connection, statements: Sequence[str]) -> None:
    for statement in statements:  # not as a script, which would commit what was begun
        connection.execute(statement)


def owner_name(owner: str | None) -> str:
    """The owner as the file has it: of an address, nothing that says which it was."""
    return "" if owner is None else hashlib.blake2b(owner.encode(), digest_size=_OWNER_BYTES).hexdigest()


class Bounds(Struct, frozen=True, kw_only=True):
    """The bounds of a file: values, their bytes with what SQLite adds to them, and ends."""

    max_entries: int
    max_bytes: int
    max_ends: int

    def limit(self, connection: sqlite3.Connection) -> None:
        """Have SQLite itself keep far away from what counting should not let come: the file, and what is beside it."""
        pages = (2 * self.max_bytes + _END_BYTES * self.max_ends) // PAGE_BYTES + _SPARE_PAGES
        connection.execute(f"PRAGMA max_page_count = {pages}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")

    def has_room(self, connection: sqlite3.Connection, owner: str, *, entry_bytes: int) -> bool:
        """Whether a value that costs so much has room beside all that is held."""
        entries, held_bytes, _ = connection.execute(_SIZE).fetchone()
        own_entries, own_bytes, _ = connection.execute(_OWN, (owner,)).fetchone() or _NOTHING
        return _fits(self.max_entries, entries, own_entries, 1, owner) and _fits(
            self.max_bytes, held_bytes, own_bytes, entry_bytes, owner
        )

    def has_room_to_end(self, connection: sqlite3.Connection, owner: str) -> bool:
        """Whether there is room for another end."""
        _, _, ends = connection.execute(_SIZE).fetchone()
        _, _, own = connection.execute(_OWN, (owner,)).fetchone() or _NOTHING
        return _fits(self.max_ends, ends, own, 1, owner)


_SIZE: Final = "SELECT entries, bytes, ends FROM size"
_OWN: Final = "SELECT entries, bytes, ends FROM owners WHERE owner = ?"
_NOTHING: Final = (0, 0, 0)


def _fits(total: int, held: int, own: int, more: int, owner: str) -> bool:
    """As `Shares.take`, of what several processes count together."""
    return held + more <= total and (not owner or own + more <= share_of(total, by_others=held - own))


def entry_bytes(key: str, value: bytes) -> int:
    """The cost of a value, as the triggers count it."""
    return 2 * len(key.encode()) + len(value) + ROW_BYTES
