"""Stages, lists and dry runs: who is refused, through a gate that was built from a configuration file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mcp_bridges.deprecation.decisions.enforcement import Reason, Stage
from mcp_bridges.deprecation.decisions.options import read_deprecation
from tests.bridges.deprecation.parts import Station, client, config_of, sighting, station, unix

SSE = "transport.http_sse"
BROWNOUT = f"{SSE} = 2027-05-04T14:00Z for=2h every=7d"
BEFORE, DURING, AFTER = "2027-05-04T13:59:59", "2027-05-04T14:00:00", "2027-05-04T16:00:00"


@pytest.mark.parametrize(
    ("stage", "during", "opening", "running"),
    [
        ("observe", 200, 200, 200),
        ("signal", 200, 200, 200),
        ("brownout", 503, 200, 200),
        ("refuse_new", 503, 410, 200),
        ("gone", 410, 410, 410),
    ],
)
def test_each_stage_refuses_what_the_one_before_does_and_more(
    tmp_path: Path, stage: str, during: int, opening: int, running: int
) -> None:
    server = station(tmp_path, stages=[f"{SSE} = {stage}"], brownouts=[BROWNOUT])
    server.clock.set(DURING)
    assert server.status(sighting()) == during
    server.clock.set(AFTER)
    assert server.status(sighting(opening=True)) == opening
    assert server.status(sighting()) == running


def test_a_stage_is_about_its_feature_only(tmp_path: Path) -> None:
    server = station(tmp_path, stages=[f"{SSE} = gone"])
    assert server.status(sighting(features=["protocol.handshake", "ping"])) == 200
    assert server.status(sighting(features=["protocol.handshake", SSE])) == 410


def test_the_stage_of_all_is_for_features_without_one_of_their_own(tmp_path: Path) -> None:
    server = station(tmp_path, stage="gone", stages=["ping = observe"])
    assert server.status(sighting(features=["ping"])) == 200
    assert server.status(sighting(features=[SSE])) == 410


def test_nothing_used_is_nothing_refused(tmp_path: Path) -> None:
    assert station(tmp_path, stage="gone").status(sighting(features=())) == 200


def test_a_feature_that_is_not_in_the_registry_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        station(tmp_path).gate.admit(sighting(features=["transport.carrier_pigeon"]))


def test_every_stage_can_be_taken_back(tmp_path: Path) -> None:
    for stage in ("gone", "refuse_new", "brownout", "signal", "observe"):
        server = station(tmp_path, at=AFTER, stages=[f"{SSE} = {stage}"], brownouts=[BROWNOUT])
        expected = 410 if stage == "gone" else 200
        assert server.status(sighting()) == expected


def test_a_brownout_is_closed_a_second_before_and_open_again_at_its_end(tmp_path: Path) -> None:
    server = station(tmp_path, stages=[f"{SSE} = brownout"], brownouts=[BROWNOUT])
    seen: list[int] = []
    for at in (BEFORE, DURING, "2027-05-04T15:59:59", AFTER, "2027-05-11T14:00", "2027-05-11T16:00"):
        server.clock.set(at)
        seen.append(server.status(sighting()))
    assert seen == [200, 503, 503, 200, 503, 200]


def test_a_brownout_hits_a_fraction_and_the_same_clients_all_through_it(tmp_path: Path) -> None:
    server = station(tmp_path, stage="brownout", brownouts=[f"{BROWNOUT} fraction=0.5 seed=3"])

    def hit() -> list[int]:
        return [n for n in range(100) if server.status(sighting(client(f"client-{n}"))) == 503]

    server.clock.set(DURING)
    first = hit()
    assert 30 < len(first) < 70
    server.clock.set("2027-05-04T15:00")
    assert hit() == first
    server.clock.set("2027-05-11T14:00")
    assert hit() != first


def test_of_two_schedules_at_once_the_harder_one_counts(tmp_path: Path) -> None:
    server = station(tmp_path, at=DURING, stage="brownout", brownouts=[BROWNOUT, f"{BROWNOUT} status=410"])
    assert server.status(sighting()) == 410


def test_new_sessions_are_refused_while_old_ones_run_out(tmp_path: Path) -> None:
    server = station(tmp_path, stages=["transport.session_id = refuse_new"])
    features = ["transport.session_id", "revision.2025-06-18"]
    assert server.status(sighting(features=features, opening=True)) == 410
    assert server.status(sighting(features=features)) == 200


@pytest.mark.parametrize(
    ("keys", "opening"),
    [
        ({"stages": [f"{SSE} = gone"]}, False),
        ({"stages": [f"{SSE} = refuse_new"]}, True),
        ({"stages": [f"{SSE} = brownout"], "brownouts": [BROWNOUT]}, False),
        ({"deny": ["name=cursor"]}, False),
    ],
)
@pytest.mark.parametrize("dry", [SSE, "*"])
def test_a_dry_run_serves_and_says_what_it_would_have_refused(
    tmp_path: Path, keys: dict[str, object], opening: bool, dry: str
) -> None:
    seen = sighting(opening=opening)
    assert station(tmp_path, at=DURING, **keys).status(seen) != 200
    server = station(tmp_path, at=DURING, dry_run=[dry], **keys)
    assert server.status(seen) == 200
    assert server.notes.outcomes() == ["would_refuse"]
    assert server.lines.events() == ["legacy_feature_would_be_refused"]


def test_a_dry_run_of_one_feature_spares_nobody_the_other(tmp_path: Path) -> None:
    server = station(tmp_path, stage="gone", dry_run=[SSE])
    assert server.status(sighting(features=[SSE])) == 200
    assert server.status(sighting(features=[SSE, "ping"])) == -32601
    assert server.notes.outcomes() == ["would_refuse", "refused"]


@pytest.mark.parametrize(
    ("exempt", "deny", "status"),
    [
        ([], [], 410),
        (["name=cursor"], [], 200),
        (["name=other"], [], 410),
        ([f"{SSE}: name=cursor"], [], 200),
        (["ping: name=cursor"], [], 410),
        (["name=cursor"], ["name=cursor"], 410),
        ([f"{SSE}: name=cursor"], ["transport=*"], 410),
    ],
)
def test_the_exempt_are_spared_what_a_stage_refuses_but_not_what_deny_does(
    tmp_path: Path, exempt: list[str], deny: list[str], status: int
) -> None:
    server = station(tmp_path, stages=[f"{SSE} = gone"], exempt=exempt, deny=deny)
    assert server.status(sighting()) == status


@pytest.mark.parametrize("stage", ["observe", "signal", "gone"])
def test_the_denied_are_refused_at_every_stage(tmp_path: Path, stage: str) -> None:
    server = station(tmp_path, stage=stage, deny=[f"{SSE}: name=cursor version=<1.5"])
    old, new = client(version="1.4"), client(version="1.5")
    assert server.status(sighting(old)) == 410
    assert server.status(sighting(old, ["ping"])) == (-32601 if stage == "gone" else 200)
    assert server.status(sighting(new)) == (410 if stage == "gone" else 200)


def test_the_exempt_are_spared_brownouts_and_their_announcement(tmp_path: Path) -> None:
    server = station(tmp_path, stage="brownout", brownouts=[BROWNOUT], exempt=["principal=partner"])
    partner = sighting(client(principal="partner"))
    server.clock.set(BEFORE)
    assert "legacy-brownout" not in server.headers(partner)
    assert "legacy-brownout" in server.headers(sighting())
    server.clock.set(DURING)
    assert (server.status(partner), server.status(sighting())) == (200, 503)


def announced(server: Station, at: str) -> bool:
    server.clock.set(at)
    return "legacy-brownout" in server.headers(sighting())


def test_a_brownout_is_announced_for_the_time_of_notice_and_while_it_lasts(tmp_path: Path) -> None:
    once = BROWNOUT.replace(" every=7d", "")
    server = station(tmp_path, stage="brownout", brownouts=[once], brownout_notice_days=2)
    times = ["2027-05-02T13:59:59", "2027-05-02T14:00:00", BEFORE, DURING, "2027-05-04T15:59:59", AFTER]
    assert [announced(server, at) for at in times] == [False, True, True, True, True, False]


@pytest.mark.parametrize("keys", [{"stage": "signal"}, {"stage": "brownout", "dry_run": [SSE]}, {"stage": "gone"}])
def test_what_will_not_happen_is_not_announced(tmp_path: Path, keys: dict[str, Any]) -> None:
    server = station(tmp_path, brownouts=[BROWNOUT], **keys)
    assert not announced(server, BEFORE)


def test_no_notice_announces_only_what_is_there(tmp_path: Path) -> None:
    server = station(tmp_path, stage="brownout", brownouts=[BROWNOUT], brownout_notice_days=0)
    assert [announced(server, at) for at in (BEFORE, DURING)] == [False, True]


def test_what_is_closed_to_newcomers_is_known(tmp_path: Path) -> None:
    config = config_of(tmp_path, stages=["ping = refuse_new", f"{SSE} = gone"], dry_run=[SSE])
    enforcement = read_deprecation(config).enforcement
    assert [enforcement.is_closed(one) for one in ("ping", SSE, "protocol.handshake")] == [True, False, False]
    assert enforcement.stage_of("protocol.handshake") is Stage.SIGNAL


TWO = (SSE, "ping")
OPEN = "2027-05-04T14:00Z for=2h"


def told(server: Station, features: Iterable[str]) -> tuple[str, str]:
    """The feature that a client is refused for, and the reason."""
    refusal = server.gate.admit(sighting(features=features)).refusal
    assert refusal is not None
    data: Any = refusal.data
    return data["feature"], data["reason"]


def test_a_weightier_reason_that_is_only_noted_refuses_nobody_but_a_lighter_one_does(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"brownouts": [f"{SSE} = {OPEN}"], "dry_run": ["ping"]}
    server = station(tmp_path, at=DURING, stages=["ping = gone", f"{SSE} = brownout"], **keys)
    for features in (TWO, TWO[::-1]):
        assert told(server, features) == (SSE, "brownout")


def test_of_several_reasons_the_weightiest_is_told(tmp_path: Path) -> None:
    server = station(
        tmp_path,
        at=DURING,
        stages=[f"{SSE} = brownout", "protocol.handshake = gone"],
        brownouts=[f"{SSE} = {OPEN} status=410"],
    )
    for features in ((SSE, "protocol.handshake"), ("protocol.handshake", SSE)):
        assert told(server, features) == ("protocol.handshake", "gone")


@pytest.mark.parametrize(
    ("begins", "order"),
    [(("15", "14"), ["ping", SSE]), (("14", "15"), [SSE, "ping"]), (("14", "14"), ["ping", SSE])],
)
def test_brownouts_are_announced_in_the_order_of_their_beginnings_then_of_their_names(
    tmp_path: Path, begins: tuple[str, str], order: list[str]
) -> None:
    brownouts = [
        f"{feature} = 2027-05-04T{hour}:00Z for=2h" for feature, hour in zip((SSE, "ping"), begins, strict=True)
    ]
    server = station(tmp_path, at=BEFORE, stage="brownout", brownouts=brownouts)
    told = server.headers(sighting(features=TWO))["legacy-brownout"]
    assert [part.partition('feature="')[2].rstrip('"') for part in told.split(", ")] == order


@pytest.mark.parametrize("at", ["2027-04-01", BEFORE, DURING, AFTER, "2027-05-06T12:00"])
def test_what_changes_next_is_still_to_come(tmp_path: Path, at: str) -> None:
    enforcement = read_deprecation(config_of(tmp_path, stage="brownout", brownouts=[BROWNOUT])).enforcement
    assert enforcement.changes_at([SSE], at=unix(at)) > unix(at)


def test_what_is_denied_is_objected_to_once(tmp_path: Path) -> None:
    config = config_of(tmp_path, stage="refuse_new", deny=["name=cursor"], brownouts=[BROWNOUT])
    objections = read_deprecation(config).enforcement.objections(client(), [SSE], opening=True, at=unix(DURING))
    assert [one.reason for one in objections] == [Reason.DENIED]
