"""A year of 120 clients that move over: at every month's end the report names those who have not, and no others."""

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
import trio

from mcp_bridges.deprecation.decisions.policy import Policy
from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.reports.readiness import readiness
from mcp_bridges.deprecation.reports.report import make_report
from mcp_bridges.gate.port import Sighting
from tests.bridges.deprecation.ledgers import Fixture, seconds
from tests.bridges.deprecation.year import (
    DAYS,
    FIRST_DAY,
    QUIET_AT_MOST_DAYS,
    Resident,
    month_ends,
    residents,
    traffic,
)

QUIET_DAYS = 30
_MEMORY = Path("/dev/shm")


@dataclass
class Year:
    """What was written into the ledger, and what should be found in it."""

    fixture: Fixture
    everybody: tuple[Resident, ...]
    calls: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    last: dict[tuple[str, str], date] = field(default_factory=dict[tuple[str, str], date])


@pytest.fixture(scope="module")
def year() -> Iterator[Year]:
    # In memory, where that is a folder: a year is 365 writes, and what is tested here is not the disk.
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        found = Year(Fixture(Path(folder) / "ledger.db"), residents())
        trio.run(live, found)
        yield found


async def live(year: Year) -> None:
    ledger = year.fixture.ledger()
    for day, events in itertools.groupby(traffic(year.everybody), key=lambda event: event[0]):
        year.fixture.clock.at_s = seconds(day, 23)
        for _, one, calls in events:
            for n in range(calls):
                at = seconds(day, 1 + n)
                if day >= one.moves:
                    ledger.note_modern(one.client, "2026-07-28", at=at)
                else:
                    ledger.note(
                        Sighting(client=one.client, revision=one.revision, features=one.features),
                        at=at,
                        outcome="served",
                    )
                    for feature in (*one.features, f"revision.{one.revision}"):
                        year.calls[one.client.name or "", feature] += 1
                        year.last[one.client.name or "", feature] = day
        assert await ledger.flush()


@pytest.mark.parametrize("month_end", month_ends())
def test_the_report_names_who_is_still_on_each_feature_at_each_months_end(year: Year, month_end: date) -> None:
    since = month_end - timedelta(QUIET_AT_MOST_DAYS - 1)
    report = make_report(year.fixture.evidence(since, month_end), Policy())
    for one in report.features:
        # Who has not moved was seen in these days for sure, who moved in them may have been.
        named = {use.client.identity.name for use in one.users}
        users = [resident for resident in year.everybody if resident.uses(one.feature.id)]
        still = {resident.client.name for resident in users if resident.moves > month_end}
        gone = {resident.client.name for resident in users if resident.moves <= since}
        assert still <= named
        assert not named & gone
        exactly = {name for (name, feature), _ in year.last.items() if feature == one.feature.id} & {
            resident.client.name for resident in users if used_between(year, resident, one.feature.id, since, month_end)
        }
        assert named == exactly


def used_between(year: Year, one: Resident, feature: str, since: date, until: date) -> bool:
    """Told from what was generated."""
    if one.moves > until:
        return True
    last = year.last.get((one.client.name or "", feature))
    return last is not None and last >= since


@pytest.mark.parametrize(
    "feature", ["jsonrpc.batch", "feature.sampling", "transport.session_id", "revision.2025-06-18"]
)
def test_ready_turns_on_the_day_when_the_last_user_has_been_quiet_long_enough(year: Year, feature: str) -> None:
    turns = max(day for (_, used), day in year.last.items() if used == feature) + timedelta(QUIET_DAYS)
    assert turns < FIRST_DAY + timedelta(DAYS)
    for day in (turns - timedelta(1), turns):
        found = readiness(year.fixture.evidence(day - timedelta(QUIET_DAYS - 1), day), feature)
        assert found.is_ready is (day == turns)
        assert bool(found.affected) is (day < turns)


@pytest.mark.parametrize("feature", ["transport.http_sse", "protocol.handshake"])
def test_what_somebody_stays_on_is_never_ready(year: Year, feature: str) -> None:
    for day in month_ends():
        found = readiness(year.fixture.evidence(day - timedelta(QUIET_DAYS - 1), day), feature)
        assert not found.is_ready
        stay = {one.client.name for one in year.everybody if one.moves > day and one.uses(feature)}
        assert stay <= {one.client.identity.name for one in found.affected}


def test_ready_is_no_promise_while_nobody_was_watching(year: Year) -> None:
    end = FIRST_DAY + timedelta(DAYS - 1)
    for later, ready in ((QUIET_DAYS // 2, True), (QUIET_DAYS // 2 + 1, False)):
        day = end + timedelta(later)
        evidence = year.fixture.evidence(day - timedelta(QUIET_DAYS - 1), day)
        assert readiness(evidence, "jsonrpc.batch").is_ready is ready


def test_ready_knows_nothing_before_the_ledger_has_watched_long_enough(year: Year) -> None:
    for days, ready in ((QUIET_DAYS - 2, False), (QUIET_DAYS - 1, True)):
        day = FIRST_DAY + timedelta(days)
        evidence = year.fixture.evidence(day - timedelta(QUIET_DAYS - 1), day)
        assert readiness(evidence, "tasks.experimental_2025_11_25").is_ready is ready


def test_every_call_of_the_year_is_in_it(year: Year) -> None:
    evidence = year.fixture.evidence(FIRST_DAY, FIRST_DAY + timedelta(DAYS - 1))
    found = {
        (evidence.clients[key].identity.name, feature): used.calls
        for feature in FEATURES
        for key, used in evidence.users_of(feature).items()
    }
    assert found == dict(year.calls)
    assert evidence.watched_days == DAYS
    assert sum(used.trend[-1] for used in evidence.users_of("protocol.handshake").values()) > 0


def test_who_moved_is_known_to_be_able_to(year: Year) -> None:
    last_day = FIRST_DAY + timedelta(DAYS - 1)
    report = make_report(year.fixture.evidence(FIRST_DAY, last_day), Policy())
    moved = {one.client.name for one in year.everybody if one.moves <= last_day}
    prospects = {one.client.identity.name: one.prospect.kind for one in report.clients}
    assert {name for name, kind in prospects.items() if kind == "modern_seen"} == moved
    assert len(prospects) == 120
