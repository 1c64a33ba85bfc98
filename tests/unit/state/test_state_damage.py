"""The kinds of damage to what is kept in files, and what each gets: an answer of the server, and one of the command."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mcp_bridges.deprecation.ledger.ledger import Ledger
from mcp_bridges.deprecation.ledger.schema import LedgerUnusable
from mcp_bridges.deprecation.reports.evidence import read_evidence
from mcp_runtime.cli.main import main
from mcp_runtime.state import siblings
from mcp_runtime.state.port import StateError
from tests.bridges.deprecation.ledgers import START, Clock, Log, client, sighting
from tests.support.state_files import get, put

Damage = Callable[[Path], None]


def pages(path: Path) -> bytes:
    return path.read_bytes()


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def one_byte(path: Path) -> None:
    path.write_bytes(b"x")


def no_database(path: Path) -> None:
    path.write_bytes(b"no database at all " * 500)


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_to_its_header(path: Path) -> None:
    os.truncate(path, 100)


def pages_of_rubbish(path: Path) -> None:
    content = pages(path)
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def hard_link(path: Path) -> None:
    os.link(path, path.with_name("other.db"))


def newer_schema(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def somebody_elses(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
        connection.execute("PRAGMA application_id = 7")
        connection.execute("PRAGMA user_version = 1")


def nothing(path: Path) -> None:
    """A file that is as it should be."""


def removed(path: Path) -> None:
    path.unlink()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a state and a ledger in it, and a configuration that names them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text('[state]\ndirectory = "s"\n')
    put(tmp_path / "s" / "state.db", **{f"key{number}": b"x" * 500 for number in range(50)})
    return tmp_path / "s"


async def keep_a_ledger(path: Path, log: Log) -> bool:
    ledger = Ledger(path, now=Clock(), log=log)
    for number in range(50):
        ledger.note(sighting(client(f"client {number}")), at=Clock()(), outcome="served")
    return await ledger.flush()


DAMAGES = [
    (nothing, None, None),
    (removed, None, None),
    (directory, "it is a directory", "it is a directory"),
    (empty, "it is not a file that mcp-runtime made", "it is not a file that mcp-runtime made"),
    (one_byte, "it is not a file that mcp-runtime made", "it is"),
    (no_database, "it is damaged, or no SQLite database", "it is damaged"),
    (cut_in_half, "it is damaged, or no SQLite database", "it is damaged"),
    (cut_to_its_header, "", "it is"),
    (pages_of_rubbish, "it is damaged, or no SQLite database", "it is damaged"),
    (hard_link, "it is a hard link", "it is a hard link"),
    (newer_schema, "made by a newer mcp-runtime", "made by a newer mcp-runtime"),
    (somebody_elses, "it is not a file that mcp-runtime made", "it is not a file that mcp-runtime made"),
]


@pytest.mark.parametrize(("damage", "server", "command"), DAMAGES, ids=lambda one: getattr(one, "__name__", ""))
def test_of_the_state(
    kept: Path, capsys: pytest.CaptureFixture[str], damage: Damage, server: str | None, command: str | None
) -> None:
    path = kept / "state.db"
    damage(path)
    before = path.read_bytes() if path.is_file() else None
    code = main(["state", "check"])
    errors = capsys.readouterr().err
    if command is None:
        assert (code, errors) == (0, "")
    else:
        assert code == 1
        assert errors.count("\n") == 1
        assert str(path) in errors
        assert command in errors
        assert ". Fix: " in errors
    assert (path.read_bytes() if path.is_file() else None) == before
    assert {one.name for one in kept.iterdir()} <= {"state.db", "other.db"}
    if server is not None:
        with pytest.raises(StateError) as refused:
            get(path, "key1")
        assert server in refused.value.problem
        assert (path.read_bytes() if path.is_file() else None) == before
    assert main(["state", "reset"]) == 0
    assert "Lost with it" in capsys.readouterr().out or damage is removed
    put(path, new=b"1")
    assert get(path, "new") == b"1"
    assert main(["state", "check"]) == 0


LEDGER_DAMAGES = [
    (nothing, None, None),
    (removed, None, None),
    (empty, None, None),  # as SQLite leaves it where a process is killed while it makes one
    (directory, "Is a directory", "it is a directory"),
    (no_database, "not a database.*mcp-runtime state reset --ledger", "it is damaged"),
    (cut_in_half, "malformed.*mcp-runtime state reset --ledger", "it is damaged"),
    (pages_of_rubbish, "malformed.*mcp-runtime state reset --ledger", "it is damaged"),
    (hard_link, "hard link", "it is a hard link"),
    (newer_schema, "newer", "made by a newer mcp-runtime"),
]


@pytest.mark.parametrize(("damage", "server", "command"), LEDGER_DAMAGES, ids=lambda one: getattr(one, "__name__", ""))
async def test_of_the_ledger(
    kept: Path, capsys: pytest.CaptureFixture[str], damage: Damage, server: str | None, command: str | None
) -> None:
    path, log = kept / "ledger.db", Log()
    assert await keep_a_ledger(path, log)
    damage(path)
    code = main(["state", "check"])
    errors = capsys.readouterr().err
    if command is None:
        assert (code, errors) == (0, "")
    else:
        assert (code, errors.count("\n")) == (1, 1)
        assert str(path) in errors
        assert command in errors
        assert "state reset --ledger" in errors or damage in {hard_link, newer_schema}
    assert await keep_a_ledger(path, log) == (server is None)
    if server is not None:
        reason = log.told[0][2]["reason"]
        assert pytest.raises(AssertionError, match=server).matches(AssertionError(reason)), reason
    assert main(["state", "reset", "--ledger"]) == 0
    assert await keep_a_ledger(path, Log())
    assert main(["state", "check"]) == 0


# A journal of another file


def interrupted(path: Path, older: Path) -> None:
    """The ledger of a process that was killed while it wrote, and a copy of how it was a while before."""
    shutil.copy(path, older)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        more = [(os.urandom(8).hex(), "x" * 500) for _ in range(2000)]
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO client VALUES (?, '', 'more', '', ?, '', '', 0, 0, NULL)", more)
        connection.execute("COMMIT")
        connection.execute("BEGIN")
        connection.execute("UPDATE client SET name = 'half'")
        for suffix in ("", "-journal"):
            shutil.copy(f"{path}{suffix}", f"{path}.crashed{suffix}")
        connection.execute("ROLLBACK")
    for suffix in ("", "-journal"):
        Path(f"{path}.crashed{suffix}").rename(f"{path}{suffix}")
    assert path.with_name("ledger.db-journal").stat().st_size > 0


async def test_what_a_killed_process_left_of_a_ledger_is_taken_back(kept: Path) -> None:
    path, log = kept / "ledger.db", Log()
    assert await keep_a_ledger(path, log)
    interrupted(path, kept / "older.db")
    assert await keep_a_ledger(path, log)
    assert log.events == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM client WHERE name = 'half'").fetchone() == (0,)


async def test_a_restored_ledger_never_meets_the_journal_of_another(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, log = kept / "ledger.db", Log()
    assert await keep_a_ledger(path, log)
    interrupted(path, kept / "older.db")
    (kept / "older.db").rename(path)
    code = main(["state", "check"])
    errors = capsys.readouterr().err
    assert code == 1
    assert "it is intact, and ledger.db-journal beside it is not" in errors
    assert await keep_a_ledger(path, log)
    assert log.events == ["ledger_siblings_put_aside"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT sum(calls) FROM use WHERE feature = '*'").fetchone() == (100,)
    capsys.readouterr()
    assert main(["state", "check"]) == 0


async def test_a_ledger_that_is_removed_never_leaves_its_journal_to_the_next(kept: Path) -> None:
    path, log = kept / "ledger.db", Log()
    assert await keep_a_ledger(path, log)
    interrupted(path, kept / "older.db")
    path.unlink()
    assert await keep_a_ledger(path, log)
    assert log.events == ["ledger_siblings_put_aside"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT sum(calls) FROM use WHERE feature = '*'").fetchone() == (50,)


async def test_a_ledger_that_is_removed_while_it_is_kept_is_said_once(tmp_path: Path) -> None:
    path, log = tmp_path / "ledger.db", Log()
    ledger = Ledger(path, now=Clock(), log=log)
    for number in range(4):
        ledger.note(sighting(client(f"client {number}")), at=Clock()(), outcome="served")
        assert await ledger.flush()
        if number == 1:
            path.unlink()
    assert log.told == [("error", "ledger_file_replaced", {"path": str(path), "found": "nothing"})]
    shutil.copy(path, tmp_path / "older.db")
    (tmp_path / "older.db").rename(path)
    ledger.note(sighting(), at=Clock()(), outcome="served")
    assert await ledger.flush()
    assert log.told[1:] == [("error", "ledger_file_replaced", {"path": str(path), "found": "another file"})]


async def test_who_reads_a_restored_ledger_hears_of_the_journal_and_finds_the_ledger_the_next_time(kept: Path) -> None:
    path = kept / "ledger.db"
    assert await keep_a_ledger(path, Log())
    interrupted(path, kept / "older.db")
    (kept / "older.db").rename(path)
    with pytest.raises(LedgerUnusable, match=r"a journal of another file; it is .*-journal now: ask again"):
        read_evidence(path, since=START, until=START)
    assert len(read_evidence(path, since=START, until=START).clients) == 50


async def test_a_ledger_that_is_damaged_with_its_journal_and_without_is_neither_read_nor_written(kept: Path) -> None:
    path, log = kept / "ledger.db", Log()
    assert await keep_a_ledger(path, log)
    interrupted(path, kept / "older.db")
    os.truncate(path, 4096 * 5)
    path.with_name("ledger.db-journal").write_bytes(path.with_name("ledger.db-journal").read_bytes()[:9000])
    before = path.read_bytes()
    with pytest.raises(LedgerUnusable, match="it is damaged; `mcp-runtime state reset --ledger`"):
        read_evidence(path, since=START, until=START)
    assert not await keep_a_ledger(path, log)
    assert "it is damaged; `mcp-runtime state reset --ledger`" in log.told[0][2]["reason"]
    assert path.read_bytes() == before


async def test_a_ledger_that_is_removed_while_it_cannot_be_written_is_told_once_by_the_trouble(tmp_path: Path) -> None:
    path, log = tmp_path / "ledger.db", Log()
    ledger = Ledger(path, now=Clock(), log=log)
    ledger.note(sighting(), at=Clock()(), outcome="served")
    assert await ledger.flush()
    path.unlink()
    ledger.note(sighting(), at=Clock()(), outcome="served")
    with siblings.turn(path, until_s=0):
        assert not await ledger.flush()
    assert await ledger.flush()
    assert log.events == ["ledger_unwritten", "ledger_written_again"]
