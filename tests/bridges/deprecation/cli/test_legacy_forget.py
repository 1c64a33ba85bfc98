"""`mcp-runtime legacy forget`: what was kept of a client is gone from the file, and of nobody else."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
import trio

from tests.bridges.deprecation.cli.legacy_command import Run
from tests.bridges.deprecation.ledgers import client
from tests.bridges.deprecation.reports.test_report import Story

NAME: Final = "Ada-Lovelace-laptop"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger of three clients."""
    found = tmp_path_factory.mktemp("told")

    async def tell() -> None:
        story = Story(found)
        await story.watched(3)
        story.called(client(NAME, transport="http_sse", version="2.1", peer="203.0.113.7"), "transport.http_sse")
        story.called(client("acme", principal="ada", peer="203.0.113.8"), "ping", times=2)
        story.called(client("acme", principal="bob", peer="198.51.100.9"), "ping")
        await story.ledger.flush()

    trio.run(tell)
    (found / "config.toml").write_text('[ledger]\ndatabase = "ledger.db"\n')
    return found


@pytest.fixture
def folder(told: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(told, tmp_path / "folder"))


def rows(folder: Path) -> dict[str, int]:
    """The number of rows in each table."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("client", "network", "use", "watched")
        }


def test_what_would_go_is_shown_and_stays(folder: Path, run: Run) -> None:
    before = rows(folder)
    done = run("forget", "name=acme", cwd=folder)
    assert done.returncode == 0
    assert done.stdout.count("acme") == 2
    assert "This would erase 2 clients; add --yes to do it." in done.stdout
    assert rows(folder) == before


@pytest.mark.parametrize(
    ("rule", "number"),
    [("name=acme principal=ada", 1), ("peer=203.0.113.0/24", 2), ("transport=*", 3), (f"name={NAME}", 1)],
)
def test_the_meant_clients_go_and_others_stay(folder: Path, run: Run, rule: str, number: int) -> None:
    before = rows(folder)
    done = run("forget", rule, "--yes", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Erased {number} client" in done.stdout
    after = rows(folder)
    assert after["client"] == before["client"] - number
    assert after["network"] == before["network"] - number
    assert after["watched"] == before["watched"]
    assert (after["use"] == 0) == (number == 3)


def test_nothing_of_a_forgotten_client_is_left_in_the_file(folder: Path, run: Run) -> None:
    assert NAME.encode() in (folder / "ledger.db").read_bytes()
    run("forget", f"name={NAME}", "--yes", cwd=folder)
    assert NAME.encode() not in (folder / "ledger.db").read_bytes()
    assert b"acme" in (folder / "ledger.db").read_bytes()


def test_nobody_is_an_answer(folder: Path, run: Run) -> None:
    done = run("forget", "name=nobody", "--yes", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "The ledger knows no client with name=nobody.\n")


@pytest.mark.parametrize("rule", ["", "nonsense", "nome=acme", "name="])
def test_a_rule_that_cannot_be_read_is_the_operators_error(folder: Path, run: Run, rule: str) -> None:
    done = run("forget", rule, "--yes", cwd=folder)
    assert done.returncode == 3
    assert "CLIENT" in done.stderr


def test_a_ledger_that_is_not_there_is_said(tmp_path: Path, run: Run) -> None:
    (tmp_path / "config.toml").write_text('[ledger]\ndatabase = "none.db"\n')
    done = run("forget", "name=acme", "--yes", cwd=tmp_path)
    assert done.returncode == 3
    assert "there is no ledger" in done.stderr
    assert not (tmp_path / "none.db").exists()


def test_a_file_that_is_no_ledger_is_said(tmp_path: Path, run: Run) -> None:
    (tmp_path / "config.toml").write_text('[ledger]\ndatabase = "ledger.db"\n')
    (tmp_path / "ledger.db").write_bytes(b"no database at all" * 100)
    done = run("forget", "name=acme", "--yes", cwd=tmp_path)
    assert done.returncode == 3
    assert "cannot be written" in done.stderr
