"""`mcp-runtime legacy report`, `ready` and `simulate`, on a ledger of a few days."""

import json
from pathlib import Path

import pytest
import trio

from tests.bridges.deprecation.cli.legacy_command import Run
from tests.bridges.deprecation.ledgers import client
from tests.bridges.deprecation.reports.test_report import DAY, Story
from tests.cli.running import run_command

TODAY = ("--today", DAY.isoformat())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds ledger.db and a configuration that names it."""
    found = tmp_path_factory.mktemp("commands")

    async def tell() -> None:
        story = Story(found)
        await story.watched(40)
        story.called(client("claude-code", transport="http_sse", version="2.1.330"), "transport.http_sse", times=3)
        story.called(client("acme", principal="ada"), "ping", days_ago=10, times=2)
        story.called(client("acme", principal="ada"), "jsonrpc.batch", days_ago=35)
        await story.ledger.flush()

    trio.run(tell)
    (found / "config.toml").write_text('[ledger]\ndatabase = "ledger.db"\n')
    return found


def test_report_shows_the_month(folder: Path, run: Run) -> None:
    done = run("report", *TODAY, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "transport.http_sse: 1 client, 3 calls, 27 days left (final)" in done.stdout
    assert "jsonrpc.batch: 1 client" not in done.stdout


def test_report_looks_back_as_far_as_it_is_told(folder: Path, run: Run) -> None:
    done = run("report", "--since", "6w", "--feature", "jsonrpc.batch", *TODAY, cwd=folder)
    assert "From 2027-05-21 to 2027-07-01 (42 days, 40 of them watched)" in done.stdout
    assert "jsonrpc.batch: 1 client, 1 call," in done.stdout


@pytest.mark.parametrize(
    ("format_", "begins", "ends"),
    [
        ("json", "{", "}\n"),
        ("csv", "feature,client,", "final\n"),
        ("html", "<!doctype html>", "</html>\n"),
        ("table", "From ", "\n"),
    ],
)
def test_report_has_four_formats(folder: Path, run: Run, format_: str, begins: str, ends: str) -> None:
    done = run("report", "--format", format_, *TODAY, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(begins)
    assert done.stdout.endswith(ends)
    assert "claude-code" in done.stdout


@pytest.mark.parametrize(
    ("feature", "quiet", "code", "said"),
    [
        (
            "jsonrpc.batch",
            "30d",
            0,
            "Ready: nobody used jsonrpc.batch in 30 days; the ledger was watching on 30 of them.",
        ),
        ("jsonrpc.batch", "36d", 1, "Not ready: 1 client used jsonrpc.batch in 36 days."),
        ("transport.http_sse", "1d", 1, "Not ready: 1 client used transport.http_sse in 1 day."),
        ("transport.resumption", "40d", 0, "Ready: "),
        (
            "transport.resumption",
            "41d",
            1,
            "Not ready: nobody used transport.resumption in 41 days, but the ledger was watching on 40 of them, the first ",
        ),
    ],
)
def test_ready_is_0_only_where_nobody_would_miss_it(
    folder: Path, run: Run, feature: str, quiet: str, code: int, said: str
) -> None:
    done = run("ready", feature, "--quiet", quiet, *TODAY, cwd=folder)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith(said)


def test_ready_names_who_would_miss_it(folder: Path, run: Run) -> None:
    done = run("ready", "ping", *TODAY, cwd=folder)
    assert done.returncode == 1
    _, headings, row = done.stdout.splitlines()
    assert headings.split() == [
        "CLIENT",
        "PRINCIPAL",
        "TRANSPORT",
        "NETWORK",
        "CALLS",
        "OF",
        "LAST",
        "SEEN",
        "WHAT",
        "TO",
        "DO",
    ]
    assert row.split()[:6] == ["acme/1.0", "ada", "streamable_http", "192.0.2.7", "2", "2"]


def test_ready_as_json(folder: Path, run: Run) -> None:
    done = run("ready", "ping", "--json", *TODAY, cwd=folder)
    found = json.loads(done.stdout)
    assert (found["ready"], found["days"], found["watched_days"], found["watched_since"]) == (
        False,
        30,
        30,
        "2027-05-23",
    )
    assert [(one["name"], one["principal"], one["calls"]) for one in found["clients"]] == [("acme", "ada", 2)]


@pytest.mark.parametrize(
    ("on", "said", "calls"),
    [
        ("2027-06-21", "From 2027-06-21 to 2027-07-01, 1 client would have been refused, 2 times.", 2),
        ("2027-06-22", "From 2027-06-22 to 2027-07-01, 0 clients would have been refused, 0 times.", 0),
        (
            "2027-07-28",
            "2027-07-28 is still to come. As in the 30 days to 2027-07-01, 1 client would be refused, 2 times.",
            2,
        ),
    ],
)
def test_simulate_replays_the_ledger_from_the_day_on(folder: Path, run: Run, on: str, said: str, calls: int) -> None:
    done = run("simulate", "--retire", "ping", "--on", on, *TODAY, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, *table = done.stdout.splitlines()
    assert first == f"Without ping from {on} on:"
    assert second == said
    assert len(table) == (2 if calls else 0)
    found = json.loads(run("simulate", "--retire", "ping", "--on", on, "--json", *TODAY, cwd=folder).stdout)
    assert (found["refused_calls"], found["estimated"]) == (calls, on > DAY.isoformat())


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (
            ("report", "--feature", "pong"),
            3,
            'command line: FEATURE: there is no feature "pong". Fix: did you mean ping?',
        ),
        (("ready", "carrier_pigeons"), 3, "see `mcp-runtime legacy features`"),
        (("simulate", "--retire", "pong", "--on", "2027-07-28"), 3, "did you mean ping?"),
        (("report", "--since", "30"), 2, "'30' is no time; write one such as 30d (days) or 12w (weeks)"),
        (("report", "--since", "0d"), 2, "is no time"),
        (("report", "--since", "99999d"), 2, "is no time"),
        (("report", "--since", ""), 2, "is no time"),
        (("ready", "ping", "--quiet", "1.5d"), 2, "is no time"),
        (("simulate", "--retire", "ping", "--on", "tomorrow"), 2, "'tomorrow' is no day"),
    ],
)
def test_what_cannot_be_asked_is_said(folder: Path, run: Run, args: tuple[str, ...], code: int, said: str) -> None:
    done = run(*args, cwd=folder)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_without_a_ledger_it_says_where_one_would_be(tmp_path: Path, run: Run) -> None:
    (tmp_path / "config.toml").write_text('[state]\ndirectory = "s"\n')
    done = run("report", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"ledger.database: there is no ledger at {tmp_path}/s/ledger.db" in done.stderr


@pytest.mark.process
def test_as_a_process_it_prints_the_answer_and_nothing_else(folder: Path) -> None:
    done = run_command("legacy", "ready", "ping", *TODAY, cwd=folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("Not ready: 1 client used ping")
