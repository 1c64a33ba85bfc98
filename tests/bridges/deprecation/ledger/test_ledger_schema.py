"""The file over time: older ones are brought up, newer ones are left alone, readers see one state."""

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mcp_bridges.deprecation.ledger.schema import (
    VERSION,
    LedgerUnusable,
    _upgrade,
    opened_for_reading,
    opened_for_writing,
)
from mcp_bridges.deprecation.reports.evidence import read_evidence
from mcp_bridges.gate.identity import identity_of
from tests.bridges.deprecation.ledgers import START, Fixture, client, seconds, sighting, without_privileges

VERSION_1 = """
    CREATE TABLE client (
        id TEXT PRIMARY KEY, principal TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
        user_agent TEXT NOT NULL, transport TEXT NOT NULL, peer TEXT NOT NULL,
        first_seen REAL NOT NULL, last_seen REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE use (
        day TEXT NOT NULL, client TEXT NOT NULL, feature TEXT NOT NULL, revision TEXT NOT NULL,
        calls INTEGER NOT NULL, refused INTEGER NOT NULL,
        first_seen REAL NOT NULL, last_seen REAL NOT NULL, PRIMARY KEY (day, client, feature, revision)
    ) WITHOUT ROWID;
    PRAGMA user_version = 1;
"""


def version_1(path: Path) -> None:
    """A file as version 1 left it: two clients, one without an address."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1)
        for who in (client("a"), client("b", peer=None)):
            facts = identity_of(who)
            times = (seconds(START), seconds(START) + 60)
            connection.execute(
                "INSERT INTO client VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (facts.key, *facts[:5], who.peer or "", *times)
            )
            for day, feature in (("2026-08-01", "*"), ("2026-08-01", "ping"), ("2026-08-03", "*")):
                connection.execute(
                    "INSERT INTO use VALUES (?, ?, ?, '2025-06-18', 5, 1, ?, ?)", (day, facts.key, feature, *times)
                )
        connection.execute(
            "INSERT INTO use VALUES ('2026-08-03', ?, '*', '2026-07-28', 2, 0, ?, ?)",
            (identity_of(client("b", peer=None)).key, seconds(START), seconds(START) + 30),
        )
        connection.commit()


@pytest.fixture
def fixture(tmp_path: Path) -> Fixture:
    return Fixture(tmp_path / "ledger.db")


def check_migrated(fixture: Fixture) -> None:
    assert fixture.rows("PRAGMA user_version") == [(VERSION,)]
    assert fixture.rows("SELECT network, calls, last_seen FROM network") == [("192.0.2.7", 10, seconds(START) + 60)]
    assert fixture.rows("SELECT sum(calls), sum(refused), sum(would_refuse) FROM use") == [(32, 6, 0)]
    seen = fixture.rows("SELECT name, modern_seen FROM client ORDER BY name")
    assert seen == [("a", None), ("b", seconds(START) + 30)]
    assert fixture.rows("SELECT day, lost FROM watched ORDER BY day") == [("2026-08-01", 0), ("2026-08-03", 0)]


async def test_a_file_of_version_1_is_brought_up_by_the_first_write(fixture: Fixture) -> None:
    version_1(fixture.path)
    with opened_for_writing(fixture.path, max_bytes=10_000_000):
        check_migrated(fixture)
    ledger = fixture.ledger()
    ledger.note(sighting(client("a"), "ping"), at=seconds(START) + 90, outcome="would_refuse")
    assert await ledger.flush()
    row = fixture.rows(
        "SELECT calls, refused, would_refuse, use.last_seen FROM use JOIN client ON client.id = use.client"
        " WHERE feature = 'ping' AND name = 'a'"
    )
    assert row == [(6, 1, 1, seconds(START) + 90)]


class Late(sqlite3.Connection):
    """Another process is faster: it brings the file up between this one's look at it and its own beginning."""

    path: Path

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql == "BEGIN IMMEDIATE":
            with opened_for_writing(self.path, max_bytes=10_000_000):
                pass
        return super().execute(sql, *parameters)


def test_of_two_processes_that_start_at_once_one_finds_it_done(fixture: Fixture) -> None:
    version_1(fixture.path)
    with closing(sqlite3.connect(fixture.path, factory=Late, isolation_level=None)) as connection:
        connection.path = fixture.path
        _upgrade(connection, fixture.path)
    check_migrated(fixture)


def test_a_reader_brings_it_up_too(fixture: Fixture) -> None:
    version_1(fixture.path)
    evidence = fixture.evidence(START, date(2026, 8, 3))
    check_migrated(fixture)
    assert sorted(used.calls for used in evidence.users_of("ping").values()) == [5, 5]
    assert evidence.watched_days == 2


def test_a_migrated_file_has_the_tables_of_a_new_one(fixture: Fixture, tmp_path: Path) -> None:
    version_1(fixture.path)
    fresh = Fixture(tmp_path / "fresh.db")
    for one in (fixture, fresh):
        with opened_for_writing(one.path, max_bytes=10_000_000):
            pass
    for table in ("client", "network", "use", "watched"):
        columns = [
            {(name, kind, not_null, key) for _, name, kind, not_null, _, key in one.rows(f"PRAGMA table_info({table})")}
            for one in (fixture, fresh)
        ]
        assert columns[0] == columns[1]


def test_a_migration_that_fails_leaves_the_file_as_it_was(fixture: Fixture) -> None:
    version_1(fixture.path)
    with closing(sqlite3.connect(fixture.path)) as connection:
        connection.execute("CREATE TABLE watched (in_the_way TEXT)")
    with pytest.raises(sqlite3.Error), opened_for_writing(fixture.path, max_bytes=10_000_000):
        pytest.fail("opened")
    assert fixture.rows("PRAGMA user_version") == [(1,)]
    assert fixture.rows("SELECT peer FROM client WHERE name = 'a'") == [("192.0.2.7",)]


def test_there_is_nothing_to_read_before_the_first_write(fixture: Fixture) -> None:
    with pytest.raises(LedgerUnusable, match="no ledger at"):
        fixture.evidence()
    assert not fixture.path.exists()


@pytest.mark.parametrize(("content", "reason"), [("not a database " * 100, "not a database"), (None, "unable to open")])
def test_a_file_that_cannot_be_read_is_named(fixture: Fixture, content: str | None, reason: str) -> None:
    if content is None:
        fixture.path.mkdir()
    else:
        fixture.path.write_text(content)
    with pytest.raises(LedgerUnusable, match=f"cannot be read.*{reason}"):
        fixture.evidence()


def test_a_file_of_a_newer_version_is_not_read(fixture: Fixture) -> None:
    with closing(sqlite3.connect(fixture.path)) as connection:
        connection.execute("PRAGMA user_version = 3")
    with pytest.raises(LedgerUnusable, match="newer"):
        fixture.evidence()


async def test_a_reader_needs_no_right_to_write() -> None:
    with without_privileges() as folder:
        fixture = Fixture(folder / "ledger.db")
        ledger = fixture.ledger()
        ledger.note(sighting(), at=fixture.clock(), outcome="served")
        await ledger.flush()
        fixture.path.chmod(0o400)
        folder.chmod(0o500)
        assert len(read_evidence(fixture.path, since=START, until=START).clients) == 1
        folder.chmod(0o700)


async def test_a_reader_cannot_write(fixture: Fixture) -> None:
    await fixture.ledger().flush()
    with pytest.raises(LedgerUnusable), opened_for_reading(fixture.path) as connection:
        connection.execute("DELETE FROM watched")
