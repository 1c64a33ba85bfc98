"""A request's `_meta` is read without judging it, then judged in words that name what is missing or malformed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from mcp_runtime.protocol.errors import INVALID_PARAMS, PeerError
from mcp_runtime.protocol.meta import (
    LOGGING_LEVELS,
    ClientCapabilities,
    Implementation,
    MetaProbe,
    RequestMetaObject,
    TraceContext,
    probe,
    raw_meta,
    require,
    trace_context,
)

PREFIX = "io.modelcontextprotocol/"
VERSION = PREFIX + "protocolVersion"
CAPABILITIES = PREFIX + "clientCapabilities"
CLIENT_INFO = PREFIX + "clientInfo"
LOG_LEVEL = PREFIX + "logLevel"
COMPLETE = {VERSION: "2026-07-28", CAPABILITIES: {}}
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def params(value: object) -> Raw:
    return Raw(json.dumps(value).encode())


def with_meta(**changes: Any) -> Raw:
    return params({"name": "x", "_meta": COMPLETE | changes})


def refusal(found: MetaProbe) -> PeerError:
    with pytest.raises(PeerError) as refused:
        require(found)
    assert (refused.value.code, refused.value.http_status) == (INVALID_PARAMS, 400)
    return refused.value


def test_a_complete_meta_is_read_in_full() -> None:
    found = probe(
        with_meta(
            **{
                "progressToken": 7,
                CLIENT_INFO: {"name": "c", "version": "1", "icons": [{"src": "https://x/i.png", "sizes": ["any"]}]},
                CAPABILITIES: {"elicitation": {"url": {}}, "sampling": {"tools": {}}, "roots": {"listChanged": True}},
                LOG_LEVEL: "notice",
                "com.example/own": {"kept": "raw"},
            }
        )
    )
    meta = require(found)
    assert found == MetaProbe(meta, None, "2026-07-28")
    assert (meta.progress_token, meta.protocol_version, meta.log_level) == (7, "2026-07-28", "notice")
    assert isinstance(meta.client_info, Implementation)
    assert (meta.client_info.name, meta.client_info.version) == ("c", "1")
    assert isinstance(meta.client_capabilities, ClientCapabilities)
    assert meta.client_capabilities.roots == {"listChanged": True}


@pytest.mark.spec("basic#meta")
def test_only_version_and_capabilities_are_required() -> None:
    meta = require(probe(with_meta()))
    assert (meta.progress_token, meta.client_info, meta.log_level) == (UNSET, UNSET, UNSET)


@pytest.mark.spec("basic#meta")
@pytest.mark.parametrize(
    ("value", "missing"),
    [
        ({}, "_meta is missing"),
        ({"_meta": {}}, VERSION),
        ({"_meta": {CAPABILITIES: {}}}, VERSION),
        ({"_meta": {VERSION: "2026-07-28"}}, CAPABILITIES),
        ({"_meta": {VERSION: "2026-07-28", "clientCapabilities": {}}}, CAPABILITIES),
        ({"_meta": {"protocolVersion": "2026-07-28", CAPABILITIES: {}}}, VERSION),
        ({"meta": COMPLETE}, "_meta is missing"),
    ],
)
def test_a_required_field_that_is_missing_is_named(value: dict[str, Any], missing: str) -> None:
    assert missing in refusal(probe(params(value))).message


@pytest.mark.spec("basic#meta")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({VERSION: 5}, id="version is a number"),
        pytest.param({VERSION: None}, id="version is null"),
        pytest.param({CAPABILITIES: None}, id="capabilities are null"),
        pytest.param({CAPABILITIES: []}, id="capabilities are a list"),
        pytest.param({CAPABILITIES: {"sampling": True}}, id="sampling is a bool"),
        pytest.param({CAPABILITIES: {"elicitation": {"form": 1}}}, id="a mode is a number"),
        pytest.param({CAPABILITIES: {"extensions": {"a/b": None}}}, id="an extension is null"),
        pytest.param({CAPABILITIES: {"experimental": {"x": 1}}}, id="an experimental one is a number"),
        pytest.param({CLIENT_INFO: "me"}, id="client info is a string"),
        pytest.param({CLIENT_INFO: {"name": "me"}}, id="client info without a version"),
        pytest.param({LOG_LEVEL: "verbose"}, id="no such level"),
        pytest.param({LOG_LEVEL: "INFO"}, id="a level in capitals"),
        pytest.param({"progressToken": 1.5}, id="token is a float"),
        pytest.param({"progressToken": None}, id="token is null"),
        pytest.param({"progressToken": True}, id="token is a bool"),
    ],
)
def test_a_malformed_field_is_refused_by_name_and_the_version_still_known(changes: dict[str, Any]) -> None:
    found = probe(with_meta(**changes))
    assert found.meta is None
    assert found.version == (None if VERSION in changes else "2026-07-28")
    message = refusal(found).message
    assert message.startswith("Invalid params: ")
    assert any(key in message for key in changes) or "_meta" in message


@pytest.mark.parametrize("value", [None, [], "x", 5, True])
def test_a_meta_that_is_no_object_is_refused(value: object) -> None:
    found = probe(params({"_meta": value}))
    assert (found.meta, found.version) == (None, None)
    assert "_meta" in refusal(found).message


@pytest.mark.spec("server/utilities/logging#error-handling")
@pytest.mark.parametrize("level", LOGGING_LEVELS)
def test_each_level_of_rfc_5424_is_known(level: str) -> None:
    assert require(probe(with_meta(**{LOG_LEVEL: level}))).log_level == level


def test_levels_are_listed_from_the_least_severe_to_the_most() -> None:
    assert LOGGING_LEVELS == ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


def test_what_is_malformed_beyond_meta_does_not_show_here() -> None:
    assert require(probe(params({"name": 5, "arguments": [], "_meta": COMPLETE}))).protocol_version == "2026-07-28"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"_meta":{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
        b'{"_meta":{"io.modelcontextprotocol/protocolVersion":' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
        b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b',"_meta":{}}',
        b'{"_meta":{"io.modelcontextprotocol/protocolVersion":"\xff"}}',
        b'{"_meta":{"traceparent":"\\ud800"}}',
    ],
)
def test_bytes_that_do_not_decode_are_a_problem_and_no_crash(raw: bytes) -> None:
    found = probe(Raw(raw))
    assert (found.meta, found.version) == (None, None)
    assert found.problem
    assert raw_meta(Raw(raw)) == {}


@given(st.dictionaries(st.sampled_from([VERSION, CAPABILITIES, CLIENT_INFO, LOG_LEVEL, "progressToken"]), JSON_VALUES))
def test_any_mutation_of_meta_is_understood_or_refused(changes: dict[str, Any]) -> None:
    found = probe(with_meta(**changes))
    assert (found.meta is None) == (found.problem is not None)
    version = changes.get(VERSION, "2026-07-28")
    assert found.version == (version if isinstance(version, str) else None)
    if found.meta is None:
        refusal(found)
    else:
        assert require(found) is found.meta


@given(JSON_VALUES)
def test_any_meta_can_be_probed(value: object) -> None:
    raw = params({"_meta": value})
    found = probe(raw)
    assert found.meta is None or found.problem is None
    assert raw_meta(raw) == (value if isinstance(value, dict) else {})


def test_the_whole_meta_stays_readable_with_keys_that_the_protocol_does_not_know() -> None:
    assert raw_meta(with_meta(**{"com.example/own": [1]})) == COMPLETE | {"com.example/own": [1]}
    assert raw_meta(params({})) == {}


@pytest.mark.spec("basic#meta")
def test_a_whole_trace_context_is_passed_on() -> None:
    meta = RequestMetaObject(traceparent=TRACEPARENT, tracestate="vendor=1", baggage="user=alice")
    assert trace_context(meta) == TraceContext(TRACEPARENT, "vendor=1", "user=alice")


def test_no_trace_context_is_none_at_all() -> None:
    assert trace_context(RequestMetaObject()) == TraceContext(None, None, None)


@pytest.mark.parametrize(
    "traceparent",
    [
        pytest.param("", id="empty"),
        pytest.param("garbage", id="no such shape"),
        pytest.param(5, id="a number"),
        pytest.param(["00"], id="a list"),
        pytest.param(TRACEPARENT.upper(), id="capitals"),
        pytest.param("ff" + TRACEPARENT[2:], id="version ff"),
        pytest.param("00-" + "0" * 32 + TRACEPARENT[35:], id="trace id of zeros"),
        pytest.param(TRACEPARENT[:36] + "0" * 16 + "-01", id="parent id of zeros"),
        pytest.param(TRACEPARENT[:-1], id="too short"),
        pytest.param(TRACEPARENT + "0", id="too long"),
        pytest.param(TRACEPARENT + "-extra", id="version 00 has no more parts"),
        pytest.param(" " + TRACEPARENT, id="blank before it"),
        pytest.param(TRACEPARENT + "\n", id="newline behind it"),
        pytest.param(TRACEPARENT.replace("0af7", "0af\u0667"), id="a digit of another script"),
        pytest.param("01-" + TRACEPARENT[3:] + "-" + "a" * 9000, id="past any length"),
    ],
)
def test_a_malformed_traceparent_is_dropped_and_its_tracestate_with_it(traceparent: object) -> None:
    meta = RequestMetaObject(traceparent=traceparent, tracestate="vendor=1", baggage="user=alice")
    assert trace_context(meta) == TraceContext(None, None, "user=alice")


def test_a_traceparent_of_a_later_version_may_have_more_parts() -> None:
    later = "01" + TRACEPARENT[2:] + "-what-comes-next"
    assert trace_context(RequestMetaObject(traceparent=later)).traceparent == later


@pytest.mark.parametrize("value", [5, None, {}, "caf\u00e9", "a\nb", "a\0", "x" * 8193])
def test_malformed_tracestate_and_baggage_are_dropped_alone(value: object) -> None:
    meta = RequestMetaObject(traceparent=TRACEPARENT, tracestate=value, baggage=value)
    assert trace_context(meta) == TraceContext(TRACEPARENT, None, None)


def test_baggage_of_8192_characters_is_still_passed_on() -> None:
    assert trace_context(RequestMetaObject(baggage="x" * 8192)).baggage == "x" * 8192


@given(JSON_VALUES, JSON_VALUES, JSON_VALUES)
def test_no_trace_context_fails_a_request(traceparent: Any, tracestate: Any, baggage: Any) -> None:
    found = probe(with_meta(traceparent=traceparent, tracestate=tracestate, baggage=baggage))
    context = trace_context(require(found))
    assert all(part is None or part.isascii() for part in (context.traceparent, context.tracestate, context.baggage))
