"""A header confirms the body or refuses the request; it never says anything of its own."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_runtime.protocol.errors import HEADER_MISMATCH, PeerError
from mcp_runtime.protocol.headers import (
    Headers,
    ParamHeader,
    check_name,
    check_params,
    check_standard,
    decode_value,
    encode_value,
    read_headers,
    version_of,
)
from tests.support.dispatcher_client import headers as headers_of

SERVER_VALIDATION = pytest.mark.spec("basic/transports/streamable-http#server-validation")
VALUE_ENCODING = pytest.mark.spec("basic/transports/streamable-http#value-encoding")
CUSTOM_HEADERS = pytest.mark.spec("basic/transports/streamable-http#server-behavior-for-custom-headers")

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAN = (ParamHeader(b"mcp-param-region", ("region",)), ParamHeader(b"mcp-param-deep", ("a", "b", "c")))


def headers(
    version: bytes | None = b"2026-07-28",
    method: bytes | None = b"tools/call",
    name: bytes | None = b"x",
    **params: bytes,
) -> Headers:
    return headers_of(version, method, name, **params)


def sentinel(payload: bytes) -> bytes:
    return b"=?base64?" + payload + b"?="


def mismatch(refused: "pytest.ExceptionInfo[PeerError]") -> str:
    assert (refused.value.code, refused.value.http_status) == (HEADER_MISMATCH, 400)
    assert refused.value.message.startswith("Header mismatch: ")
    return refused.value.message


# Reading


def test_mcp_headers_are_picked_out_and_blanks_around_values_stripped() -> None:
    found = read_headers(
        [
            (b"host", b"localhost"),
            (b"mcp-protocol-version", b" 2026-07-28\t"),
            (b"mcp-method", b"tools/call"),
            (b"mcp-name", b"\t x \t"),
            (b"mcp-param-region", b" us west "),
            (b"content-type", b"application/json"),
        ]
    )
    assert found == headers(region=b"us west")


def test_headers_that_are_absent_are_none() -> None:
    assert read_headers([]) == {}


@SERVER_VALIDATION
@pytest.mark.parametrize("name", [b"mcp-protocol-version", b"mcp-method", b"mcp-name", b"mcp-param-region"])
@pytest.mark.parametrize("second", [b"a", b"b"])
def test_a_header_that_comes_twice_is_a_mismatch_even_with_one_value(name: bytes, second: bytes) -> None:
    with pytest.raises(PeerError) as refused:
        read_headers([(name, b"a"), (b"host", b"x"), (name, second)])
    assert f"{name.decode()} header comes more than once" in mismatch(refused)


def test_the_version_header_is_text() -> None:
    assert version_of(headers()) == "2026-07-28"
    assert version_of(headers(version=None)) is None
    assert version_of(headers(version=b"\xe9")) == "\u00e9"


# The standard headers


@SERVER_VALIDATION
def test_headers_that_agree_with_the_body_pass() -> None:
    check_standard(headers(), "2026-07-28", "tools/call")
    check_name(headers(), "x")


@SERVER_VALIDATION
@pytest.mark.parametrize(
    ("found", "named"),
    [
        (headers(version=None), "MCP-Protocol-Version header is missing"),
        (headers(version=b"2025-11-25"), "'2025-11-25' does not match body value '2026-07-28'"),
        (headers(version=b""), "MCP-Protocol-Version header value ''"),
        (headers(version=b"2026-07-28, 2026-07-28"), "MCP-Protocol-Version"),
        (headers(version=sentinel(b"MjAyNi0wNy0yOA==")), "MCP-Protocol-Version"),
        (headers(method=None), "Mcp-Method header is missing"),
        (headers(method=b"tools/list"), "'tools/list' does not match body value 'tools/call'"),
        (headers(method=b"Tools/Call"), "Mcp-Method header value 'Tools/Call'"),
        (headers(method=b""), "Mcp-Method header value ''"),
        (headers(method=b"tools/call\xe9"), "Mcp-Method"),
        (headers(method=sentinel(b"dG9vbHMvY2FsbA==")), "Mcp-Method"),
    ],
)
def test_a_standard_header_that_is_missing_or_differs_is_a_mismatch(found: Headers, named: str) -> None:
    with pytest.raises(PeerError) as refused:
        check_standard(found, "2026-07-28", "tools/call")
    assert named in mismatch(refused)


def test_a_body_without_a_version_leaves_that_comparison_to_whoever_reports_it() -> None:
    check_standard(headers(version=b"2025-11-25"), None, "tools/call")


@SERVER_VALIDATION
@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"get_weather", "get_weather"),
        (sentinel(b"Z2V0X3dlYXRoZXI="), "get_weather"),
        (sentinel(b"SGVsbG8sIOS4lueVjA=="), "Hello, \u4e16\u754c"),
        (b"file:///projects/myapp/config.json", "file:///projects/myapp/config.json"),
        (b"", ""),
    ],
)
def test_a_name_is_decoded_before_it_is_compared(raw: bytes, name: str) -> None:
    check_name(headers(name=raw), name)


@SERVER_VALIDATION
@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (None, "Mcp-Name header is missing"),
        (b"X", "Mcp-Name header value 'X' does not match body value 'x'"),
        (b"", "does not match"),
        (b"\xe9", "invalid characters"),
        (b"x\x7f", "invalid characters"),
        (b"x\0", "invalid characters"),
        (b"x\r\ny", "invalid characters"),
        (sentinel(b"eA"), "invalid base64"),
        (sentinel(b"eA==="), "invalid base64"),
        (sentinel(b"e A=="), "invalid base64"),
        (sentinel(b"eA-_"), "invalid base64"),
        (sentinel(b"/w=="), "invalid base64"),
        (b"=?BASE64?eA==?=", "does not match"),
        (b"=?base64?eA==", "does not match"),
        (b"eA==", "does not match"),
    ],
)
def test_a_name_that_is_missing_malformed_or_different_is_a_mismatch(raw: bytes | None, named: str) -> None:
    with pytest.raises(PeerError) as refused:
        check_name(headers(name=raw), "x")
    assert named in mismatch(refused)


def test_a_long_value_is_clipped_in_the_error() -> None:
    with pytest.raises(PeerError) as refused:
        check_name(headers(name=b"a" * 5000), "b" * 5000)
    message = mismatch(refused)
    assert "a" * 100 + "..." in message
    assert "b" * 100 + "..." in message
    assert "a" * 101 not in message
    assert "b" * 101 not in message


def test_a_value_of_a_hundred_characters_is_shown_whole() -> None:
    with pytest.raises(PeerError) as refused:
        check_name(headers(name=b"a" * 100), "x")
    assert f"'{'a' * 100}'" in mismatch(refused)


# Encoding of values


@VALUE_ENCODING
@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("us-west1", b"us-west1"),
        ("Hello, \u4e16\u754c", b"=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", b"=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", b"=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", b"=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("", b""),
        ("a b\tc", b"a b\tc"),
        ("\ta", b"=?base64?CWE=?="),
        ("a ", b"=?base64?YSA=?="),
        ("=?base64?", b"=?base64?"),
        ("\x7f", b"=?base64?fw==?="),
        ("\0", b"=?base64?AA==?="),
    ],
)
def test_a_value_is_plain_where_it_can_be_and_base64_otherwise(value: str, encoded: bytes) -> None:
    assert encode_value(value) == encoded
    assert decode_value("H", encoded) == value


@VALUE_ENCODING
@given(TEXT)
def test_any_text_survives_the_header(value: str) -> None:
    encoded = encode_value(value)
    assert all(byte == 9 or 32 <= byte <= 126 for byte in encoded)
    assert encoded == encoded.strip(b" \t")
    assert decode_value("H", encoded) == value


@VALUE_ENCODING
@given(st.from_regex(r"=\?base64\?[ -~]*\?=", fullmatch=True))
def test_a_text_that_looks_like_the_sentinel_survives_the_header(value: str) -> None:
    assert decode_value("H", encode_value(value)) == value


@given(st.binary() | st.binary().map(sentinel) | st.binary().map(base64.b64encode).map(sentinel))
def test_any_bytes_are_a_text_or_a_mismatch(raw: bytes) -> None:
    try:
        value = decode_value("Mcp-Name", raw)
    except PeerError as error:
        code, message = error.code, error.message
    else:
        assert decode_value("Mcp-Name", encode_value(value)) == value
        return
    assert code == HEADER_MISMATCH
    assert "Mcp-Name" in message


# Parameters


@CUSTOM_HEADERS
@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"us-west1", "us-west1"),
        (sentinel(b"w6k="), "\u00e9"),
        (b"", ""),
        (b"42", 42),
        (b"-7", -7),
        (b"0", 0),
        (b"-0", 0),
        (b"+42", 42),
        (b"042", 42),
        (b"42.0", 42),
        (b"42.000", 42),
        (b"42", 42.0),
        (sentinel(b"NDI="), 42),
        (b"9007199254740991", 2**53 - 1),
        (b"-9007199254740991", -(2**53) + 1),
        (b"true", True),
        (b"false", False),
    ],
)
def test_a_parameter_that_its_header_confirms_passes(raw: bytes, value: object) -> None:
    check_params(headers(region=raw), PLAN, {"region": value})


@CUSTOM_HEADERS
@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param(b"us-west2", "us-west1", id="another text"),
        pytest.param(b"US-WEST1", "us-west1", id="another case"),
        pytest.param(b"", "us-west1", id="an empty header"),
        pytest.param(b"43", 42, id="another number"),
        pytest.param(b"42.5", 42, id="a fraction"),
        pytest.param(b"42.00000001", 42, id="a small fraction"),
        pytest.param(b"4.2e1", 42, id="an exponent"),
        pytest.param(b"0x2a", 42, id="hexadecimal"),
        pytest.param(b"4_2", 42, id="underscores"),
        pytest.param(b"42.", 42, id="a bare point"),
        pytest.param(b"", 0, id="nothing for zero"),
        pytest.param(b"9007199254740993", 2**53, id="a neighbour that a float cannot tell apart"),
        pytest.param(b"1" + b"0" * 5000, 1, id="more digits than Python reads"),
        pytest.param(sentinel(base64.b64encode("\u0664\u0662".encode())), 42, id="digits of another script"),
        pytest.param(sentinel(base64.b64encode(b" 42")), 42, id="a blank before the digits"),
        pytest.param(b"True", True, id="capital true"),
        pytest.param(b"1", True, id="1 for true"),
        pytest.param(b"0", False, id="0 for false"),
        pytest.param(b"", False, id="nothing for false"),
        pytest.param(b"true", 1, id="true for 1"),
        pytest.param(b"true", "True", id="text in another case"),
        pytest.param(b"{}", {}, id="an object"),
        pytest.param(b"[]", [], id="a list"),
        pytest.param(b"\xe9", "\u00e9", id="Latin-1"),
        pytest.param("\u00e9".encode(), "\u00e9", id="bare UTF-8"),
        pytest.param(b"a\x01", "a\x01", id="a control character"),
        pytest.param(sentinel(b"!"), "!", id="no base64"),
    ],
)
def test_a_parameter_that_its_header_contradicts_is_a_mismatch(raw: bytes, value: object) -> None:
    with pytest.raises(PeerError) as refused:
        check_params(headers(region=raw), PLAN, {"region": value})
    assert "mcp-param-region" in mismatch(refused)


@CUSTOM_HEADERS
def test_a_value_without_its_header_is_a_mismatch_that_names_both() -> None:
    with pytest.raises(PeerError) as refused:
        check_params(headers(), PLAN, {"a": {"b": {"c": "x"}}})
    message = mismatch(refused)
    assert "mcp-param-deep header is missing" in message
    assert "'a.b.c'" in message


@CUSTOM_HEADERS
@pytest.mark.parametrize(
    "arguments", [{}, {"region": None}, {"a": None}, {"a": {}}, {"a": {"b": "c"}}, {"a": [{"b": 1}]}, {"c": 1}]
)
def test_no_header_is_expected_where_there_is_no_value(arguments: dict[str, Any]) -> None:
    check_params(headers(), PLAN, arguments)


@CUSTOM_HEADERS
@pytest.mark.parametrize("arguments", [{}, {"region": None}])
def test_a_header_without_a_value_is_a_mismatch(arguments: dict[str, Any]) -> None:
    with pytest.raises(PeerError) as refused:
        check_params(headers(region=b"us-west1"), PLAN, arguments)
    assert "has no value" in mismatch(refused)


@pytest.mark.parametrize("value", [{}, {"x": 1}, [], [1]])
def test_a_value_that_no_header_can_carry_is_left_to_the_schema(value: object) -> None:
    check_params(headers(), PLAN, {"region": value})


def test_headers_that_the_plan_does_not_name_are_ignored() -> None:
    check_params(headers(other=b"\xff"), PLAN, {"other": "x"})
    check_params(headers(region=b"\xff"), (), {"region": "x"})


def test_a_nested_parameter_is_read_at_its_exact_path() -> None:
    check_params(headers(deep=b"x"), PLAN, {"a": {"b": {"c": "x"}}, "c": "y", "b": {"c": "z"}})


SCALARS = TEXT | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1)


def on_the_wire(value: object) -> bytes:
    return encode_value(str(value).lower() if isinstance(value, bool) else str(value))


PAIRS = st.one_of(
    st.tuples(SCALARS, SCALARS),
    SCALARS.map(lambda value: (value, value)),
    st.integers(-1000, 1000).map(lambda value: (str(value), value)),
    st.booleans().map(lambda value: (str(value), value)),
)


@CUSTOM_HEADERS
@given(PAIRS)
def test_a_header_confirms_just_the_value_that_a_client_would_encode_that_way(pair: tuple[object, object]) -> None:
    sent, found = pair
    agree = on_the_wire(sent) == on_the_wire(found)
    try:
        check_params(headers(region=on_the_wire(sent)), PLAN, {"region": found})
    except PeerError:
        assert not agree
    else:
        assert agree or isinstance(found, int)
