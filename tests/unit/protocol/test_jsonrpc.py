"""Bytes become one message or one error with a code, and what was encoded reads back as it was."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from mcp_runtime.protocol.errors import INVALID_REQUEST, PARSE_ERROR, PeerError
from mcp_runtime.protocol.jsonrpc import (
    MalformedMessageError,
    Message,
    Notification,
    Request,
    Response,
    decode,
    encode_error,
    encode_json,
    encode_notification,
    encode_result,
    on_one_line,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
IDS = st.integers(-(2**63), 2**63 - 1) | TEXT
NESTED_PAST_ANY_STACK = b"[" * 20_000 + b"]" * 20_000


def refused(data: bytes) -> MalformedMessageError:
    with pytest.raises(MalformedMessageError) as refusal:
        decode(data)
    return refusal.value


def outcome(data: bytes) -> Message | MalformedMessageError:
    try:
        return decode(data)
    except MalformedMessageError as error:
        return error


def message(**fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **fields}).encode()


@pytest.mark.spec("basic#requests")
def test_a_request_has_an_id_a_method_and_undecoded_params() -> None:
    found = decode(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":  {"name" : "x"}  }')
    assert isinstance(found, Request)
    assert (found.id, found.method, bytes(found.params)) == (1, "tools/call", b'{"name" : "x"}')


@pytest.mark.spec("basic#notifications")
def test_a_message_without_an_id_is_a_notification() -> None:
    found = decode(message(method="notifications/cancelled", params={"requestId": 1}))
    assert isinstance(found, Notification)
    assert (found.method, json.loads(bytes(found.params))) == ("notifications/cancelled", {"requestId": 1})


@pytest.mark.spec("basic#notifications")
@pytest.mark.parametrize("params", [None, 7, "p", [1], True])
def test_a_notification_with_any_params_is_one_because_nobody_would_hear_the_error(params: object) -> None:
    found = decode(message(method="x", params=params))
    assert isinstance(found, Notification)
    assert json.loads(bytes(found.params)) == params


@pytest.mark.parametrize("fields", [{"id": 1, "method": "ping"}, {"method": "ping"}])
def test_params_that_are_left_out_read_as_an_empty_object(fields: dict[str, Any]) -> None:
    found = decode(message(**fields))
    assert isinstance(found, Request | Notification)
    assert bytes(found.params) == b"{}"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"id": 1, "result": {"a": 1}}, (1, {"a": 1}, None), id="result"),
        pytest.param(
            {"id": "x", "error": {"code": 1, "message": "m"}}, ("x", None, {"code": 1, "message": "m"}), id="error"
        ),
        pytest.param(
            {"error": {"code": 1, "message": "m"}}, (None, None, {"code": 1, "message": "m"}), id="error without id"
        ),
        pytest.param({"id": 1, "result": None}, (1, None, None), id="a result that is null is a result"),
        pytest.param(
            {"id": 1, "result": {"a": 1}, "error": None}, (1, {"a": 1}, None), id="an error that is null is none"
        ),
    ],
)
def test_a_message_without_a_method_is_a_response(fields: dict[str, Any], expected: tuple[Any, Any, Any]) -> None:
    found = decode(message(**fields))
    assert isinstance(found, Response)
    result = None if found.result is None else json.loads(bytes(found.result))
    error = None if found.error is None else json.loads(bytes(found.error))
    assert (found.id, result, error) == expected
    assert (found.result is None) != (found.error is None)


@pytest.mark.spec("basic#requests")
@pytest.mark.parametrize("request_id", [0, -1, 2**63, 2**64, 10**18, "", "a", "1", "\u00e9\u4e16", "x" * 1000])
def test_any_string_or_integer_is_an_id_and_comes_back_unchanged(request_id: int | str) -> None:
    found = decode(message(id=request_id, method="x"))
    assert isinstance(found, Request)
    assert found.id == request_id
    assert type(found.id) is type(request_id)
    assert json.loads(encode_result(found.id, {}))["id"] == request_id


@pytest.mark.spec("basic#requests")
@pytest.mark.parametrize("request_id", [b"null", b"true", b"false", b"1.5", b"1.0", b"1e2", b"[]", b"{}", b"[1]"])
def test_an_id_of_another_type_is_an_invalid_request_without_an_id(request_id: bytes) -> None:
    error = refused(b'{"jsonrpc":"2.0","id":' + request_id + b',"method":"x"}')
    assert (error.code, error.id) == (INVALID_REQUEST, None)


@pytest.mark.spec("basic#error-codes")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b" \n\t ", id="blanks"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x"', id="cut off at the end"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x"}x', id="more behind it"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x"}{}', id="two messages"),
        pytest.param(b"{'jsonrpc':'2.0'}", id="single quotes"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x",}', id="trailing comma"),
        pytest.param(b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"x"}', id="byte order mark"),
        pytest.param('{"jsonrpc":"2.0","id":1,"method":"x"}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', id="no UTF-8 in the method"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"\xff"}}', id="no UTF-8 in the params"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x","other":"\xc3\x28"}', id="no UTF-8 in an unknown field"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"\\ud800"}}', id="half a surrogate pair"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}', id="NaN"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":Infinity}}', id="Infinity"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":nul}}', id="no literal"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":01}}', id="leading zero"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"\n"}}', id="raw newline in a string"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"\\q"}}', id="no such escape"),
    ],
)
def test_what_is_no_json_is_a_parse_error(data: bytes) -> None:
    error = refused(data)
    assert (error.code, error.id, error.http_status) == (PARSE_ERROR, None, 400)
    assert str(error).startswith("Parse error: ")


@pytest.mark.spec("basic#error-codes")
@pytest.mark.parametrize(
    ("data", "salvaged"),
    [
        pytest.param(b"null", None, id="null"),
        pytest.param(b"5", None, id="a number"),
        pytest.param(b'"x"', None, id="a string"),
        pytest.param(b"{}", None, id="an empty object"),
        pytest.param(b'{"id":7,"method":"x"}', 7, id="no jsonrpc"),
        pytest.param(b'{"jsonrpc":"1.0","id":"a","method":"x"}', "a", id="jsonrpc 1.0"),
        pytest.param(b'{"jsonrpc":2.0,"id":7,"method":"x"}', 7, id="jsonrpc as a number"),
        pytest.param(b'{"jsonrpc":"2.0","id":7}', 7, id="neither method nor result"),
        pytest.param(b'{"jsonrpc":"2.0","id":7,"result":{},"error":{}}', 7, id="result and error"),
        pytest.param(b'{"jsonrpc":"2.0","id":7,"method":5}', 7, id="method is a number"),
        pytest.param(b'{"jsonrpc":"2.0","id":7,"method":null}', 7, id="method is null"),
        pytest.param(b'{"jsonrpc":"2.0","id":7,"method":"x","params":[]}', 7, id="params are a list"),
        pytest.param(b'{"jsonrpc":"2.0","id":7,"method":"x","params":null}', 7, id="params are null"),
        pytest.param(b'{"jsonrpc":"2.0","id":7,"method":"x","params":"p"}', 7, id="params are a string"),
        pytest.param(b'{"jsonrpc":"1.0","id":true,"method":"x"}', None, id="a bool is no id to salvage"),
        pytest.param(b'{"jsonrpc":"1.0","id":1.5,"method":"x"}', None, id="a float is no id to salvage"),
    ],
)
def test_json_that_is_no_message_is_an_invalid_request_that_keeps_its_id(
    data: bytes, salvaged: int | str | None
) -> None:
    error = refused(data)
    assert (error.code, error.id, error.http_status) == (INVALID_REQUEST, salvaged, 400)
    assert str(error).startswith("Invalid request: ")


@pytest.mark.spec("basic/transports/streamable-http#sending-messages")
@pytest.mark.parametrize("data", [b"[]", b'  [{"jsonrpc":"2.0","id":1,"method":"x"}]', b"\n[1]"])
def test_a_batch_is_an_invalid_request_that_says_so(data: bytes) -> None:
    error = refused(data)
    assert error.code == INVALID_REQUEST
    assert "batches are not supported" in str(error)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(NESTED_PAST_ANY_STACK, id="all of it"),
        pytest.param(
            b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":' + NESTED_PAST_ANY_STACK + b"}}", id="params"
        ),
        pytest.param(b'{"jsonrpc":"2.0","id":' + NESTED_PAST_ANY_STACK + b',"method":"x"}', id="id"),
        pytest.param(b'{"jsonrpc":"1.0","id":' + NESTED_PAST_ANY_STACK + b',"method":"x"}', id="id of no JSON-RPC"),
        pytest.param(b'{"jsonrpc":"2.0","method":5,"id":' + NESTED_PAST_ANY_STACK + b"}", id="id after the fault"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"other":' + NESTED_PAST_ANY_STACK + b"}", id="an unknown field"),
    ],
)
def test_nesting_past_any_stack_is_an_error_wherever_it_stands(data: bytes) -> None:
    error = refused(data)
    assert error.code in (PARSE_ERROR, INVALID_REQUEST)
    assert error.id is None or error.id == 1


@pytest.mark.spec("basic#error-codes")
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error_with_a_code(data: bytes) -> None:
    found = outcome(data)
    if isinstance(found, MalformedMessageError):
        assert found.code in (PARSE_ERROR, INVALID_REQUEST)
        assert json.loads(encode_error(found.id, found))["error"]["code"] == found.code
    else:
        assert isinstance(found, Request | Notification | Response)


@given(JSON_VALUES)
def test_any_json_is_a_message_or_an_invalid_request(value: object) -> None:
    found = outcome(json.dumps(value).encode())
    assert not isinstance(found, MalformedMessageError) or found.code == INVALID_REQUEST


FIELD_VALUES = st.one_of(JSON_VALUES, st.sampled_from(["2.0", {}, {"a": 1}, 1, "x"]))
ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | FIELD_VALUES,
        "id": FIELD_VALUES,
        "method": st.just("tools/list") | FIELD_VALUES,
        "params": FIELD_VALUES,
        "result": FIELD_VALUES,
        "error": FIELD_VALUES,
    },
)


@pytest.mark.spec("basic#messages")
@given(ENVELOPES)
def test_a_message_is_accepted_just_when_json_rpc_says_it_is_one(envelope: dict[str, Any]) -> None:
    identified = "id" in envelope
    right_id = isinstance(envelope.get("id", 0), int | str) and not isinstance(envelope.get("id", 0), bool)
    asks = "method" in envelope
    # A notification is never answered, so whatever its params are it is one.
    right_params = not identified or isinstance(envelope.get("params", {}), dict)
    right_request = isinstance(envelope.get("method"), str) and right_params
    fails = envelope.get("error") is not None if "result" in envelope else "error" in envelope
    right_response = not asks and ("result" in envelope) != fails
    right = envelope.get("jsonrpc") == "2.0" and right_id and (right_request or right_response)
    expected = Response if not asks else Request if identified else Notification
    assert isinstance(outcome(json.dumps(envelope).encode()), expected if right else MalformedMessageError)


@given(IDS, TEXT, st.dictionaries(TEXT, JSON_VALUES, max_size=4))
def test_a_request_survives_the_wire(request_id: int | str, method: str, params: dict[str, Any]) -> None:
    found = decode(json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}).encode())
    assert isinstance(found, Request)
    assert (found.id, found.method, json.loads(bytes(found.params))) == (request_id, method, params)


@pytest.mark.spec("basic#result-responses")
@given(IDS, st.dictionaries(TEXT, JSON_VALUES, max_size=4))
def test_a_result_carries_the_id_it_answers(request_id: int | str, result: dict[str, Any]) -> None:
    encoded = encode_result(request_id, result)
    assert json.loads(encoded) == {"jsonrpc": "2.0", "id": request_id, "result": result}
    found = decode(encoded)
    assert isinstance(found, Response)
    assert (found.id, found.error) == (request_id, None)


@pytest.mark.spec("basic#error-responses")
@given(IDS | st.none(), st.integers(1, 10_000), TEXT, JSON_VALUES)
def test_an_error_carries_code_message_data_and_the_id_where_there_is_one(
    request_id: int | str | None, code: int, text: str, data: object
) -> None:
    encoded = json.loads(encode_error(request_id, PeerError(code, text, data)))
    expected: dict[str, Any] = {"code": code, "message": text} | ({} if data is None else {"data": data})
    assert encoded == {"jsonrpc": "2.0", "error": expected} | ({} if request_id is None else {"id": request_id})


@pytest.mark.spec("basic/transports/stdio")
@given(TEXT, st.dictionaries(TEXT, JSON_VALUES, max_size=4))
def test_no_message_that_is_sent_contains_a_newline(text: str, params: dict[str, Any]) -> None:
    for encoded in (
        encode_notification(text, params),
        encode_result(text, params),
        encode_error(text, PeerError(1, text, params)),
        encode_json(params),
    ):
        assert b"\n" not in encoded
        json.loads(encoded)


@pytest.mark.spec("basic#notifications")
def test_a_notification_has_no_id() -> None:
    encoded = encode_notification("notifications/message", {"level": "info", "data": None})
    assert json.loads(encoded) == {
        "jsonrpc": "2.0",
        "method": "notifications/message",
        "params": {"level": "info", "data": None},
    }


def test_raw_json_is_sent_as_it_is() -> None:
    assert encode_result(1, Raw(b'{"a": 1.0}')) == b'{"jsonrpc":"2.0","id":1,"result":{"a": 1.0}}'


@pytest.mark.spec("basic/transports/stdio")
@pytest.mark.parametrize("raw", [b'{\n "a": 1\n}', b'{\r\n"a":1}', b'{"a":\r1}', b'\n{"a":1}\n'])
def test_raw_json_of_several_lines_is_sent_on_one(raw: bytes) -> None:
    for encoded in (
        encode_result(1, Raw(raw)),
        encode_result(1, {"structuredContent": Raw(raw)}),
        encode_notification("x", Raw(raw)),
        encode_error(1, PeerError(1, "x", Raw(raw))),
        encode_error(None, PeerError(1, "x", {"inner": Raw(raw)})),
    ):
        sent = on_one_line(encoded)
        assert b"\n" not in sent
        assert b"\r" not in sent
        assert '"a": 1' in json.dumps(json.loads(sent))


def test_json_is_compact_utf_8() -> None:
    assert encode_json({"a": [1, "\u4e16"]}) == '{"a":[1,"\u4e16"]}'.encode()


def test_what_json_cannot_carry_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        encode_json(object())
