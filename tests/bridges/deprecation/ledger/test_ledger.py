"""Noting, writing, ending: what was seen is in the file, once."""

import stat
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
import trio

from mcp_bridges.deprecation.ledger.ledger import Ledger
from mcp_bridges.deprecation.ledger.schema import MESSAGE
from mcp_bridges.gate.identity import AddressPrivacy
from mcp_runtime.protocol.revisions import Era
from tests.bridges.deprecation.ledgers import START, Fixture, client, seconds, sighting
from tests.support.clocks import Backend, run

BACKENDS: tuple[Backend, ...] = ("trio", "asyncio")


@pytest.fixture
def fixture(tmp_path: Path) -> Fixture:
    return Fixture(tmp_path / "state" / "ledger.db")


async def test_a_sighting_is_counted_by_client_feature_revision_and_day(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    at = seconds(START)
    for n, outcome in enumerate(("served", "refused", "would_refuse", "served")):
        ledger.note(sighting(client(), "protocol.handshake", "ping"), at=at + n, outcome=outcome)  # type: ignore[arg-type]  # the three outcomes
    assert await ledger.flush()
    assert fixture.rows(
        "SELECT day, feature, revision, calls, refused, would_refuse, first_seen, last_seen FROM use ORDER BY feature"
    ) == [("2026-08-01", feature, "2025-06-18", 4, 1, 1, at, at + 3) for feature in ("*", "ping", "protocol.handshake")]
    assert fixture.rows(
        "SELECT principal, name, version, user_agent, transport, first_seen, last_seen FROM client"
    ) == [("", "acme", "1.0", "acme/1.0", "streamable_http", at, at + 3)]
    assert fixture.rows("SELECT network, calls, first_seen, last_seen FROM network") == [("192.0.2.7", 4, at, at + 3)]


async def test_counts_add_up_over_flushes(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    for n in range(3):
        ledger.note(sighting(), at=seconds(START) + n, outcome="served")
        assert await ledger.flush()
    assert fixture.total() == 3
    used = fixture.evidence().users_of("transport.session_id")
    ((found),) = used.values()
    assert (found.calls, found.first_s, found.last_s) == (3, seconds(START), seconds(START) + 2)


async def test_midnight_utc_begins_a_new_row(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    midnight = seconds(START, 24)
    for at in (midnight - 0.001, midnight, midnight - 0.002):
        ledger.note(sighting(), at=at, outcome="served")
    assert await ledger.flush()
    assert fixture.rows("SELECT day, calls, first_seen FROM use WHERE feature = '*' ORDER BY day") == [
        ("2026-08-01", 2, midnight - 0.002),
        ("2026-08-02", 1, midnight),
    ]


async def test_a_clock_that_steps_back_moves_the_first_time_not_the_last(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    for at in (seconds(START), seconds(START) - 5):
        ledger.note(sighting(), at=at, outcome="served")
    await ledger.flush()
    assert fixture.rows("SELECT DISTINCT first_seen, last_seen FROM use") == [(seconds(START) - 5, seconds(START))]


async def test_a_revision_is_known_none_yet_or_other(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    for revision in ("2024-11-05", None, "1999-01-01", "2' OR 1=1"):
        ledger.note(sighting(revision=revision), at=seconds(START), outcome="served")
    await ledger.flush()
    rows = fixture.rows("SELECT revision, calls FROM use WHERE feature = '*' ORDER BY revision")
    assert rows == [("", 1), ("2024-11-05", 1), ("other", 2)]
    assert "revision.2024-11-05" in fixture.evidence().used
    assert not [feature for feature in fixture.evidence().used if "other" in feature]


async def test_a_revision_that_is_noted_as_a_feature_too_counts_once(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    ledger.note(sighting(client(), "ping", "revision.2025-06-18"), at=seconds(START), outcome="served")
    await ledger.flush()
    ((used),) = fixture.evidence().users_of("revision.2025-06-18").values()
    assert used.calls == 1


async def test_a_modern_request_counts_for_its_era_and_its_old_features_for_themselves(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    who, at = client(), seconds(START)
    ledger.note_modern(who, "2026-07-28", at=at)
    ledger.note(sighting(who, "feature.sampling", revision="2026-07-28"), at=at, outcome="served")
    await ledger.flush()
    evidence = fixture.evidence()
    assert evidence.by_era == {START: {Era.MODERN: 1, Era.LEGACY: 0}}
    assert [used.calls for used in evidence.users_of("feature.sampling").values()] == [1]
    assert evidence.users_of(MESSAGE) == {}
    assert [one.modern_s for one in evidence.clients.values()] == [at]
    assert fixture.rows("SELECT calls FROM network") == [(1,)]


async def test_the_file_is_readable_by_its_owner_alone_and_so_is_its_folder(fixture: Fixture) -> None:
    await fixture.ledger().flush()
    assert stat.S_IMODE(fixture.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(fixture.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("privacy", "networks"),
    [
        (AddressPrivacy("full"), {"192.0.2.7", "192.0.2.8"}),
        (AddressPrivacy("truncated"), {"192.0.2.0/24"}),
        (AddressPrivacy("none"), set[str]()),
    ],
)
async def test_privacy_reaches_the_file(fixture: Fixture, privacy: AddressPrivacy, networks: set[str]) -> None:
    ledger = fixture.ledger(privacy=privacy)
    for peer in ("192.0.2.7", "192.0.2.8"):
        ledger.note(sighting(client(peer=peer)), at=seconds(START), outcome="served")
    await ledger.flush()
    assert {row[0] for row in fixture.rows("SELECT network FROM network")} == networks
    if "192.0.2.7" not in networks:
        assert b"192.0.2.7" not in fixture.path.read_bytes()
    assert fixture.total() == 2


async def test_networks_past_a_number_are_one(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    for n in range(70):
        ledger.note(sighting(client(peer=f"10.0.0.{n}")), at=seconds(START), outcome="served")
    await ledger.flush()
    rows = dict(fixture.rows("SELECT network, calls FROM network"))
    assert len(rows) == 65
    assert rows["(more)"] == 6
    ledger.note(sighting(client(peer="10.0.0.0")), at=seconds(START), outcome="served")
    await ledger.flush()
    assert dict(fixture.rows("SELECT network, calls FROM network"))["10.0.0.0"] == 2


async def test_days_past_their_retention_are_forgotten_with_their_clients(fixture: Fixture) -> None:
    ledger = fixture.ledger(retention_days=10)
    ledger.note(sighting(client("old")), at=seconds(START), outcome="served")
    await ledger.flush()
    for days, known in ((10, {"old", "new"}), (11, {"new"})):
        fixture.clock.at_s = seconds(START + timedelta(days))
        ledger.note(sighting(client("new")), at=fixture.clock(), outcome="served")
        await ledger.flush()
        assert {row[0] for row in fixture.rows("SELECT name FROM client")} == known
        assert len(fixture.rows("SELECT DISTINCT client FROM network")) == len(known)
    assert fixture.rows("SELECT min(day) FROM watched") == [("2026-08-11",)]


async def test_a_day_without_calls_was_watched_too(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    for days in (0, 0, 1, 3):
        fixture.clock.at_s = seconds(START + timedelta(days))
        assert await ledger.flush()
    evidence = fixture.evidence(START, START + timedelta(3))
    assert (evidence.watched_since, evidence.watched_days, evidence.days) == (START, 3, 4)


async def test_what_waits_shows_until_it_is_written(fixture: Fixture) -> None:
    ledger = fixture.ledger()
    assert ledger.status.lag_s == 0
    ledger.note(sighting(), at=fixture.clock(), outcome="served")
    ledger.note(sighting(), at=fixture.clock() + 1, outcome="refused")
    fixture.clock.at_s += 7
    assert (ledger.status.waiting_calls, ledger.status.lag_s) == (2, 7)
    assert ledger.by_feature()["transport.session_id"].refused == 1
    await ledger.flush()
    assert (ledger.status.waiting_calls, ledger.status.lag_s, ledger.status.lost_calls) == (0, 0, 0)
    ledger.note(sighting(), at=fixture.clock(), outcome="served")
    assert ledger.by_feature()["transport.session_id"].calls == 3


class TellingLedger(Ledger):
    """Tells when a flush that began from now on has ended."""

    done: anyio.Event | None = None

    async def flush(self) -> bool:
        telling, result = self.done, await super().flush()
        if telling is not None:
            telling.set()
        return result

    async def flushed(self) -> None:
        self.done = anyio.Event()
        await self.done.wait()


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_writes_every_few_seconds_and_at_the_end(backend: Backend, tmp_path: Path) -> None:
    fixture = Fixture(tmp_path / "ledger.db")

    async def live() -> None:
        ledger = TellingLedger(fixture.path, now=fixture.clock, log=fixture.log, flush_interval_s=0.01)
        async with ledger.running():
            await ledger.flushed()
            ledger.note(sighting(), at=fixture.clock(), outcome="served")
            await ledger.flushed()
            assert fixture.total() == 1
            ledger.note(sighting(), at=fixture.clock(), outcome="served")
        assert fixture.total() == 2

    run(backend, live, clock="real")


async def test_being_cancelled_it_still_writes_what_is_left(fixture: Fixture) -> None:
    ledger = fixture.ledger(flush_interval_s=3600)
    with trio.CancelScope() as scope:
        async with ledger.running():
            ledger.note(sighting(), at=fixture.clock(), outcome="served")
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert fixture.total() == 1
    assert fixture.log.told == []


async def test_a_failure_inside_it_comes_out_after_the_last_write(fixture: Fixture) -> None:
    ledger = fixture.ledger(flush_interval_s=3600)

    async def serve_and_fail() -> None:
        async with ledger.running():
            ledger.note(sighting(), at=fixture.clock(), outcome="served")
            raise LookupError

    with pytest.RaisesGroup(LookupError):
        await serve_and_fail()
    assert fixture.total() == 1
