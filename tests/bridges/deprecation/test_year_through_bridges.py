"""A year of 120 real conversations over ten months of moving: what the bridges saw is what the ledger says.

Rule: nothing is told to the ledger but by the bridges, and what is expected is counted here, apart from it.
"""

import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import floor
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from mcp_bridges.attach import AttachedBridges
from mcp_bridges.deprecation.evidence import read_evidence
from mcp_bridges.deprecation.logs import CADENCES
from mcp_bridges.deprecation.policy import Phase, Policy
from mcp_bridges.deprecation.readiness import readiness
from mcp_bridges.deprecation.registry import FEATURES
from mcp_bridges.deprecation.report import make_report
from mcp_runtime.config import LedgerConfig, LoggingConfig
from tests.bridges.deprecation.ledgers import seconds
from tests.support.captured_log import captured_log
from tests.support.http_client import HttpClient
from tests.support.legacy_sessions import OldServer, serving
from tests.support.legacy_wires import old_sse
from tests.support.messages import CLIENT_INFO, request
from tests.support.settings import settings

FIRST_DAY: Final = date(2026, 8, 1)
DAYS: Final = 365
CLIENTS: Final = 120
SEED: Final = 20260728
QUIET_DAYS: Final = 30
KINDS: Final = ("http_sse", "2025-03-26", "2025-06-18", "2025-11-25")
STAYS: Final = frozenset({0, 40, 80})
"""Of HTTP+SSE: they never move."""
NEVER: Final = date(2100, 1, 1)
_MEMORY: Final = Path("/dev/shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """One of the 120: how it speaks until the day on which it moves, and when it calls."""

    name: str
    kind: str
    moves: date
    weekday: int


@dataclass(slots=True, kw_only=True)
class Year:
    """What happened, and where the ledger of it is."""

    ledger: Path
    residents: tuple[Resident, ...]
    days: dict[str, dict[str, set[date]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    """By feature and client, when it was used."""
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    at_s: float = 0.0

    def used(self, one: Resident, day: date, *features: str) -> None:
        for feature in features:
            self.days[feature][one.name].add(day)

    def users(self, feature: str, since: date, until: date) -> set[str]:
        return {name for name, days in self.days[feature].items() if any(since <= day <= until for day in days)}

    def last_use(self, feature: str) -> date:
        return max(day for days in self.days[feature].values() for day in days)


def everybody() -> tuple[Resident, ...]:
    """The 120, from a fixed seed."""
    chance = random.Random(SEED)
    return tuple(
        Resident(
            name=f"agent-{n:03}",
            kind=KINDS[n % len(KINDS)],
            moves=NEVER if n in STAYS else FIRST_DAY + timedelta(chance.randrange(20, 320)),
            weekday=chance.randrange(7),
        )
        for n in range(CLIENTS)
    )


async def speak(year: Year, server: OldServer, one: Resident, day: date) -> None:
    """What a resident does on a day of its."""
    if day >= one.moves:
        await speak_anew(server, one)
    elif one.kind == "http_sse":
        await speak_over_sse(server, one)
        year.used(one, day, "transport.http_sse", "protocol.handshake", "revision.2024-11-05")
    else:
        await speak_in_session(year, server, one, day)


async def speak_anew(server: OldServer, one: Resident) -> None:
    client = server.visitor()
    message = request("tools/list", extra_meta={CLIENT_INFO: {"name": one.name, "version": "2"}})
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
    assert "tools" in (await client.send(message, headers=headers)).result


async def speak_over_sse(server: OldServer, one: Resident) -> None:
    http = HttpClient(server.app, server.runtime, [], server.tasks)
    async with old_sse(http) as client:
        await client.open("2024-11-05", clientInfo={"name": one.name, "version": "1"})


async def speak_in_session(year: Year, server: OldServer, one: Resident, day: date) -> None:
    client = server.visitor()
    await client.begin(one.kind, name=one.name)
    year.used(one, day, "transport.session_id", "protocol.handshake", f"revision.{one.kind}")
    if one.kind == "2025-03-26":
        await client.send([client.request("tools/list")])
        year.used(one, day, "jsonrpc.batch")
    elif one.kind == "2025-06-18":
        await client.ask("logging/setLevel", {"level": "error"})
        year.used(one, day, "logging.set_level", "feature.logging")
    else:
        await client.ask("ping")
        year.used(one, day, "ping")


async def live(year: Year) -> None:
    """The whole year, a week of visits after the other."""
    config = settings(
        ledger=LedgerConfig(database=str(year.ledger), flush_interval_s=1e9),
        logging=LoggingConfig(format="json"),
    )
    chance = random.Random(SEED + 1)
    async with serving(config, gate=None, now=lambda: year.at_s) as server:
        bridges = server.runtime.bridges
        assert isinstance(bridges, AttachedBridges)
        past = bridges._past()
        assert past.ledger is not None
        assert past.modern is not None
        for day in (FIRST_DAY + timedelta(n) for n in range(DAYS)):
            for one in year.residents:
                if day.weekday() == one.weekday:
                    year.at_s = seconds(day, chance.uniform(1, 23))
                    await speak(year, server, one, day)
            year.at_s = seconds(day, 23.5)
            past.modern.hand_over()
            assert await past.ledger.flush()


@pytest.fixture(scope="module")
def year() -> Iterator[Year]:
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder, captured_log() as log:
        found = Year(ledger=Path(folder) / "ledger.db", residents=everybody(), at_s=seconds(FIRST_DAY, 0))
        trio.run(live, found)
        found.events = [event for event in log() if event["logger"] == "mcp_bridges.deprecation"]
        yield found


def month_ends() -> list[date]:
    days = [FIRST_DAY + timedelta(n) for n in range(DAYS)]
    return [day for day in days if (day + timedelta(1)).day == 1]


@pytest.mark.parametrize("month_end", month_ends())
def test_the_report_names_exactly_the_clients_still_on_each_feature(year: Year, month_end: date) -> None:
    since = month_end - timedelta(6)  # Everybody calls once in seven days.
    report = make_report(read_evidence(year.ledger, since=since, until=month_end), Policy())
    named = {one.feature.id: {use.client.identity.name for use in one.users} for one in report.features}
    for feature in FEATURES:
        assert named.get(feature, set()) == year.users(feature, since, month_end)
    still = {one.name for one in year.residents if one.kind == "http_sse" and one.moves > month_end}
    assert still <= named["transport.http_sse"]


@pytest.mark.parametrize("feature", ["jsonrpc.batch", "logging.set_level", "ping", "transport.session_id"])
def test_ready_turns_on_the_right_day(year: Year, feature: str) -> None:
    turns = year.last_use(feature) + timedelta(QUIET_DAYS)
    assert turns < FIRST_DAY + timedelta(DAYS)
    for day in (turns - timedelta(1), turns):
        evidence = read_evidence(year.ledger, since=day - timedelta(QUIET_DAYS - 1), until=day)
        assert readiness(evidence, feature).is_ready is (day == turns)


def test_what_three_clients_stay_on_is_not_ready_and_they_are_named(year: Year) -> None:
    end = FIRST_DAY + timedelta(DAYS - 1)
    evidence = read_evidence(year.ledger, since=end - timedelta(QUIET_DAYS - 1), until=end)
    found = readiness(evidence, "transport.http_sse")
    assert not found.is_ready
    assert {hit.client.identity.name for hit in found.hits} == {f"agent-{n:03}" for n in STAYS}


def test_who_moved_is_known_to_speak_the_present(year: Year) -> None:
    end = FIRST_DAY + timedelta(DAYS - 1)
    evidence = read_evidence(year.ledger, since=FIRST_DAY, until=end)
    spoke = {client.identity.name for client in evidence.clients.values() if client.modern_s is not None}
    assert spoke == {one.name for one in year.residents if one.moves != NEVER}


def test_the_log_keeps_to_its_bound_in_every_phase(year: Year) -> None:
    policy = Policy()
    lines: Counter[tuple[Phase, str]] = Counter()
    for event in year.events:
        if event["event"] == "legacy_feature_used":
            lines[Phase(event["phase"]), event["feature"]] += 1
            assert event["level"] == logging_level(Phase(event["phase"]))
    assert {phase for phase, _ in lines} == {Phase.ANNOUNCED, Phase.REMINDED, Phase.URGENT, Phase.FINAL, Phase.PAST}
    for (phase, feature), count in lines.items():
        days = [day for day in (FIRST_DAY + timedelta(n) for n in range(DAYS)) if policy.phase(feature, day) is phase]
        streams = len(year.users(feature, days[0], days[-1]))
        assert count <= streams * (1 + floor(len(days) * 86_400 / CADENCES[phase].interval_s))


def logging_level(phase: Phase) -> str:
    """As the log writes it."""
    names = {20: "info", 30: "warning", 40: "error"}
    return names[CADENCES[phase].level]
