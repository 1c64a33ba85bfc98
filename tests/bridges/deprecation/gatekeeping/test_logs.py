"""Lines: their level and cadence through the year, their number, their fields."""

from datetime import date, timedelta
from io import StringIO
from math import floor
from pathlib import Path

import pytest

from mcp_bridges.deprecation.decisions.policy import day_of
from mcp_bridges.deprecation.gatekeeping.logs import EVENTS, REST, UNCOUNTED
from mcp_bridges.gate.port import LegacyClient
from mcp_runtime.config import LoggingConfig
from mcp_runtime.telemetry.log.log import configure_logging, get_logger
from tests.bridges.deprecation.parts import client, sighting, station, unix

SSE = "transport.http_sse"
HOUR, DAY = 3_600, 86_400


def test_the_first_sighting_is_written_at_once_with_all_that_is_known(tmp_path: Path) -> None:
    server = station(tmp_path, at="2027-05-04T14:00")
    seen = sighting(
        client("claude-code", version="2.1.330", user_agent="node/22", principal="ann@a.example", peer="192.0.2.77")
    )
    server.gate.admit(seen)
    [(level, event, fields)] = server.lines.take()
    assert (level, event) == ("warning", "legacy_feature_used")
    assert fields == {
        "calls": 1,
        "feature": SSE,
        "phase": "urgent",
        "days_left": 85,
        "client_name": "claude-code",
        "client_version": "2.1.330",
        "user_agent": "node/22",
        "principal": "ann@a.example",
        "network": "192.0.2.0/24",
        "transport": "http_sse",
        "revision": "2024-11-05",
        "replacement": "Streamable HTTP",
        "docs": "https://modelcontextprotocol.io/specification/2026-07-28/deprecated",
    }


def test_what_does_not_show_is_not_in_the_line(tmp_path: Path) -> None:
    server = station(tmp_path)
    server.gate.admit(sighting(LegacyClient(transport="stdio"), revision=None))
    [(_, _, fields)] = server.lines.take()
    assert sorted(fields) == ["calls", "days_left", "docs", "feature", "phase", "replacement", "transport"]


def test_a_line_counts_the_calls_since_the_one_before(tmp_path: Path) -> None:
    server = station(tmp_path)
    for second in [0, *range(1, 51), DAY - 1, DAY, DAY + 1, 2 * DAY]:
        server.clock.now_s = unix("2026-08-01") + second
        server.gate.admit(sighting())
    assert [fields["calls"] for _, _, fields in server.lines.take()] == [1, 52, 2]


def test_each_client_feature_and_outcome_has_lines_of_its_own(tmp_path: Path) -> None:
    server = station(tmp_path, stages=["ping = gone"])
    for who in (client("a"), client("b"), client("a", peer="192.0.2.1")):
        server.gate.admit(sighting(who, [SSE, "protocol.handshake"]))
        server.gate.admit(sighting(who, [SSE, "ping"]))
    lines = [(fields["client_name"], fields["feature"], event) for _, event, fields in server.lines.take()]
    assert lines == [
        (name, feature, event)
        for name in ("a", "b")
        for feature, event in [
            (SSE, "legacy_feature_used"),
            ("protocol.handshake", "legacy_feature_used"),
            ("ping", "legacy_feature_refused"),
        ]
    ]


@pytest.mark.parametrize(
    ("phase", "first_day", "days", "level", "a_day"),
    [
        ("announced", "2026-07-28", 185, "info", 1),
        ("reminded", "2027-01-29", 90, "warning", 1),
        ("urgent", "2027-04-29", 61, "warning", 24),
        ("final", "2027-06-29", 29, "error", 24),
        ("past", "2027-07-28", 30, "error", 24),
    ],
)
def test_a_client_that_calls_all_the_time_is_written_at_the_cadence_of_the_phase(
    tmp_path: Path, phase: str, first_day: str, days: int, level: str, a_day: int
) -> None:
    server = station(tmp_path, at=first_day)
    calls = 0
    for quarter in range(days * 96):
        server.clock.now_s = unix(first_day) + quarter * 900
        server.gate.admit(sighting())
        calls += 1
    lines = server.lines.take()
    assert {(one, fields["phase"]) for one, _, fields in lines} == {(level, phase)}
    assert len(lines) == days * a_day
    server.gate.close()
    unwritten = [fields["calls"] for _, _, fields in server.lines.take()]
    assert sum(fields["calls"] for _, _, fields in lines) + sum(unwritten) == calls


def test_a_new_phase_changes_the_cadence_at_midnight(tmp_path: Path) -> None:
    server = station(tmp_path)
    server.clock.set("2027-04-28T23:30")
    server.gate.admit(sighting())
    server.clock.set("2027-04-28T23:59")
    server.gate.admit(sighting())
    server.clock.set("2027-04-29T00:30")
    server.gate.admit(sighting())
    assert [(level, fields["calls"]) for level, _, fields in server.lines.take()] == [("warning", 1), ("warning", 2)]


def test_the_days_left_run_down_through_a_leap_day(tmp_path: Path) -> None:
    server = station(tmp_path, sunsets=[f"{SSE} = 2028-03-01"])
    for day in ("2028-02-27", "2028-02-28", "2028-02-29", "2028-03-01", "2028-03-02"):
        server.clock.set(day)
        server.gate.admit(sighting())
    lines = [(fields["days_left"], fields["phase"]) for _, _, fields in server.lines.take()]
    assert lines == [(3, "final"), (2, "final"), (1, "final"), (0, "past"), (-1, "past")]


def test_the_operator_sets_level_and_interval(tmp_path: Path) -> None:
    server = station(tmp_path, log_cadences=["announced = error every 10s"])
    for second in range(21):
        server.clock.now_s = unix("2026-08-01") + second
        server.gate.admit(sighting())
    assert [(level, fields["calls"]) for level, _, fields in server.lines.take()] == [
        ("error", 1),
        ("error", 10),
        ("error", 10),
    ]


def test_a_thousand_clients_at_ten_thousand_requests_a_second_are_bounded_lines(tmp_path: Path) -> None:
    clients, per_second = 1_000, 10_000
    features = [SSE, "revision.2024-11-05"]
    seen = [sighting(client(f"client-{n}"), features) for n in range(clients)]
    server = station(tmp_path, at="2027-05-04T00:00")  # urgent: an hour
    begin = server.clock.now_s
    calls = 0
    for second in [*range(5), *range(HOUR - 2, HOUR + 3), *range(3 * HOUR, 3 * HOUR + 3)]:
        for n in range(per_second):
            server.clock.now_s = begin + second + n / per_second
            server.gate.admit(seen[n % clients])
        calls += per_second * len(features)
    passed_s = server.clock.now_s - begin
    lines = server.lines.take()
    bound = clients * len(features) * (1 + floor(passed_s / HOUR))
    assert len(lines) <= bound
    assert len(lines) == clients * len(features) * 3  # At 0 h, 1 h and 3 h: in between nobody called.
    server.gate.close()
    [(level, event, rest)] = server.lines.take()
    assert (level, event) == ("info", REST)
    assert sum(fields["calls"] for _, _, fields in lines) + rest["calls"] == calls


def test_clients_beyond_the_limit_share_one_line_an_hour(tmp_path: Path) -> None:
    server = station(tmp_path, at="2027-05-04T00:00", max_log_streams=10)
    begin = server.clock.now_s
    events: list[str] = []
    calls = 0
    for n in range(1_000):
        server.clock.now_s = begin + n * 7  # just under two hours
        server.gate.admit(sighting(client(f"forged-{n}")))
    lines = server.lines.take()
    events = [event for _, event, _ in lines]
    passed_s = server.clock.now_s - begin
    assert events.count("legacy_feature_used") <= 10 * (1 + floor(passed_s / HOUR))
    assert events.count(UNCOUNTED) <= 1 + floor(passed_s / HOUR)
    assert {fields["max_streams"] for _, event, fields in lines if event == UNCOUNTED} == {10}
    assert {level for level, event, _ in lines if event == UNCOUNTED} == {"warning"}
    server.gate.close()
    calls = sum(fields["calls"] for _, _, fields in [*lines, *server.lines.take()])
    assert calls == 1_000


def test_a_client_whose_interval_is_over_leaves_its_place(tmp_path: Path) -> None:
    server = station(tmp_path, at="2027-05-04T00:00", max_log_streams=1)
    begin = server.clock.now_s
    first, second, third = (sighting(client(name)) for name in ("first", "second", "third"))
    seen: list[list[tuple[str, int]]] = []
    for at, one in [
        (0, first),
        (1, first),
        (2, second),
        (HOUR, second),
        (HOUR + 5, first),
        (3 * HOUR, third),
        (3 * HOUR + 1, second),
    ]:
        server.clock.now_s = begin + at
        server.gate.admit(one)
        seen.append([(fields.get("client_name", "-"), fields["calls"]) for _, _, fields in server.lines.take()])
    assert seen == [[("first", 1)], [], [("-", 1)], [], [("first", 2)], [("third", 1)], [("-", 2)]]


def test_two_who_are_one_client_share_a_stream_however_old_it_is(tmp_path: Path) -> None:
    server = station(tmp_path, at="2027-05-04T00:00", max_log_streams=1)
    begin = server.clock.now_s
    office, home = sighting(client(peer="192.0.2.1")), sighting(client(peer="203.0.113.1"))
    other = sighting(client("other"))
    seen: list[list[tuple[str, int]]] = []
    for at, one in [
        (0, office),
        (HOUR, other),  # takes the place
        (2 * HOUR, home),  # takes it back, under a new stream
        (2 * HOUR + 1, office),  # still holds the old one
        (2 * HOUR + 2, office),
        (3 * HOUR, home),
        (3 * HOUR + 1, office),
    ]:
        server.clock.now_s = begin + at
        server.gate.admit(one)
        seen.append([(fields.get("client_name", "-"), fields["calls"]) for _, _, fields in server.lines.take()])
    assert seen[:3] == [[("cursor", 1)], [("other", 1)], [("cursor", 1)]]
    assert seen[3:5] == [[], []]
    server.gate.close()
    written = sum(calls for lines in seen for _, calls in lines)
    assert written + sum(fields["calls"] for _, _, fields in server.lines.take()) == 7


def test_the_end_of_a_quiet_server_is_quiet(tmp_path: Path) -> None:
    server = station(tmp_path)
    server.gate.admit(sighting())
    server.lines.take()
    server.gate.close()
    assert server.lines.take() == []


def test_a_long_name_is_cut(tmp_path: Path) -> None:
    server = station(tmp_path)
    server.gate.admit(sighting(client("n" * 100_000, user_agent="u" * 100_000)))
    [(_, _, fields)] = server.lines.take()
    assert (len(fields["client_name"]), len(fields["user_agent"])) == (200, 200)


def test_neither_an_address_nor_anything_but_these_fields_is_written(tmp_path: Path) -> None:
    # What a bridge knows of credentials is in no field of a sighting; an address is cut to its network.
    server = station(tmp_path, message="hunter2", stage="gone", documentation_url="https://a.example/old")
    server.gate.admit(sighting(client(peer="192.0.2.77")))
    text = repr(server.lines.take())
    assert "192.0.2.77" not in text
    assert "hunter2" not in text


def test_lines_go_through_the_operators_log(tmp_path: Path) -> None:
    stream = StringIO()
    configure_logging(LoggingConfig(level="info", format="json"), stream=stream)
    from mcp_bridges.deprecation.gatekeeping.gatekeeper import build_gate
    from tests.bridges.deprecation.parts import Clock, Notes, config_of

    gate = build_gate(
        config_of(tmp_path), notebook=Notes(), now=Clock(unix("2027-07-01")), log=get_logger("mcp_bridges.deprecation")
    )
    gate.admit(sighting(client('evil\n{"event":"forged"}')))
    [line] = stream.getvalue().splitlines()
    assert '"event":"legacy_feature_used"' in line.replace(": ", ":")
    assert '"level":"error"' in line.replace(": ", ":")


def test_days_are_those_of_utc() -> None:
    assert day_of(unix("2028-02-29T23:59:59.999")) == date(2028, 2, 29)
    assert day_of(unix("2028-02-29") + DAY) == date(2028, 2, 29) + timedelta(days=1)


def test_every_outcome_has_an_event() -> None:
    assert set(EVENTS) == {"served", "refused", "would_refuse"}
