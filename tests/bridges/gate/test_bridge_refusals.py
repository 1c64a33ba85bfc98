"""Refusals on the wire. Rule: a refusal says what is spoken here, and where to go instead."""

import json

import pytest

from mcp_bridges.gate.port import Refusal
from mcp_bridges.gate.refusals import RefusedError, as_reply, not_served
from mcp_runtime.protocol.errors import PeerError
from mcp_runtime.protocol.jsonrpc import RequestId


def test_a_refusal_names_what_is_spoken() -> None:
    refusal = not_served("HTTP+SSE", "")
    assert refusal == Refusal(
        status=400,
        code=-32022,
        message="HTTP+SSE is not served here any more; use MCP 2026-07-28",
        data={"supported": ["2026-07-28"]},
    )


def test_a_refusal_names_where_to_go() -> None:
    refusal = not_served("Sessions over HTTP", "https://new.example/mcp")
    assert refusal.message.endswith("; use MCP 2026-07-28 at https://new.example/mcp")
    assert refusal.data == {"supported": ["2026-07-28"], "replacement": "https://new.example/mcp"}


@pytest.mark.parametrize("retry_after_s", [None, 0, 60])
@pytest.mark.parametrize("data", [None, {"sunset": "2027-07-28"}])
def test_an_error_carries_all_of_the_refusal(data: object, retry_after_s: int | None) -> None:
    error = RefusedError(Refusal(status=410, code=-32603, message="Gone", data=data, retry_after_s=retry_after_s))
    assert (error.code, error.message, error.data) == (-32603, "Gone", data)
    assert (error.http_status, error.retry_after_s) == (410, retry_after_s)


@pytest.mark.parametrize("request_id", [None, 0, 7, "", "seven"])
def test_a_reply_has_the_status_and_the_id(request_id: RequestId | None) -> None:
    reply = as_reply(request_id, PeerError(-32603, "Later", http_status=503, retry_after_s=5))
    assert (reply.status, reply.retry_after_s) == (503, 5)
    expected = {"jsonrpc": "2.0", "error": {"code": -32603, "message": "Later"}}
    assert json.loads(reply.body) == (expected if request_id is None else {**expected, "id": request_id})
