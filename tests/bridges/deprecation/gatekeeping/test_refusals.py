"""Refusals as a client reads them: status, code, message and data of each."""

import json
from pathlib import Path
from typing import Any

import pytest

from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.gatekeeping.refusals import CODES
from mcp_bridges.gate.port import Refusal, Sighting
from mcp_runtime.protocol.errors import ERRORS
from tests.bridges.deprecation.parts import Station, sighting, station

SSE = "transport.http_sse"
BROWNOUT = f"{SSE} = 2027-05-04T14:00Z for=2h"
ALL = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]


def refusal(server: Station, seen: Sighting | None = None) -> Refusal:
    found = server.gate.admit(seen or sighting()).refusal
    assert found is not None
    return found


def data(server: Station, seen: Sighting | None = None) -> Any:
    return json.loads(json.dumps(refusal(server, seen).data))


def test_gone_names_what_is_spoken_and_where_to_go(tmp_path: Path) -> None:
    server = station(
        tmp_path,
        stages=[f"{SSE} = gone"],
        sunsets=[f"{SSE} = 2027-01-31"],
        message="Ask platform@a.example for help.",
        replacement_url="https://a.example/mcp",
        documentation_url="https://a.example/old",
    )
    assert refusal(server) == Refusal(
        status=410,
        code=-32022,
        message="No longer served here: the HTTP+SSE transport. Instead: Streamable HTTP, at https://a.example/mcp. "
        "Ask platform@a.example for help.",
        data={
            "supported": ALL,
            "requested": "2024-11-05",
            "feature": SSE,
            "reason": "gone",
            "replacement": "Streamable HTTP",
            "replacementUrl": "https://a.example/mcp",
            "documentationUrl": "https://a.example/old",
            "sunset": "2027-01-31",
        },
    )


def test_without_words_of_the_operator_the_rest_is_said(tmp_path: Path) -> None:
    found = refusal(station(tmp_path, stages=[f"{SSE} = gone"]))
    assert found.message == "No longer served here: the HTTP+SSE transport. Instead: Streamable HTTP, at /mcp"


def test_new_sessions_are_told_that_it_is_about_them(tmp_path: Path) -> None:
    server = station(tmp_path, stages=["transport.session_id = refuse_new"])
    found = refusal(server, sighting(features=["transport.session_id"], opening=True))
    assert (found.status, found.code) == (410, -32022)
    assert found.message.startswith("No longer served to new sessions: sessions and the Mcp-Session-Id header.")


def test_the_denied_are_told_that_it_is_about_them(tmp_path: Path) -> None:
    found = refusal(station(tmp_path, deny=["transport=http_sse"]))
    assert found.status == 410
    assert found.message.startswith("No longer served to this client: the HTTP+SSE transport.")


@pytest.mark.parametrize(
    ("at", "retry_after_s"),
    [("2027-05-04T14:00:00", 7_200), ("2027-05-04T15:59:58.500", 2), ("2027-05-04T15:59:59.500", 1)],
)
def test_a_brownout_says_when_to_come_back(tmp_path: Path, at: str, retry_after_s: int) -> None:
    server = station(tmp_path, stage="brownout", brownouts=[BROWNOUT])
    server.clock.set(at)
    found = refusal(server)
    assert (found.status, found.retry_after_s) == (503, retry_after_s)
    assert found.message.startswith(
        "Refused until 2027-05-04T16:00:00Z, because it ends on 2027-07-28: the HTTP+SSE transport."
    )


def test_a_brownout_may_look_like_the_end(tmp_path: Path) -> None:
    server = station(tmp_path, at="2027-05-04T14:00", stage="brownout", brownouts=[f"{BROWNOUT} status=410"])
    found = refusal(server)
    assert (found.status, found.retry_after_s) == (410, None)


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_has_a_refusal_with_a_code_of_the_runtime(tmp_path: Path, feature: str) -> None:
    found = refusal(station(tmp_path, stages=[f"{feature} = gone"]), sighting(features=[feature], revision=None))
    assert found.code in ERRORS
    assert found.code == CODES.get(feature, -32022)
    body: Any = found.data
    assert body["feature"] == feature
    assert body["requested"] == ""
    assert body["supported"][0] == "2026-07-28"
    assert body["documentationUrl"] == FEATURES[feature].spec_url
    assert FEATURES[feature].title in found.message
    assert FEATURES[feature].replacement in found.message


@pytest.mark.parametrize(
    ("features", "code"),
    [
        (["revision.2025-03-26"], -32022),
        (["protocol.handshake"], -32022),
        (["transport.get_stream"], -32022),
        (["jsonrpc.batch"], -32600),
        (["ping"], -32601),
        (["feature.roots"], -32601),
        (["sampling.include_context"], -32602),
    ],
)
def test_a_way_to_speak_is_an_unsupported_version_and_a_method_is_not_found(
    tmp_path: Path, features: list[str], code: int
) -> None:
    assert refusal(station(tmp_path, stage="gone"), sighting(features=features)).code == code


@pytest.mark.parametrize(
    ("keys", "supported"),
    [
        ({"stages": [f"{SSE} = gone"]}, ALL),
        ({"stages": [f"{SSE} = gone", "revision.2025-03-26 = gone"]}, [one for one in ALL if one != "2025-03-26"]),
        (
            {"stages": [f"{SSE} = gone", "revision.2025-03-26 = refuse_new"]},
            [one for one in ALL if one != "2025-03-26"],
        ),
        ({"stages": [f"{SSE} = gone", "revision.2025-03-26 = gone"], "dry_run": ["revision.2025-03-26"]}, ALL),
        ({"stages": [f"{SSE} = gone", "protocol.handshake = gone"]}, ["2026-07-28"]),
        ({"deny": ["name=cursor"]}, [one for one in ALL if one != "2024-11-05"]),
    ],
)
def test_supported_is_what_this_client_can_still_open(
    tmp_path: Path, keys: dict[str, Any], supported: list[str]
) -> None:
    server = station(tmp_path, **keys)
    assert data(server, sighting(features=[SSE, "revision.2024-11-05"]))["supported"] == supported


def test_of_several_reasons_the_weightiest_is_given(tmp_path: Path) -> None:
    server = station(
        tmp_path,
        at="2027-05-04T14:00",
        stages=["ping = gone", f"{SSE} = brownout", "protocol.handshake = refuse_new"],
        brownouts=[BROWNOUT],
    )
    every = [SSE, "protocol.handshake", "ping"]
    reasons = [data(server, sighting(features=every[:n], opening=True))["reason"] for n in (1, 2, 3)]
    assert reasons == ["brownout", "refuse_new", "gone"]


def test_the_operators_text_reaches_even_those_who_read_messages_only(tmp_path: Path) -> None:
    server = station(tmp_path, stage="gone", message="Update before June.")
    assert refusal(server).message.endswith(". Update before June.")
