"""What an old conversation's messages mean, row by row. Rule: no I/O, so nothing here waits."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, Raw

from mcp_bridges.gate.features import OF_METHOD
from mcp_bridges.sessions.session import (
    MAX_NAME_CHARS,
    Forward,
    Opening,
    Pong,
    Session,
    SetLevel,
    Subscribe,
    Unsubscribe,
    cancelled_request,
    has_batches,
    initialize_result,
    plan,
    read_initialize,
    speaks_polling,
    stateless,
    with_answers,
)
from mcp_runtime.protocol.errors import PeerError
from mcp_runtime.protocol.jsonrpc import NO_PARAMS, Notification, Request
from mcp_runtime.protocol.messages import read_request
from mcp_runtime.protocol.meta import LOGGING_LEVELS, Implementation
from tests.support.legacy_messages import ABLE, REVISIONS

SERVER = {"name": "server", "version": "0"}


def asked(method: str, params: object = None) -> Request:
    """A request as it was read."""
    return read_request(1, method, NO_PARAMS if params is None else Raw(json.dumps(params).encode()))


def told(method: str, params: object) -> Notification:
    """A notification as it was read."""
    return Notification(method, Raw(json.dumps(params).encode()))


def initialize(**params: Any) -> Opening:
    return read_initialize(asked("initialize", {"protocolVersion": "2025-11-25", **params}))


FORWARDED = (
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
)


@pytest.mark.parametrize("method", FORWARDED)
def test_what_has_an_answer_today_is_forwarded(method: str) -> None:
    assert plan(asked(method, {"whatever": 1})) == Forward()


@pytest.mark.parametrize("level", LOGGING_LEVELS)
def test_every_level_can_be_set(level: str) -> None:
    assert plan(asked("logging/setLevel", {"level": level, "more": 1})) == SetLevel(level)  # type: ignore[arg-type]  # one of them


@pytest.mark.parametrize(
    ("method", "params", "step"),
    [
        ("ping", None, Pong()),
        ("ping", {"_meta": {}}, Pong()),
        ("resources/subscribe", {"uri": "a://b"}, Subscribe("a://b")),
        ("resources/subscribe", {"uri": ""}, Subscribe("")),
        ("resources/unsubscribe", {"uri": "a://b"}, Unsubscribe("a://b")),
    ],
)
def test_the_rest_changes_the_session_or_nothing(method: str, params: object, step: object) -> None:
    assert plan(asked(method, params)) == step


@pytest.mark.parametrize(
    "method",
    [
        "initialize",
        "server/discover",
        "subscriptions/listen",
        "notifications/initialized",
        "Ping",
        "tools",
        "",
        "sampling/createMessage",
    ],
)
def test_what_no_old_session_has_is_minus_32601(method: str) -> None:
    with pytest.raises(PeerError) as refused:
        plan(asked(method))
    assert (refused.value.code, refused.value.message) == (-32601, f"Method not found: {method}")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("logging/setLevel", None),
        ("logging/setLevel", {"level": "LOUD"}),
        ("logging/setLevel", {"level": None}),
        ("resources/subscribe", None),
        ("resources/subscribe", {"uri": 1}),
        ("resources/unsubscribe", {"uri": None}),
    ],
)
def test_params_of_the_wrong_shape_are_minus_32602_and_named(method: str, params: object) -> None:
    with pytest.raises(PeerError) as refused:
        plan(asked(method, params))
    assert refused.value.code == -32602
    assert refused.value.message.startswith("Invalid params: ")
    assert "$." not in refused.value.message


@pytest.mark.parametrize(
    "params", [b'{"uri":"\xff"}', b'{"uri":1e999}', b'{"uri":' + b"[" * 100_000 + b"]" * 100_000 + b"}"]
)
def test_params_that_cannot_be_read_are_minus_32602_too(params: bytes) -> None:
    with pytest.raises(PeerError) as refused:
        plan(Request(1, "resources/subscribe", Raw(params)))
    assert refused.value.code == -32602


# initialize


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_revision_is_agreed_on(revision: str) -> None:
    assert initialize(protocolVersion=revision).revision == revision


@pytest.mark.parametrize("revision", ["2026-07-28", "DRAFT-2025-v3", "", "\u0000"])
def test_an_unknown_revision_becomes_the_newest(revision: str) -> None:
    assert initialize(protocolVersion=revision).revision == "2025-11-25"


@pytest.mark.parametrize(
    ("info", "name", "version"),
    [
        ({"name": "a", "version": "1"}, "a", "1"),
        ({"name": "a"}, "a", ""),
        ({"version": "1"}, "", "1"),
        ({"name": None, "version": 1.5}, "", ""),
        ({"name": ["a"], "version": {}}, "", ""),
        ({}, "", ""),
        ([], "", ""),
        ("a", "", ""),
        (None, "", ""),
        (True, "", ""),
        ({"name": "\u00e9" * 500, "version": "9" * 500}, "\u00e9" * MAX_NAME_CHARS, "9" * MAX_NAME_CHARS),
        ({"name": "x" * MAX_NAME_CHARS, "version": "1"}, "x" * MAX_NAME_CHARS, "1"),
    ],
)
def test_what_a_client_calls_itself_is_kept_as_far_as_it_is_text(info: object, name: str, version: str) -> None:
    opened = initialize(clientInfo=info)
    assert (opened.client_name, opened.client_version) == (name, version)


@pytest.mark.parametrize(
    ("declared", "meant"),
    [
        (None, {}),
        ([], {}),
        ("everything", {}),
        ({"elicitation": {}}, {"elicitation": {}}),
        ({"elicitation": True, "sampling": 1, "roots": []}, {}),
        ({"tasks": {}, "nonsense": {}}, {}),
    ],
)
def test_capabilities_of_the_wrong_shape_are_none(declared: object, meant: object) -> None:
    assert initialize(capabilities=declared).capabilities == meant


@pytest.mark.parametrize("params", [None, {}, {"protocolVersion": None}, {"protocolVersion": ["2025-11-25"]}])
def test_without_a_revision_there_is_no_session(params: object) -> None:
    with pytest.raises(PeerError) as refused:
        read_initialize(asked("initialize", params))
    assert refused.value.code == -32602


def test_a_session_in_process_is_what_was_agreed_on() -> None:
    opened = initialize(clientInfo={"name": "a", "version": "1"}, capabilities={"roots": {}})
    assert opened.in_process() == Session("", "2025-11-25", "a", "1", {"roots": {}}, 0, 0)


KEY = "io.modelcontextprotocol/serverInfo"


@pytest.mark.parametrize(
    ("meta", "info"),
    [
        ({KEY: {"name": "n", "version": "1"}}, {"name": "n", "version": "1"}),
        ({}, SERVER),
        ({"other": 1}, SERVER),
        (None, SERVER),
        ("odd", SERVER),
    ],
)
def test_who_serves_is_said_or_stands_for_nobody(meta: object, info: object) -> None:
    found = initialize_result({"capabilities": {"tools": {}}, "_meta": meta}, "2025-11-25", SERVER)
    assert found == {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_answer_has_what_the_revision_knows(revision: str) -> None:
    info = {"name": "n", "version": "1", "title": "N", "icons": [{"src": "data:,"}]}
    capabilities = {"tools": {"listChanged": True}, "completions": {}, "logging": {}, "resources": {"subscribe": True}}
    discovered = {
        "capabilities": capabilities,
        "instructions": "Do.",
        "supportedVersions": ["2026-07-28"],
        "ttlMs": 1,
        "_meta": {KEY: info},
    }
    found = initialize_result(discovered, revision, SERVER)
    assert set(found) == {"protocolVersion", "capabilities", "serverInfo", "instructions"}
    assert ("title" in found["serverInfo"]) == (revision >= "2025-06-18")
    assert ("icons" in found["serverInfo"]) == (revision >= "2025-11-25")
    assert ("completions" in found["capabilities"]) == (revision >= "2025-03-26")
    assert found["capabilities"]["tools"] == {"listChanged": True}


# What is told


@pytest.mark.parametrize(
    ("method", "params", "request_id"),
    [
        ("notifications/cancelled", {"requestId": 1}, 1),
        ("notifications/cancelled", {"requestId": "1", "reason": "enough"}, "1"),
        ("notifications/cancelled", {"requestId": 0}, 0),
        ("notifications/cancelled", {"requestId": ""}, ""),
        ("notifications/cancelled", {"requestId": None}, None),
        ("notifications/cancelled", {"requestId": 1.5}, None),
        ("notifications/cancelled", {"reason": "enough"}, None),
        ("notifications/cancelled", [1], None),
        ("notifications/cancelled", "1", None),
        ("notifications/progress", {"requestId": 1}, None),
        ("notifications/Cancelled", {"requestId": 1}, None),
    ],
)
def test_a_cancellation_names_its_request_or_means_nothing(method: str, params: object, request_id: object) -> None:
    assert cancelled_request(told(method, params)) == request_id


# The stateless call


def session(**changes: Any) -> Session:
    whole = Session("s", "2025-11-25", "client", "1", {"elicitation": {"form": {}}, "roots": {}}, 0, 0)
    return msgspec.structs.replace(whole, **changes)


def test_a_call_carries_what_the_session_was_opened_with() -> None:
    probe = stateless(asked("tools/list"), session(), "warning").probe
    assert (probe.problem, probe.version) == (None, "2026-07-28")
    meta = probe.meta
    assert meta is not None
    assert meta.protocol_version == "2026-07-28"
    assert meta.client_info == Implementation("client", "1")
    assert msgspec.to_builtins(meta.client_capabilities) == {"elicitation": {"form": {}}, "roots": {}}
    assert meta.log_level == "warning"
    assert meta.progress_token is UNSET


def test_a_client_without_a_name_is_none() -> None:
    meta = stateless(asked("tools/list"), session(client_name=""), "info").probe.meta
    assert meta is not None
    assert meta.client_info is UNSET


@pytest.mark.parametrize("token", [0, 1, "t", ""])
def test_what_the_request_says_of_itself_is_kept(token: object) -> None:
    own = {"progressToken": token, "traceparent": "00-a", "tracestate": "s", "baggage": "b", "mine": 1}
    meta = stateless(asked("tools/call", {"_meta": own}), session(), "info").probe.meta
    assert meta is not None
    assert (meta.progress_token, meta.traceparent, meta.tracestate, meta.baggage) == (token, "00-a", "s", "b")


def test_what_a_request_says_of_revision_client_and_capabilities_is_not_its_to_say() -> None:
    prefix = "io.modelcontextprotocol/"
    own = {
        f"{prefix}clientInfo": {"name": "other", "version": "9"},
        f"{prefix}clientCapabilities": {"sampling": {}},
        f"{prefix}logLevel": "debug",
        f"{prefix}protocolVersion": "2025-11-25",
    }
    probe = stateless(asked("tools/call", {"_meta": own}), session(), "info").probe
    assert probe.meta is not None
    assert probe.meta.client_info == Implementation("client", "1")
    assert "sampling" not in msgspec.to_builtins(probe.meta.client_capabilities)
    assert (probe.meta.log_level, probe.version) == ("info", "2026-07-28")


@pytest.mark.parametrize("own", [5, [], {"progressToken": []}])
def test_a_malformed_meta_is_a_problem_of_its_request(own: object) -> None:
    probe = stateless(asked("tools/call", {"_meta": own}), session(), "info").probe
    assert probe.problem is not None
    assert probe.version == "2026-07-28"


@pytest.mark.parametrize(
    "declared", [ABLE, {}, {"experimental": {"a": {"b": [1]}}}, {"sampling": {}, "roots": {"x": 1}}]
)
@pytest.mark.parametrize("revision", REVISIONS)
def test_whatever_was_declared_can_be_carried(revision: str, declared: dict[str, Any]) -> None:
    opened = initialize(protocolVersion=revision, capabilities=declared)
    assert stateless(asked("ping"), opened.in_process(), "info").probe.meta is not None


# The next round


def decoded(raw: Raw) -> Any:
    return json.loads(bytes(raw))


def test_the_next_round_is_the_same_request_with_answers_and_state() -> None:
    params = Raw(b'{"name":"t","arguments":{"n":12345678901234567890,"x":1.10},"_meta":{"progressToken":1}}')
    found = with_answers(params, {"k": {"action": "accept"}}, "sealed")
    assert b'"n":12345678901234567890,"x":1.10' in bytes(found)  # as it was written
    assert decoded(found) == {
        **json.loads(bytes(params)),
        "inputResponses": {"k": {"action": "accept"}},
        "requestState": "sealed",
    }


def test_answers_of_a_round_take_the_place_of_what_the_client_sent() -> None:
    params = Raw(b'{"inputResponses":{"k":"forged"},"requestState":"forged"}')
    assert decoded(with_answers(params, {"k": 1}, "s")) == {"inputResponses": {"k": 1}, "requestState": "s"}
    assert decoded(with_answers(params, {}, None)) == {"inputResponses": {}, "requestState": "forged"}
    assert decoded(with_answers(Raw(b"{}"), {}, None)) == {"inputResponses": {}}


# What a revision has


@pytest.mark.parametrize("revision", REVISIONS)
def test_batches_and_polling_are_of_one_revision_each(revision: str) -> None:
    assert has_batches(revision) == (revision == "2025-03-26")
    assert speaks_polling(revision) == (revision == "2025-11-25")


def test_features_of_a_method_are_of_methods_that_exist() -> None:
    server_asks = {"sampling/createMessage", "roots/list"}
    for method in set(OF_METHOD) - server_asks - {"initialize"}:
        try:
            plan(asked(method))
        except PeerError as error:
            assert error.code == -32602  # noqa: PT017  # known, and its params missing
