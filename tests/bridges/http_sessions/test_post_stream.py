"""The answer to an old client's POST: JSON or a stream, signs of life, and connections that are let go on purpose."""

from typing import Any

import anyio
import pytest
from sse_starlette import ServerSentEvent

from mcp_bridges.http_sessions.post_stream import PostStream
from mcp_runtime import Context, Plugin
from mcp_runtime.core.calls.call import Reply
from mcp_runtime.transports.http.direct import Fields
from mcp_runtime.transports.http.exchange import HttpExchange
from tests.support.clocks import run
from tests.support.messages import accepted
from tests.support.raw_sessions import (
    LOOPS,
    NEWEST,
    SESSION_REVISIONS,
    OldServer,
    bridge_settings,
    served,
)

OLDER = tuple(revision for revision in SESSION_REVISIONS if revision != NEWEST)


def polling_plugin(journal: list[str]) -> Plugin[Any]:
    """Tools that let go of their connection."""
    plugin = Plugin("polling")

    @plugin.tool
    async def long(ctx: Context, pause_s: float = 10) -> str:
        """Begin, let go, work, report, finish."""
        await ctx.close_stream()
        journal.append("let go")
        await anyio.sleep(pause_s)
        await ctx.progress(1)
        await ctx.close_stream()
        return "finished"

    @plugin.tool
    async def report_then_let_go(ctx: Context) -> str:
        """Say something first."""
        await ctx.progress(1)
        await ctx.close_stream()
        await ctx.close_stream()
        await ctx.progress(2)
        return "finished"

    @plugin.tool
    async def ask_after(ctx: Context) -> str:
        """Let go, then ask."""
        await ctx.close_stream()
        answer = await ctx.elicit("Name?", {"type": "object", "properties": {"name": {"type": "string"}}}, key="name")
        return f"Hello, {answer.data['name']}!"

    @plugin.tool
    async def plain(seconds: float = 0) -> str:
        """Take a while."""
        await anyio.sleep(seconds)
        return "plain"

    return plugin


# JSON or a stream


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@served(bridge_settings(sessions={"retry_ms": 3000}))
async def test_only_clients_that_poll_are_primed(server: OldServer, revision: str) -> None:
    client = await server.client(revision)
    reply = await client.send(client.call("count", token=1))
    first, *others = reply.events
    assert (first.data == "", first.retry_ms) == ((True, 3000) if revision == NEWEST else (False, None))
    assert len(others) == (4 if revision == NEWEST else 3)
    assert all(event.data and event.id and event.retry_ms is None for event in others)
    assert all(event.name is None for event in reply.events)
    assert reply.header("cache-control") == "no-store"
    assert reply.header("x-accel-buffering") == "no"


@served()
async def test_answers_that_were_there_before_a_batch_became_a_stream_are_events_too(server: OldServer) -> None:
    client = await server.client("2025-03-26")
    first, second = client.call("echo", text="early"), client.call("count", token=1)
    reply = await client.send([first, second])
    answers = [message for message in reply.messages if "method" not in message]
    assert [answer["id"] for answer in answers] == [first["id"], second["id"]]
    assert reply.messages[-2:] == answers


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@served()
async def test_a_call_that_says_nothing_is_answered_in_plain_json(server: OldServer, revision: str) -> None:
    client = await server.client(revision)
    reply = await client.use("echo", text="hi")
    assert reply.header("content-type") == "application/json"
    assert reply.header("content-length") == str(len(reply.response.body))


# Signs of life


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@served(bridge_settings(http={"keep_alive_interval_s": 10.0}))
async def test_a_slow_call_gives_signs_of_life_and_then_its_answer(server: OldServer, revision: str) -> None:
    client = await server.client(revision)
    async with client.open(client.call("nap", seconds=35)) as napping:
        await anyio.sleep(9)
        assert not napping.exchange.started.is_set()
        reply = await napping.done()
        assert (reply.text, napping.reader.comments) == ("rested", 3)
    assert len(reply.events) == (2 if revision == NEWEST else 1)


@served(bridge_settings(http={"keep_alive_interval_s": 10.0}))
async def test_signs_of_life_go_on_while_a_client_thinks(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("greet")) as greeting:
        question = await greeting.next()
        await anyio.sleep(65)
        assert greeting.reader.comments == 6
        await client.answer(question, accepted(name="Ada"))
        assert (await greeting.done()).text == "Hello, Ada!"


# Letting go


@served(plugin=polling_plugin)
async def test_an_author_lets_go_and_the_client_comes_back_for_the_rest(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("long", id_="l", token=1)) as first:
        reply = await first.done()
    (primed,) = reply.events
    assert (reply.status, primed.data, primed.retry_ms) == (200, "", 1000)
    assert server.journal == ["let go"]
    async with client.listen(primed.id) as second:
        rest = await second.done()
    assert [message.get("id") for message in rest.messages] == [None, "l"]
    assert rest.text == "finished"


@served(plugin=polling_plugin)
async def test_what_is_said_after_letting_go_is_on_no_other_connection(server: OldServer) -> None:
    client = await server.client()
    reply = await client.send(client.call("report_then_let_go", token=1))
    assert [message["params"]["progress"] for message in reply.messages] == [1]
    rest = await client.rest(reply.events[-1].id or "")
    assert rest.messages[0]["params"]["progress"] == 2
    assert rest.text == "finished"


@served(plugin=polling_plugin)
async def test_a_question_waits_on_the_log_for_the_client_that_was_let_go(server: OldServer) -> None:
    client = await server.client()
    (primed,) = (await client.send(client.call("ask_after"))).events
    async with client.listen(primed.id) as again:
        question = await again.next()
        await client.answer(question, accepted(name="Ada"))
        reply = await again.done()
    assert reply.text == "Hello, Ada!"


@pytest.mark.parametrize("revision", OLDER)
@served(plugin=polling_plugin)
async def test_clients_that_would_not_come_back_are_not_let_go(server: OldServer, revision: str) -> None:
    client = await server.client(revision)
    reply = await client.send(client.call("long", token=1))
    assert (len(reply.messages), reply.text) == (2, "finished")


@served(bridge_settings(sessions={"replay_max_events": 0}), plugin=polling_plugin)
async def test_where_nothing_is_kept_nobody_is_let_go(server: OldServer) -> None:
    client = await server.client()
    assert (await client.send(client.call("long", token=1))).text == "finished"


@pytest.mark.parametrize("gone", ["silent", "raises"])
@served(plugin=polling_plugin)
async def test_letting_go_of_a_client_that_has_left_already_fails_nothing(server: OldServer, gone: Any) -> None:
    client = await server.client()
    async with client.open(client.call("plain", id_=1), gone=gone) as first:
        await first.done()
    async with client.open(client.call("report_then_let_go", token=1), gone=gone, window=0) as opened:
        primed = await opened.event()
        opened.leave()
        await opened.exchange.returned.wait()
    rest = await client.rest(primed.id or "")
    assert [message.get("params", {}).get("progress") for message in rest.messages] == [1, 2, None]
    assert rest.text == "finished"


@served(bridge_settings(sessions={"close_stream_after_s": 5.0}), plugin=polling_plugin)
async def test_the_operator_has_long_calls_let_go(server: OldServer) -> None:
    client = await server.client()
    began = anyio.current_time()
    reply = await client.use("plain", seconds=60)
    assert 5 <= anyio.current_time() - began < 6
    (primed,) = reply.events
    assert (primed.data, primed.retry_ms) == ("", 1000)
    assert (await client.rest(primed.id or "")).text == "plain"
    assert anyio.current_time() - began == pytest.approx(60)


@served(bridge_settings(sessions={"close_stream_after_s": 5.0}), plugin=polling_plugin)
async def test_calls_that_end_sooner_are_not_let_go(server: OldServer) -> None:
    client = await server.client()
    assert (await client.use("plain", seconds=4.9)).header("content-type") == "application/json"


@pytest.mark.parametrize("revision", OLDER)
@served(
    bridge_settings(sessions={"close_stream_after_s": 5.0}, http={"keep_alive_interval_s": 15.0}), plugin=polling_plugin
)
async def test_older_clients_are_held_on_to_whatever_the_operator_says(server: OldServer, revision: str) -> None:
    client = await server.client(revision)
    assert (await client.use("plain", seconds=60)).text == "plain"


# The parts alone


class Sent:
    """What an application sends; raises OSError once `broken`."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.broken = False
        self.held: anyio.Event | None = None

    async def __call__(self, message: Any) -> None:
        if self.held is not None:
            await self.held.wait()
        if self.broken:
            raise OSError("gone")
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def is_complete(self) -> bool:
        return bool(self.messages) and not self.messages[-1].get("more_body", False)


async def never(_: HttpExchange) -> None:
    raise AssertionError("nothing was lent")


def exchange_of(sent: Sent, answer_headers: Fields = ()) -> HttpExchange:
    """A POST whose answer is sent to `sent`."""
    return HttpExchange(
        scope={"type": "http", "method": "POST"},
        incoming=None,
        send=sent,
        request_headers={},
        answer_headers=answer_headers,
        stopped=never,
    )


@pytest.mark.parametrize("loop", LOOPS)
def test_a_stream_may_be_nothing_but_its_end(loop: Any) -> None:
    async def test() -> None:
        sent = Sent()
        await exchange_of(sent, ((b"x-own", b"1"),)).open_stream().end()
        start, body = sent.messages
        assert (start["status"], body) == (200, {"type": "http.response.body", "body": b""})
        assert (b"content-type", b"text/event-stream; charset=utf-8") in start["headers"]
        assert (b"x-own", b"1") in start["headers"]

    run(loop, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_nothing_is_sent_after_the_end_of_a_stream(loop: Any) -> None:
    async def test() -> None:
        sent = Sent()
        response = exchange_of(sent).open_stream()
        await response.send(b"1")
        await response.end(b"2")
        for _ in range(2):
            await response.send(b"3")
            await response.end(b"4")
        assert (sent.body, sent.is_complete) == (b"12", True)

    run(loop, test)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_that_left_is_no_trouble_to_whoever_ends_its_stream(loop: Any, begun: bool) -> None:
    async def test() -> None:
        sent = Sent()
        response = exchange_of(sent).open_stream()
        if begun:
            await response.send(b"1")
        sent.broken = True
        await response.end(b"2")
        await response.send(b"3")
        await response.end(b"4")
        assert sent.body == (b"1" if begun else b"")

    run(loop, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_after_a_torn_event_all_that_is_left_is_to_hang_up(loop: Any) -> None:
    async def test() -> None:
        sent = Sent()
        exchange = exchange_of(sent)
        response = exchange.open_stream()
        await response.send(b"1")
        sent.held = anyio.Event()
        with anyio.move_on_after(1):
            await response.send(b"torn")
        sent.held = None
        await response.send(b"2")
        await response.end(b"3")
        await exchange.finish(Reply(body=b"4"))
        assert (sent.body, sent.is_complete) == (b"1", False)

    run(loop, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_end_waits_for_the_event_that_is_on_its_way(loop: Any) -> None:
    async def test() -> None:
        sent = Sent()
        response = exchange_of(sent).open_stream()
        sent.held = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(response.send, b"1")
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(response.send, b"waits, and comes too late")
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(response.end, b"2")
            await anyio.wait_all_tasks_blocked()
            sent.held.set()
        assert (sent.body, sent.is_complete) == (b"12", True)

    run(loop, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_end_that_finds_a_torn_event_adds_nothing(loop: Any) -> None:
    async def test() -> None:
        sent = Sent()
        response = exchange_of(sent).open_stream()
        sent.held = anyio.Event()
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:

                async def cut() -> None:
                    await anyio.wait_all_tasks_blocked()
                    tasks.start_soon(response.end, b"2")
                    await anyio.wait_all_tasks_blocked()
                    scope.cancel()

                tasks.start_soon(cut)
                await response.send(b"torn")
            sent.held.set()
        assert sent.messages == []

    run(loop, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_without_a_log_messages_are_plain_events(loop: Any) -> None:
    async def test() -> None:
        sent = Sent()
        stream = PostStream(exchange_of(sent), None, retry_ms=1000, let_go_after_s=0)
        assert not stream.can_let_go
        await stream.let_go()
        await stream.keep_alive()
        await stream.notify(b'{"a":1}')
        await stream.finish([], None)
        events = [ServerSentEvent(comment="keep-alive").encode(), ServerSentEvent(data='{"a":1}').encode()]
        assert (sent.body, sent.is_complete) == (b"".join(events), True)

    run(loop, test)
