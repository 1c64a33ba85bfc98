"""The error table says what the specification says, and nobody can send a code that is not theirs."""

from typing import Any

import pytest

from mcp_runtime.protocol.errors import (
    ERRORS,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    PARSE_ERROR,
    UNSUPPORTED_PROTOCOL_VERSION,
    PeerError,
    missing_capability,
    status_of,
    unsupported_version,
)


@pytest.mark.spec("basic#error-codes")
@pytest.mark.parametrize(
    ("code", "status"),
    [
        (-32700, 400),
        (-32600, 400),
        (-32601, 404),
        (-32602, 400),
        (-32603, 200),
        (-32020, 400),
        (-32021, 400),
        (-32022, 400),
    ],
)
def test_each_code_of_the_specification_has_its_http_status(code: int, status: int) -> None:
    assert status_of(code) == status
    assert PeerError(code, "x").http_status == status


@pytest.mark.spec("basic#error-codes")
def test_the_table_holds_the_codes_of_the_specification_and_no_others() -> None:
    assert {code: row.name for code, row in ERRORS.items()} == {
        -32700: "ParseError",
        -32600: "InvalidRequest",
        -32601: "MethodNotFound",
        -32602: "InvalidParams",
        -32603: "InternalError",
        -32020: "HeaderMismatch",
        -32021: "MissingRequiredClientCapability",
        -32022: "UnsupportedProtocolVersion",
    }


def test_each_row_says_where_the_specification_has_it() -> None:
    assert {row.spec for row in ERRORS.values()} == {
        "basic#error-codes",
        "basic#meta",
        "basic/versioning#protocol-version-negotiation",
        "basic/transports/streamable-http#protocol-version-header",
        "basic/transports/streamable-http#server-validation",
    }


@pytest.mark.spec("basic#error-codes")
@pytest.mark.parametrize("code", [-32002, -32042, -32023, -32050, -32098, -32099])
def test_codes_that_the_specification_keeps_to_itself_cannot_be_sent(code: int) -> None:
    with pytest.raises(ValueError, match="reserved"):
        PeerError(code, "mine")


@pytest.mark.spec("basic#error-codes")
@pytest.mark.parametrize("code", [-32000, -32001, -32003, -32019])
def test_no_new_code_is_allocated_among_the_legacy_ones(code: int) -> None:
    with pytest.raises(ValueError, match="reserved"):
        PeerError(code, "mine")


@pytest.mark.parametrize("code", [1, 0, -1, 32_000, -31_999, -32_769, 2**31])
def test_an_application_code_travels_with_200(code: int) -> None:
    error = PeerError(code, "no", {"why": "because"})
    assert (error.code, error.message, error.data, str(error)) == (code, "no", {"why": "because"}, "no")
    assert (error.http_status, error.retry_after_s) == (200, None)


def test_status_and_retry_can_be_set() -> None:
    error = PeerError(-32603, "busy", http_status=503, retry_after_s=5)
    assert (error.http_status, error.retry_after_s) == (503, 5)


@pytest.mark.spec("basic/versioning#protocol-version-negotiation")
def test_an_unsupported_version_lists_what_is_supported_and_what_was_asked() -> None:
    error = unsupported_version("1900-01-01", ("2026-07-28", "2025-11-25"))
    assert error.code == UNSUPPORTED_PROTOCOL_VERSION
    assert error.data == {"supported": ["2026-07-28", "2025-11-25"], "requested": "1900-01-01"}
    assert error.http_status == 400
    assert "'1900-01-01'" in error.message
    assert "2026-07-28, 2025-11-25" in error.message


@pytest.mark.spec("basic#meta")
@pytest.mark.parametrize(
    ("required", "named"),
    [
        ({"sampling": {}}, "sampling"),
        ({"elicitation": {"url": {}}}, "elicitation.url"),
        ({"elicitation": {"url": {}, "form": {}}}, "elicitation.form, elicitation.url"),
        ({"roots": {}, "sampling": {"tools": {}}}, "roots, sampling.tools"),
    ],
)
def test_a_missing_capability_is_named_in_text_and_data(required: dict[str, Any], named: str) -> None:
    error = missing_capability(required)
    assert (error.code, error.http_status) == (MISSING_REQUIRED_CLIENT_CAPABILITY, 400)
    assert error.data == {"requiredCapabilities": required}
    assert error.message.endswith(f": {named}")


def test_the_names_of_the_codes_stand_for_their_numbers() -> None:
    assert (PARSE_ERROR, METHOD_NOT_FOUND, INVALID_PARAMS, HEADER_MISMATCH) == (-32700, -32601, -32602, -32020)
