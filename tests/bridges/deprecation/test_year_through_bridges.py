"""A year of 120 real conversations over ten months of moving: what the bridges saw is what the ledger says.

Rule: nothing is told to the ledger but by the bridges, and what is expected is counted here, apart from it.
"""

import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from mcp_bridges.attach import AttachedBridges
from mcp_bridges.deprecation.decisions.policy import Phase, Policy
from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.reports.evidence import read_evidence
from mcp_bridges.deprecation.reports.readiness import readiness
from mcp_bridges.deprecation.reports.report import make_report
from mcp_runtime.config import LedgerConfig, LoggingConfig
from tests.bridges.deprecation.ledgers import seconds
from tests.support.captured_log import captured_log
from tests.support.http_client import HttpClient
from tests.support.messages import CLIENT_INFO, request
from tests.support.raw_sessions import OldServer, serving
from tests.support.raw_wires import old_sse
from tests.support.settings import settings

FIRST_DAY: Final = date(2026, 8, 1)
DAYS: Final = 365
CLIENTS: Final = 120
SEED: Final = 20260728
QUIET_DAYS: Final = 30
KINDS: Final = ("http_sse", "2025-03-26", "2025-06-18", "2025-11-25")
STAYS: Final = frozenset({0, 40, 80})
"""Of HTTP+SSE: they never move, and are the busy ones: what they say would be far more lines than the log may have."""
BUSY_S: Final = 7200
BUSY_EVERY_S: Final = 600
DAY_S: Final = 86_400
HOUR_S: Final = 3600
CADENCES: Final = {
    Phase.ANNOUNCED: ("info", DAY_S),
    Phase.REMINDED: ("warning", DAY_S),
    Phase.URGENT: ("warning", HOUR_S),
    Phase.FINAL: ("error", HOUR_S),
    Phase.PAST: ("error", HOUR_S),
}
"""How loud a phase is and how often it speaks, as documented."""
NEVER: Final = date(2100, 1, 1)
_MEMORY: Final = Path("/dev/shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """One of the 120: how it speaks until the day on which it moves, and when it calls."""

    name: str
    kind: str
    moves: date
    weekday: int

    def calls_on(self, day: date) -> bool:
        """Once a week; having moved, every fourth: it was seen in the present, and has to be seen no more in the past."""
        return day.weekday() == self.weekday and (day < self.moves or (day - self.moves).days // 7 % 4 == 0)


@dataclass(slots=True, kw_only=True)
class Year:
    """What happened, and where the ledger of it is."""

    ledger: Path
    residents: tuple[Resident, ...]
    days: dict[str, dict[str, dict[date, int]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(dict)))
    """By feature and client: the days on which it was used, and for how many seconds it went on."""
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    at_s: float = 0.0

    def used(self, one: Resident, day: date, *features: str, for_s: int = 0) -> None:
        for feature in features:
            self.days[feature][one.name][day] = for_s

    def users(self, feature: str, since: date, until: date) -> set[str]:
        return {name for name, days in self.days[feature].items() if any(since <= day <= until for day in days)}

    def last_use(self, feature: str) -> date:
        return max(day for days in self.days[feature].values() for day in days)


def named(n: int) -> str:
    """What the nth calls itself."""
    return f"agent-{n:03}"


BUSY: Final = frozenset(named(n) for n in STAYS)


def everybody() -> tuple[Resident, ...]:
    """The 120, from a fixed seed."""
    chance = random.Random(SEED)
    return tuple(
        Resident(
            name=named(n),
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
        await speak_over_sse(year, server, one, day)
    else:
        await speak_in_session(year, server, one, day)


async def speak_anew(server: OldServer, one: Resident) -> None:
    client = server.visitor()
    message = request("tools/list", extra_meta={CLIENT_INFO: {"name": one.name, "version": "2"}})
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
    assert "tools" in (await client.send(message, headers=headers)).result


async def speak_over_sse(year: Year, server: OldServer, one: Resident, day: date) -> None:
    http = HttpClient(server.app, server.runtime, [], server.tasks)
    for_s = BUSY_S if one.name in BUSY else 0
    async with old_sse(http) as client:
        await client.open("2024-11-05", clientInfo={"name": one.name, "version": "1"})
        for _ in range(for_s // BUSY_EVERY_S):
            year.at_s += BUSY_EVERY_S
            await client.ask("tools/list")
    year.used(one, day, "protocol.handshake")
    year.used(one, day, "transport.http_sse", "revision.2024-11-05", for_s=for_s)


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
        retirement = bridges.retirement
        assert retirement.ledger is not None
        assert retirement.modern is not None
        for day in (FIRST_DAY + timedelta(n) for n in range(DAYS)):
            for one in year.residents:
                if one.calls_on(day):
                    year.at_s = seconds(day, chance.uniform(1, 21))
                    await speak(year, server, one, day)
            year.at_s = seconds(day, 23.5)
            retirement.modern.hand_over()
            assert await retirement.ledger.flush()


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
    since = month_end - timedelta(6)  # Whoever has not moved calls once in seven days.
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
    assert {one.client.identity.name for one in found.affected} == BUSY


def test_who_moved_is_known_to_speak_the_present(year: Year) -> None:
    end = FIRST_DAY + timedelta(DAYS - 1)
    evidence = read_evidence(year.ledger, since=FIRST_DAY, until=end)
    spoke = {client.identity.name for client in evidence.clients.values() if client.modern_s is not None}
    assert spoke == {one.name for one in year.residents if one.moves != NEVER}


def test_the_log_has_the_lines_of_its_bound_in_every_phase_however_much_is_said(year: Year) -> None:
    lines: Counter[tuple[str, str, int]] = Counter()
    levels: set[tuple[Phase, str]] = set()
    for event in year.events:
        if event["event"] == "legacy_feature_used":
            levels.add((Phase(event["phase"]), event["level"]))
            lines[event["client_name"], event["feature"], event["days_left"]] += 1
    assert levels == {(phase, level) for phase, (level, _) in CADENCES.items()}
    assert lines == lines_due(year)


def lines_due(year: Year) -> dict[tuple[str, str, int], int]:
    """As documented: 1 + ⌊T / I⌋ of a client and feature, by name, feature and days left; visits are further apart."""
    policy = Policy()
    return {
        (name, feature, policy.days_left(feature, day)): 1 + for_s // CADENCES[policy.phase(feature, day)][1]
        for feature, by_name in year.days.items()
        for name, days in by_name.items()
        for day, for_s in days.items()
    }
