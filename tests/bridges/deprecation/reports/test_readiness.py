"""Readiness: everybody who would miss a feature is counted and named, the most frequent first."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from mcp_bridges.deprecation.reports.readiness import readiness
from mcp_runtime.cli.main import main
from tests.bridges.deprecation.ledgers import client, seconds, sighting
from tests.bridges.deprecation.reports.test_report import DAY, Story

CALLS = {"seldom": 1, "often": 5, "sometimes": 3, "as often": 5}


@pytest.fixture
async def story(tmp_path: Path) -> Story:
    told = Story(tmp_path)
    await told.watched(30)
    for name, times in CALLS.items():
        told.called(client(name), "ping", times=times)
        told.called(client(name), "jsonrpc.batch", times=2)
    await told.ledger.flush()
    return told


async def test_the_most_frequent_come_first(story: Story) -> None:
    found = readiness(story.fixture.evidence(DAY, DAY), "ping")
    names = [one.client.identity.name for one in found.affected]
    assert (sorted(names[:2]), names[2:]) == (["as often", "often"], ["sometimes", "seldom"])
    assert [(one.used.calls, one.messages) for one in found.affected] == [(5, 7), (5, 7), (3, 5), (1, 3)]


async def test_among_equals_the_order_is_that_of_their_keys_whenever_they_called(tmp_path: Path) -> None:
    told = Story(tmp_path)
    for days_ago, name in enumerate("abcdef"):
        told.called(client(name), "ping", days_ago=days_ago)
    await told.ledger.flush()
    affected = readiness(told.fixture.evidence(DAY - timedelta(9), DAY), "ping").affected
    keys = [one.client.key for one in affected]
    assert keys == sorted(keys)
    seen = [one.used.last_s for one in affected]
    assert seen not in (sorted(seen), sorted(seen, reverse=True)), "the keys say nothing here: choose other names"


async def test_a_client_without_legacy_messages_has_as_many_as_its_calls_of_the_feature(story: Story) -> None:
    modern = client("modern")
    for n in range(2):
        story.ledger.note_modern(modern, "2026-07-28", at=seconds(DAY) + n)
        story.ledger.note(
            sighting(modern, "feature.roots", revision="2026-07-28"), at=seconds(DAY) + n, outcome="served"
        )
    await story.ledger.flush()
    (one,) = readiness(story.fixture.evidence(DAY, DAY), "feature.roots").affected
    assert (one.client.identity.name, one.used.calls, one.messages) == ("modern", 2, 2)


async def test_nobody_was_seen_by_nobody_who_was_looking_is_not_ready(tmp_path: Path) -> None:
    told = Story(tmp_path)
    await told.watched(14)
    half = readiness(told.fixture.evidence(DAY, DAY), "ping")
    assert (half.is_ready, half.covered, half.affected) == (True, True, ())
    short = readiness(told.fixture.evidence(DAY - timedelta(14), DAY), "ping")
    assert (short.is_ready, short.covered, short.affected) == (False, False, ())


async def test_who_was_seen_is_not_ready_however_long_was_watched(story: Story) -> None:
    found = readiness(story.fixture.evidence(DAY, DAY), "ping")
    assert (found.covered, found.is_ready) == (True, False)


async def test_the_command_counts_them_and_names_them_in_that_order(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[ledger]\ndatabase = "ledger.db"\n')
    command = ["legacy", "ready", "ping", "--today", DAY.isoformat(), "--config", str(path)]
    assert main(command) == 1
    first, _, *rows = capsys.readouterr().out.splitlines()
    assert first == "Not ready: 4 clients used ping in 30 days."
    names = [row.partition("/")[0].strip() for row in rows]
    assert (sorted(names[:2]), names[2:]) == (["as often", "often"], ["sometimes", "seldom"])
    assert main([*command, "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)["clients"]
    assert [(one["calls"], one["messages"]) for one in shown] == [(5, 7), (5, 7), (3, 5), (1, 3)]
    assert [one["name"] for one in shown] == names


@pytest.mark.parametrize(("watched", "covered"), [(14, True), (13, False)])
async def test_half_of_the_days_and_the_first_one_are_enough(tmp_path: Path, *, watched: int, covered: bool) -> None:
    told = Story(tmp_path)
    await told.watched(watched)
    await told.watched(1, until=DAY - timedelta(29))
    found = readiness(told.fixture.evidence(DAY - timedelta(29), DAY), "ping")
    assert (found.watched_days, found.days, found.covered) == (watched + 1, 30, covered)
