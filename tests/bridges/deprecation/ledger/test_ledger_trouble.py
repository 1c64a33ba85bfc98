"""A file that cannot be written: serving goes on, the log says so once, and what waits is written when it can be."""

import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from mcp_bridges.deprecation.ledger.ledger import SAY_AGAIN_AFTER_S
from mcp_bridges.deprecation.ledger.schema import VERSION, LedgerUnusable, opened_for_writing, transaction
from mcp_bridges.deprecation.ledger.tallies import Tallies
from mcp_bridges.gate.identity import AddressPrivacy
from mcp_runtime.state import siblings
from tests.bridges.deprecation.ledgers import (
    START,
    Fixture,
    client,
    files_no_longer_than,
    seconds,
    sighting,
    without_privileges,
)


@pytest.fixture
def fixture(tmp_path: Path) -> Fixture:
    return Fixture(tmp_path / "ledger.db")


def note(ledger: object, fixture: Fixture, *names: str) -> None:
    for name in names:
        ledger.note(sighting(client(name)), at=fixture.clock(), outcome="served")  # type: ignore[attr-defined]  # a Ledger


async def test_a_file_that_becomes_read_only_and_writable_again() -> None:
    with without_privileges() as folder:
        fixture = Fixture(folder / "ledger.db")
        ledger = fixture.ledger()
        note(ledger, fixture, "a")
        assert await ledger.flush()
        fixture.path.chmod(0o400)
        note(ledger, fixture, "a", "b")
        assert not await ledger.flush()
        assert ledger.status.waiting_calls == 2
        fixture.path.chmod(0o600)
        fixture.clock.at_s += 90
        note(ledger, fixture, "b")
        assert await ledger.flush()
        assert fixture.total() == 4
    assert fixture.log.events == ["ledger_unwritten", "ledger_written_again"]
    level, _, fields = fixture.log.told[0]
    assert level == "warning"
    assert fields["waiting_calls"] == 2
    assert "denied" in fields["reason"]
    assert fixture.log.told[1][2]["after_s"] == 90


async def test_a_folder_that_cannot_be_made() -> None:
    with without_privileges() as folder:
        folder.chmod(0o500)
        fixture = Fixture(folder / "state" / "ledger.db")
        ledger = fixture.ledger()
        note(ledger, fixture, "a")
        assert not await ledger.flush()
        folder.chmod(0o700)
        assert await ledger.flush()
        assert fixture.total() == 1


async def test_a_full_disk_and_room_on_it_again(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    note(ledger, fixture, "a")
    assert await ledger.flush()
    names = [f"client {n}" for n in range(500)]
    note(ledger, fixture, *names)
    with files_no_longer_than(fixture.path.stat().st_size):
        assert not await ledger.flush()
        assert not await ledger.flush()
    assert fixture.total() == 1
    assert ledger.status.waiting_calls == 500
    assert await ledger.flush()
    assert fixture.total() == 501
    assert fixture.log.events == ["ledger_unwritten", "ledger_written_again"]


async def test_a_file_that_another_program_keeps_locked(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    await ledger.flush()
    note(ledger, fixture, "a")
    with closing(sqlite3.connect(fixture.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert not await ledger.flush()
        other.execute("ROLLBACK")
    assert await ledger.flush()
    assert fixture.total() == 1
    assert "locked" in fixture.log.told[0][2]["reason"]


async def test_a_reader_in_the_middle_of_the_file_does_not_make_a_call_count_twice(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    note(ledger, fixture, "a")
    await ledger.flush()
    note(ledger, fixture, "a")
    with closing(sqlite3.connect(fixture.path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM use").fetchone()
        assert not await ledger.flush()
        other.execute("ROLLBACK")
    assert await ledger.flush()
    assert fixture.total() == 2


async def test_a_file_that_is_no_database_is_left_as_it_is(fixture: Fixture) -> None:
    fixture.path.write_text("somebody's notes " * 100)
    ledger = fixture.ledger()
    note(ledger, fixture, "a")
    assert not await ledger.flush()
    assert fixture.path.read_text() == "somebody's notes " * 100
    assert "not a database" in fixture.log.told[0][2]["reason"]


async def test_a_file_of_a_newer_version_is_left_as_it_is(fixture: Fixture) -> None:
    with closing(sqlite3.connect(fixture.path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    ledger = fixture.ledger()
    note(ledger, fixture, "a")
    assert not await ledger.flush()
    assert "newer" in fixture.log.told[0][2]["reason"]
    assert fixture.rows("SELECT count(*) FROM sqlite_schema") == [(0,)]


async def test_the_same_trouble_is_told_once_an_hour(fixture: Fixture) -> None:
    fixture.path.mkdir()
    ledger = fixture.ledger()
    note(ledger, fixture, "a")
    for wait_s in (0, 5, SAY_AGAIN_AFTER_S - 6, 0.5):
        fixture.clock.at_s += wait_s
        assert not await ledger.flush()
    assert len(fixture.log.told) == 1
    fixture.clock.at_s += 0.5
    assert not await ledger.flush()
    assert fixture.log.events == ["ledger_unwritten", "ledger_unwritten"]


async def test_a_file_that_fails_every_other_time_is_told_once_an_hour(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    for _ in range(10):
        note(ledger, fixture, "a")
        fixture.path.mkdir()
        assert not await ledger.flush()
        fixture.path.rmdir()
        assert await ledger.flush()
        fixture.path.unlink()
        fixture.clock.at_s += 60
    assert fixture.log.events == ["ledger_unwritten", "ledger_written_again"]


async def test_what_could_never_be_written_is_told_at_the_end(fixture: Fixture) -> None:
    fixture.path.mkdir()
    ledger = fixture.ledger(flush_interval_s=3600)
    async with ledger.running():
        note(ledger, fixture, "a", "b")
    assert fixture.log.told[-1] == ("error", "ledger_calls_lost", {"path": str(fixture.path), "calls": 2})


async def test_calls_there_is_no_room_for_are_told_and_kept_as_a_number(fixture: Fixture) -> None:
    ledger = fixture.ledger(tallies=Tallies(AddressPrivacy("full"), max_tallies=2), flush_interval_s=3600)
    note(ledger, fixture, "a", "b", "c")
    await ledger.flush()
    assert ledger.status.lost_calls == 1
    note(ledger, fixture, "a", "b", "c", "d")
    await ledger.flush()
    assert fixture.log.told == [("error", "ledger_calls_lost", {"path": str(fixture.path), "calls": 1})]
    assert ledger.status.lost_calls == 3
    assert fixture.evidence().lost_calls == 3
    async with ledger.running():
        pass
    assert fixture.log.told[1:] == [("error", "ledger_calls_lost", {"path": str(fixture.path), "calls": 2})]


async def test_a_file_at_its_bound_forgets_its_oldest_days(fixture: Fixture) -> None:
    ledger = fixture.ledger(max_bytes=200_000)
    for days in range(60):
        fixture.clock.at_s = seconds(START + timedelta(days))
        note(ledger, fixture, *(f"client {n}" for n in range(30)))
        assert await ledger.flush()
        assert fixture.path.stat().st_size <= 200_000
    ((first, last),) = fixture.rows("SELECT min(day), max(day) FROM use")
    assert START.isoformat() < first < "2026-09-20"
    assert last == "2026-09-29"
    assert fixture.rows("SELECT min(day) FROM watched") == [(first,)]
    assert fixture.log.told == []


async def test_today_is_never_forgotten_for_more_of_today(fixture: Fixture) -> None:
    ledger = fixture.ledger(max_bytes=100_000)
    note(ledger, fixture, *(f"client {n}" for n in range(100)))
    assert await ledger.flush()
    note(ledger, fixture, *(f"another {n}" for n in range(2000)))
    assert not await ledger.flush()
    assert fixture.total() == 100
    assert "full" in fixture.log.told[0][2]["reason"]


async def test_yesterday_is_not_forgotten_where_that_would_not_help(fixture: Fixture) -> None:
    ledger = fixture.ledger(max_bytes=400_000)
    note(ledger, fixture, "a")
    await ledger.flush()
    fixture.clock.at_s = seconds(START + timedelta(1))
    note(ledger, fixture, *(f"client {n}" for n in range(5000)))
    assert not await ledger.flush()
    assert fixture.rows("SELECT day FROM use WHERE feature = '*'") == [("2026-08-01",)]


async def test_all_that_one_write_waits_for_other_programs_is_a_second(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    note(ledger, fixture, "a")
    assert await ledger.flush()
    began_s = time.monotonic()
    with opened_for_writing(fixture.path, max_bytes=10_000_000) as connection:
        with closing(sqlite3.connect(fixture.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(sqlite3.OperationalError, match="locked"), transaction(connection):
                pytest.fail("it began")
            with pytest.raises(sqlite3.OperationalError, match="locked"), transaction(connection):
                pytest.fail("it began")
        assert time.monotonic() - began_s < 1.7


async def test_a_write_that_cannot_have_the_turn_goes_on_waiting_in_memory(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    note(ledger, fixture, "a")
    with siblings.turn(fixture.path, until_s=0):
        assert not await ledger.flush()
    assert "locked by another process" in fixture.log.told[0][2]["reason"]
    assert await ledger.flush()
    assert fixture.total() == 1


def test_a_reader_that_cannot_have_the_turn_says_so(fixture: Fixture) -> None:
    with opened_for_writing(fixture.path, max_bytes=10_000_000):
        pass
    with siblings.turn(fixture.path, until_s=0), pytest.raises(LedgerUnusable, match="locked by another process"):
        fixture.evidence()
