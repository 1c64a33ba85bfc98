"""stdio and sessions over HTTP. Rule: each test shows a demand of {2025-11-25,2025-06-18}/basic/transports."""

import re
from typing import Any

import anyio
import pytest

from mcp_runtime import Plugin, ToolResult
from mcp_runtime.config import BridgesConfig
from mcp_runtime.config.sections import HttpSessionsConfig
from tests.support.asgi import Exchange
from tests.support.messages import notification, rooted
from tests.support.old_client import OldClient, Sent
from tests.support.old_events import Event
from tests.support.old_http import SessionsClient
from tests.support.old_wires import EVERY_OLD_WIRE, SESSIONS, STDIO, over_old
from tests.support.settings import settings

POLLED = ["2025-11-25"]
KEPT_OPEN = ["2025-06-18", "2025-03-26"]
IN_SESSIONS = [*POLLED, *KEPT_OPEN]
LETS_GO = settings(bridges=BridgesConfig(http_sessions=HttpSessionsConfig(close_stream_after_s=5)))
each_revision = pytest.mark.parametrize("revision", IN_SESSIONS)


def talkative_plugin(_: list[str]) -> Plugin[Any]:
    """Tools whose results have line breaks, and letters of many alphabets, wherever they can."""
    plugin = Plugin("talkative")

    @plugin.tool
    async def lines() -> ToolResult:
        """Text."""
        return ToolResult(content=["one\ntwo\r\nthree\u2028vier äöü 四 🙂"], meta={"a\nb": "c\nd"})

    return plugin


@pytest.mark.spec("2025-11-25/basic/transports#top", "utf-8")
@pytest.mark.spec("2025-11-25/basic/transports#stdio", "one-line")
@over_old(*EVERY_OLD_WIRE, plugin=talkative_plugin)
async def test_text_of_every_kind_travels_as_it_is(client: OldClient) -> None:
    await client.open()
    result = (await client.call("lines"))["result"]
    assert result["content"][0]["text"] == "one\ntwo\r\nthree\u2028vier äöü 四 🙂"
    assert result["_meta"] == {"a\nb": "c\nd"}


@pytest.mark.spec("2025-11-25/basic/transports#stdio", "messages-only")
@over_old(*STDIO)
async def test_every_line_of_a_long_conversation_is_a_message(client: OldClient) -> None:
    """The client reads each line as one, and checks it against its revision."""
    await client.open()
    for tool in ("chat", "count", "crash", "media"):
        await client.start_call(tool)
    await client.send(b"no message")
    await client.settle()
    assert len(client.inbox) == 2 + 4 + 1  # Two log messages, four responses, one error.


async def status_of(client: SessionsClient, method: str, **headers: str) -> int:
    """The status of a request, with these headers besides."""
    given = {**client.headers(), **{name.replace("_", "-"): value for name, value in headers.items()}}
    exchange = client.request(method, given, b'{"jsonrpc":"2.0","method":"x"}', Sent(body=None, requests={}))
    await exchange.started.wait()
    exchange.disconnect()
    return exchange.response.status


@pytest.mark.spec("2025-11-25/basic/transports#streamable-http", "one-endpoint")
@each_revision
@over_old(*SESSIONS)
async def test_one_path_takes_post_and_get(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    assert await status_of(client, "POST") == 202
    assert await status_of(client, "GET") == 200


@pytest.mark.spec("2025-11-25/basic/transports#security-warning", "origin")
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@over_old(*SESSIONS)
async def test_an_origin_that_is_not_allowed_gets_403(client: SessionsClient, method: str) -> None:
    await client.open()
    assert await status_of(client, method, origin="http://evil.example") == 403
    assert (await client.ask("ping"))["result"] == {}  # The session lives on.


@pytest.mark.spec("2025-11-25/basic/transports#sending-messages-to-the-server", "accepted")
@each_revision
@over_old(*SESSIONS)
async def test_what_is_accepted_gets_202_and_no_body(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    for method in ("notifications/roots/list_changed", "notifications/cancelled", "notifications/unheard/of"):
        assert await client.send(notification(method)) == 202
        assert client.exchanges[client.sent[-1]].response.body == b""
    call = await client.start_call("where")
    assert await client.reply(await client.next(call), rooted("file:///a")) == 202
    assert client.exchanges[client.sent[-1]].response.body == b""
    await client.next(call)


@pytest.mark.spec("2025-11-25/basic/transports#sending-messages-to-the-server", "not-accepted")
@each_revision
@over_old(*SESSIONS)
async def test_an_answer_that_nobody_waits_for_gets_an_error_without_an_id(
    client: SessionsClient, revision: str
) -> None:
    await client.open(revision)
    assert await client.send({"jsonrpc": "2.0", "id": "unasked", "result": {}}) == 400
    (error,) = client.left()
    assert "id" not in error
    assert error["error"]["code"] == -32600


@pytest.mark.spec("2025-11-25/basic/transports#sending-messages-to-the-server", "json-or-stream")
@each_revision
@over_old(*SESSIONS)
async def test_a_request_is_answered_with_one_object_or_with_a_stream(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    for tool, kind in (("nothing", "application/json"), ("chat", "text/event-stream")):
        call = await client.start_call(tool)
        while "method" in await client.next(call):
            pass
        response = client.exchanges[call].response
        assert response.status == 200
        assert (response.header("content-type") or "").partition(";")[0] == kind


async def streamed(client: SessionsClient, tool: str = "chat", **arguments: Any) -> list[Event]:
    """The events of a call that is streamed, once it has ended."""
    call = await client.start("tools/call", {"name": tool, "arguments": arguments, "_meta": {"progressToken": tool}})
    while "method" in await client.next(call):
        pass
    await client.exchanges[call].complete.wait()
    await client.settle()
    return call.events


@pytest.mark.spec("2025-11-25/basic/transports#sending-messages-to-the-server", "primed", "retry")
@pytest.mark.parametrize("revision", POLLED)
@over_old(*SESSIONS)
async def test_a_stream_begins_with_an_event_that_says_how_to_come_back(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    first, *others = await streamed(client)
    assert first.data == ""
    assert first.id is not None
    assert first.retry_ms == 1000
    assert len(others) == 3
    assert all(event.data and event.id for event in others)


@pytest.mark.spec("2025-06-18/basic/transports#sending-messages-to-the-server", "kept-open")
@pytest.mark.parametrize("revision", KEPT_OPEN)
@over_old(*SESSIONS, config=LETS_GO)
async def test_before_2025_11_25_a_stream_is_open_until_its_response(client: SessionsClient, revision: str) -> None:
    """Such clients take an event without data for a broken message, and do not come back by themselves."""
    await client.open(revision)
    events = await streamed(client, "slow_count", steps=3, pause_s=60)
    assert len(events) == 4
    assert all(event.data and event.retry_ms is None for event in events)


@pytest.mark.spec("2025-11-25/basic/transports#sending-messages-to-the-server", "retry")
@over_old(*SESSIONS, config=LETS_GO)
async def test_a_connection_that_is_let_go_has_said_when_to_come_back(client: SessionsClient) -> None:
    await client.open()
    call = await client.start_call("nap", {"seconds": 60})
    await client.exchanges[call].complete.wait()
    await client.settle()
    (primed,) = call.events
    assert primed.retry_ms == 1000
    assert client.left() == []
    await client.resume(call, str(primed.id))
    assert (await client.next(call))["result"]["content"][0]["text"] == "rested"


@pytest.mark.spec("2025-11-25/basic/transports#sending-messages-to-the-server", "ends-with-response")
@each_revision
@over_old(*SESSIONS)
async def test_a_stream_ends_after_its_response(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    *_, last = await streamed(client)  # It waits for the end.
    assert '"result"' in (last.data or "")


@pytest.mark.spec("2025-11-25/basic/transports#sending-messages-to-the-server", "own-messages")
@each_revision
@over_old(*SESSIONS)
async def test_what_comes_before_a_response_is_about_its_request(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    calls = [
        await client.start("tools/call", {"name": "count", "_meta": {"progressToken": token}}) for token in ("a", "b")
    ]
    quiet = await client.start_call("nap", {"seconds": 5})
    await anyio.sleep(10)
    for call, token in zip(calls, ("a", "b"), strict=True):
        tokens = [(await client.next(call))["params"]["progressToken"] for _ in range(3)]
        assert tokens == [token] * 3
        assert "result" in await client.next(call)
    assert "result" in await client.next(quiet)
    assert quiet.events == []


@pytest.mark.spec("2025-11-25/basic/transports#sending-messages-to-the-server", "disconnect")
@each_revision
@over_old(*SESSIONS)
async def test_a_lost_connection_does_not_cancel(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    params = {"name": "slow_count", "arguments": {"steps": 3, "pause_s": 20}, "_meta": {"progressToken": "t"}}
    call = await client.start("tools/call", params)
    assert "params" in await client.next(call)  # From here on it has an event to come back with.
    await client.lose(call)
    await anyio.sleep(100)
    await client.resume(call, call.events[-1].id or "")
    assert [(await client.next(call))["params"]["progress"] for _ in range(2)] == [2, 3]
    assert (await client.next(call))["result"]["content"] == [{"type": "text", "text": "counted"}]


@pytest.mark.spec("2025-11-25/basic/transports#listening-for-messages-from-the-server", "stream-or-405")
@each_revision
@over_old(*SESSIONS)
async def test_get_gives_a_stream(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    response = client.exchanges[client.listening].response
    assert response.status == 200
    assert (response.header("content-type") or "").startswith("text/event-stream")


@pytest.mark.spec("2025-11-25/basic/transports#listening-for-messages-from-the-server", "stream-or-405")
@over_old(*SESSIONS, config=settings(limits={"max_subscriptions": 0}))
async def test_get_that_cannot_be_a_stream_is_declined(client: SessionsClient) -> None:
    """Where there is no room for the stream now, 405 would say that there never is one."""
    await client.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})
    assert await status_of(client, "GET") in {405, 503}


@pytest.mark.spec("2025-11-25/basic/transports#listening-for-messages-from-the-server", "no-responses", "unrelated")
@each_revision
@over_old(*SESSIONS)
async def test_the_stream_has_nothing_of_requests_under_way(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    for tool in ("chat", "count", "nothing", "crash"):
        await streamed_or_not(client, tool)
    await client.call("grow", {"kind": "tool", "name": "later"})
    await client.change()
    assert client.listening is not None
    said = [event.data for event in client.listening.events if event.data]
    assert [data for data in said if "list_changed" not in data] == []
    assert len(said) == 1


async def streamed_or_not(client: SessionsClient, tool: str) -> None:
    """Call a tool and pass over what it says."""
    call = await client.start("tools/call", {"name": tool, "_meta": {"progressToken": tool}})
    while "method" in await client.next(call):
        pass


@pytest.mark.spec("2025-11-25/basic/transports#multiple-connections", "once")
@each_revision
@over_old(*SESSIONS)
async def test_a_message_is_sent_on_one_stream_only(client: SessionsClient, revision: str) -> None:
    """The newer of two GET streams has it, and the older one has ended."""
    await client.open(revision)
    older = client.listening
    await client.listen()
    call = await client.start_call("slow_count", {"steps": 2})
    await client.call("grow", {"kind": "tool", "name": "later"})
    await anyio.sleep(10)
    told = [message for message in client.left() if "list_changed" in str(message)]
    assert len(told) == 1
    assert client.exchanges[older].complete.is_set()
    assert not client.exchanges[client.listening].complete.is_set()
    assert "result" in await client.next(call)


def ids_of(events: list[Event]) -> list[str]:
    """The ids that events have."""
    return [event.id for event in events if event.id is not None]


@pytest.mark.spec("2025-11-25/basic/transports#resumability-and-redelivery", "unique-ids", "named-stream")
@over_old(*SESSIONS)
async def test_no_two_events_have_the_same_id_and_each_names_its_stream(client: SessionsClient) -> None:
    await client.open()
    streams = [ids_of(await streamed(client, tool)) for tool in ("chat", "count", "chat")]
    for name in ("one", "two"):
        await client.call("grow", {"kind": "tool", "name": name})
        await client.change()
    assert client.listening is not None
    streams.append(ids_of(client.listening.events))
    everything = [id_ for stream in streams for id_ in stream]
    assert len(everything) == len(set(everything)) == 4 + 5 + 4 + 3
    names = [{id_.rpartition(".")[0] for id_ in stream} for stream in streams]
    assert [len(name) for name in names] == [1] * 4
    assert len(set.union(*names)) == 4


@pytest.mark.spec("2025-11-25/basic/transports#resumability-and-redelivery", "own-stream")
@pytest.mark.spec("2025-11-25/basic/transports#listening-for-messages-from-the-server", "no-responses")
@each_revision
@over_old(*SESSIONS)
async def test_a_stream_that_is_taken_up_brings_its_own_rest_alone(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    arguments = {"steps": 2, "pause_s": 10}
    calls: list[Sent] = []
    for token in ("a", "b"):
        params = {"name": "slow_count", "arguments": arguments, "_meta": {"progressToken": token}}
        calls.append(await client.start("tools/call", params))
    first = calls[0]
    await client.next(first)
    await client.lose(first)
    await anyio.sleep(60)
    seen = len(first.events)
    await client.resume(first, ids_of(first.events)[-1])
    assert (await client.next(first))["params"]["progress"] == 2
    assert "result" in await client.next(first)
    assert all('"progressToken":"b"' not in (event.data or "") for event in first.events[seen:])
    assert len(first.events) == seen + 2


@pytest.mark.spec("2025-11-25/basic/transports#session-management", "visible-ascii", "unique")
@each_revision
@over_old(*SESSIONS)
async def test_a_session_s_id_is_visible_ascii_and_unlike_every_other(client: SessionsClient, revision: str) -> None:
    clients = [client.another() for _ in range(20)]
    for one in clients:
        await one.ask("initialize", {"protocolVersion": revision, "capabilities": {}})
    ids = {str(one.session_id) for one in clients}
    assert len(ids) == 20
    assert all(re.fullmatch(r"[\x21-\x7e]{64,1000}", id_) for id_ in ids)


@pytest.mark.spec("2025-11-25/basic/transports#session-management", "unique")
@over_old(*SESSIONS)
async def test_an_id_that_was_changed_opens_nothing(client: SessionsClient) -> None:
    await client.open()
    id_ = str(client.session_id)
    for guess in (f"{id_[:-1]}{'A' if id_[-1] != 'A' else 'B'}", id_[:-4], "guess", id_[::-1]):
        assert await status_of(client, "POST", mcp_session_id=guess) == 404


@pytest.mark.spec("2025-11-25/basic/transports#session-management", "missing")
@each_revision
@over_old(*SESSIONS)
async def test_a_request_without_the_id_gets_400(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    headers = {"mcp-session-id": None, "mcp-protocol-version": revision}
    await client.send({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)
    await client.next(client.sent[-1])
    assert client.exchanges[client.sent[-1]].response.status == 400
    assert await client.send(notification("notifications/roots/list_changed"), headers=headers) == 400


@pytest.mark.spec("2025-11-25/basic/transports#session-management", "ended")
@each_revision
@over_old(*SESSIONS)
async def test_a_session_that_was_ended_is_404_for_everything(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    assert await client.delete() == 200
    await client.settle()
    assert client.exchanges[client.listening].complete.is_set()
    for method in ("POST", "GET", "DELETE"):
        assert await status_of(client, method) == 404


@pytest.mark.spec("2025-11-25/basic/transports#protocol-version-header", "invalid")
@pytest.mark.parametrize("version", ["1.0", "2099-01-01", "2024-10-07", "latest", ""])
@over_old(*SESSIONS)
async def test_a_version_that_is_not_served_gets_400(client: SessionsClient, version: str) -> None:
    await client.open()
    assert await status_of(client, "POST", mcp_protocol_version=version) == 400
    assert (await client.ask("ping"))["result"] == {}


@pytest.mark.spec("2025-11-25/basic/transports#protocol-version-header", "absent")
@each_revision
@over_old(*SESSIONS)
async def test_without_the_header_the_session_says_its_version(client: SessionsClient, revision: str) -> None:
    await client.open(revision)
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    await client.send(request, headers={"mcp-protocol-version": None})
    tools = (await client.next(client.sent[-1]))["result"]["tools"]
    assert ("title" in tools[0]) == (revision >= "2025-06-18")
    assert ("icons" in tools[0]) == (revision >= "2025-11-25")


@pytest.mark.spec("2025-11-25/basic/transports#backwards-compatibility", "both")
@over_old(*SESSIONS)
async def test_http_sse_is_there_beside_the_endpoint(client: SessionsClient) -> None:
    await client.open()
    exchange = Exchange(headers={"accept": "text/event-stream"}, method="GET", path="/sse")
    exchange.upload(b"")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(exchange.run, client.app)
        first = await exchange.read()
        assert (first or b"").startswith(b"event: endpoint")
        exchange.disconnect()
    assert (await client.ask("ping"))["result"] == {}
