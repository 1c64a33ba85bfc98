"""A session id carries what its client declared. Rule: what cannot be carried is left out; the session opens all the same."""

from typing import Any

import pytest

from tests.support.clocks import Backend, run
from tests.support.legacy_messages import old, opening
from tests.support.messages import Message
from tests.support.raw_wires import old_http

LEGACY: dict[str, str | None] = {"mcp-protocol-version": None}


def nested(depth: int) -> dict[str, Any]:
    """An object in an object in an object."""
    return {} if depth == 0 else {"x": nested(depth - 1)}


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize(
    "experimental",
    [{"a": {"n": 2**70}}, {"a": {"n": -(2**64)}}, {"a": {"n": 2**64 - 1}}, {"x" * 5000: {}}, {"a": nested(150)}],
)
def test_a_client_that_declares_more_than_an_id_carries_gets_a_session(
    backend: Backend, experimental: dict[str, Any]
) -> None:
    async def test() -> None:
        declared = {"elicitation": {"form": {"n": 2**70}}, "experimental": experimental}
        async with old_http() as http:
            async with http.exchange(opening(capabilities=declared), headers=LEGACY) as exchange:
                response = await exchange.read_all()
            session_id = response.header("mcp-session-id") or ""
            assert (response.status, 0 < len(session_id) <= 1000) == (200, True)
            headers = {"mcp-session-id": session_id, "mcp-protocol-version": "2025-11-25"}
            call: Message = old("tools/call", {"name": "echo", "arguments": {"text": "in"}})
            async with http.exchange(call, headers=headers) as exchange:
                response = await exchange.read_all()
            assert b'"in"' in response.body

    run(backend, test)
