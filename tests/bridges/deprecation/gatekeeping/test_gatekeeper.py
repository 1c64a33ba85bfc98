"""The gate as a whole: what it notes, what it keeps, and a year of it."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from mcp_bridges.deprecation.gatekeeping import gatekeeper
from mcp_bridges.gate.port import Gate
from tests.bridges.deprecation.parts import client, sighting, station, unix

SSE = "transport.http_sse"


def test_it_is_a_gate(tmp_path: Path) -> None:
    gate: Gate = station(tmp_path).gate
    assert gate.admit(sighting()).refusal is None


def test_every_call_is_noted_with_its_time_and_outcome(tmp_path: Path) -> None:
    server = station(
        tmp_path, at="2026-08-01", stages=["ping = gone", "jsonrpc.batch = gone"], dry_run=["jsonrpc.batch"]
    )
    seen = [sighting(features=[one]) for one in (SSE, "ping", "jsonrpc.batch")]
    for one in seen:
        server.gate.admit(one)
        server.clock.now_s += 1
    begin = unix("2026-08-01")
    assert server.notes.noted == [
        (seen[0], begin, "served"),
        (seen[1], begin + 1, "refused"),
        (seen[2], begin + 2, "would_refuse"),
    ]


def test_a_refused_call_counts_for_the_features_it_is_refused_for_alone(tmp_path: Path) -> None:
    server = station(
        tmp_path, stages=["ping = gone", "jsonrpc.batch = gone", "feature.roots = gone"], dry_run=["jsonrpc.batch"]
    )
    everything = sighting(features=[SSE, "jsonrpc.batch", "ping", "feature.roots"])
    server.gate.admit(everything)
    assert [(event, fields["feature"], fields["calls"]) for _, event, fields in server.lines.take()] == [
        ("legacy_feature_refused", "ping", 1),
        ("legacy_feature_refused", "feature.roots", 1),
    ]
    server.gate.admit(everything)
    server.gate.admit(sighting(features=[SSE, "jsonrpc.batch"]))
    assert [(event, fields["feature"], fields["calls"]) for _, event, fields in server.lines.take()] == [
        ("legacy_feature_used", SSE, 1),
        ("legacy_feature_would_be_refused", "jsonrpc.batch", 1),
    ]


def test_the_same_verdict_is_given_again_while_nothing_changes(tmp_path: Path) -> None:
    server = station(tmp_path, at="2026-08-01T00:00")
    first = server.gate.admit(sighting())
    server.clock.set("2026-08-01T23:59:59")
    assert server.gate.admit(sighting()) is first
    server.clock.set("2026-08-02T00:00")
    assert server.gate.admit(sighting()) == first


def test_who_opens_and_who_goes_on_are_told_apart(tmp_path: Path) -> None:
    server = station(tmp_path, stage="refuse_new")
    assert [server.status(sighting(opening=one)) for one in (True, False, True)] == [410, 200, 410]


def test_what_is_kept_of_clients_is_bounded(tmp_path: Path) -> None:
    server = station(tmp_path, max_log_streams=1)
    for n in range(5_000):
        server.gate.admit(sighting(client(f"client-{n}")))
    assert len(server.gate._courses) == gatekeeper._MAX_COURSES
    assert len(server.notes.noted) == 5_000


def test_a_day_that_begins_anew_takes_no_more_room(tmp_path: Path) -> None:
    server = station(tmp_path)
    for day in range(3):
        server.clock.now_s = unix("2026-08-01") + day * 86_400
        server.gate.admit(sighting())
    assert len(server.gate._courses) == 1


@pytest.mark.parametrize("announced", ["2026-07-28", "2027-02-28"])
def test_a_year_from_announcement_to_the_end(tmp_path: Path, announced: str) -> None:
    """Brownouts in the last month, refused at the sunset: what one client meets on each day of a year and after."""
    first = date.fromisoformat(announced)
    sunset = first.replace(year=first.year + 1)
    brownout = f"{SSE} = {sunset - timedelta(days=28)}T12:00Z for=1h every=7d until={sunset}"
    server = station(tmp_path, announced=announced, stages=[f"{SSE} = brownout"], brownouts=[brownout])
    refused: list[date] = []
    told: list[date] = []
    for n in range(370):
        day = first + timedelta(days=n)
        server.clock.set(f"{day}T12:30")
        verdict = server.gate.admit(sighting())
        refused += [day] if verdict.refusal else []
        told += [day] if b"legacy-brownout" in dict(verdict.headers) else []
    weeks = [sunset - timedelta(days=7 * n) for n in (4, 3, 2, 1)]
    assert refused == weeks
    assert told[0] == weeks[0] - timedelta(days=14)
    assert told[-1] == weeks[-1]
    assert len(told) == (weeks[-1] - told[0]).days + 1


def test_a_preliminary_sighting_that_is_served_leaves_no_trace(tmp_path: Path) -> None:
    server = station(tmp_path)
    assert server.gate.admit(replace(sighting(), preliminary=True)).refusal is None
    assert (server.notes.noted, server.lines.take()) == ([], [])
    server.gate.admit(sighting())
    assert [fields["calls"] for _, _, fields in server.lines.take()] == [1]


def test_a_preliminary_sighting_that_is_refused_is_the_only_one_and_is_noted(tmp_path: Path) -> None:
    server = station(tmp_path, stage="gone")
    assert server.gate.admit(replace(sighting(), preliminary=True)).refusal is not None
    assert server.notes.outcomes() == ["refused"]
    assert server.lines.events() == ["legacy_feature_refused"]


def test_a_client_whose_day_begins_anew_takes_nobodys_place(tmp_path: Path) -> None:
    server = station(tmp_path, max_log_streams=1)
    for n in range(gatekeeper._MAX_COURSES):
        server.gate.admit(sighting(client(f"client-{n}")))
    server.clock.set("2026-08-02")
    server.gate.admit(sighting(client("client-7")))
    assert len(server.gate._courses) == gatekeeper._MAX_COURSES
