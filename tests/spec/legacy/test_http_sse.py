"""HTTP+SSE. Rule: each test shows a demand of 2024-11-05/basic/transports."""

import anyio
import pytest

from mcp_runtime.config import BridgesConfig
from mcp_runtime.config.sections import HttpSseConfig
from tests.support.asgi import Exchange
from tests.support.old_sse import SseClient
from tests.support.old_wires import SSE, over_old
from tests.support.settings import settings

ELSEWHERE = settings(bridges=BridgesConfig(http_sse=HttpSseConfig(messages_path="/a/b/post")))
EVIL = {"origin": "http://evil.example"}


@pytest.mark.spec("2024-11-05/basic/transports#security-warning", "origin")
@over_old(*SSE)
async def test_an_origin_that_is_not_allowed_opens_no_stream(client: SseClient) -> None:
    exchange = Exchange(headers={"accept": "text/event-stream", **EVIL}, method="GET", path="/sse")
    exchange.upload(b"")
    await exchange.run(client.app)
    assert exchange.response.status == 403
    assert b"endpoint" not in exchange.response.body


@pytest.mark.spec("2024-11-05/basic/transports#security-warning", "origin")
@over_old(*SSE)
async def test_an_origin_that_is_not_allowed_posts_no_message(client: SseClient) -> None:
    await client.open("2024-11-05")
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "nap", "arguments": {}}}
    assert await client.send(call, headers=EVIL) == 403
    await client.settle()
    assert "nap began" not in client.journal


@pytest.mark.spec("2024-11-05/basic/transports#http-with-sse", "two-endpoints", "endpoint-event")
@over_old(*SSE)
async def test_the_stream_says_first_where_to_post(client: SseClient) -> None:
    first = client.events[0]
    assert first.name == "endpoint"
    assert (first.data or "").startswith("messages?session_id=")
    await client.open("2024-11-05")
    assert await client.send({"jsonrpc": "2.0", "id": 1, "method": "ping"}) == 202
    assert (await client.next(client.sent[-1]))["result"] == {}


@pytest.mark.spec("2024-11-05/basic/transports#http-with-sse", "two-endpoints", "endpoint-event")
@over_old(*SSE, config=ELSEWHERE)
async def test_a_path_of_the_operator_s_choice_is_what_the_stream_says(client: SseClient) -> None:
    assert (client.events[0].data or "").startswith("a/b/post?session_id=")
    await client.open("2024-11-05")
    assert (await client.ask("ping"))["result"] == {}


@pytest.mark.spec("2024-11-05/basic/transports#http-with-sse", "message-events")
@over_old(*SSE)
async def test_messages_come_as_message_events_of_json(client: SseClient) -> None:
    await client.open("2024-11-05")
    await client.start("tools/call", {"name": "count", "_meta": {"progressToken": "t"}})
    await client.start_call("think")
    await anyio.sleep(1)
    assert [event.name for event in client.events] == ["endpoint", *["message"] * 6]
    messages = [event.message for event in client.events[1:]]
    assert messages == [{"jsonrpc": "2.0", "id": 1001, "result": messages[0]["result"]}, *client.left()]
