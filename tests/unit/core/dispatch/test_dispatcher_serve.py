"""How the dispatcher runs a handler: in a task or a thread, within its time, for as long as somebody waits for it."""

import json
import sys
from collections.abc import Callable, Generator
from typing import Any, Literal, cast

import anyio
import pytest
import trio
import trio.testing

from mcp_runtime import Context, PeerError, Plugin, TextContent, ToolError
from mcp_runtime.config import Limits
from mcp_runtime.core.calls.call import Call, Reply, Stream
from mcp_runtime.core.calls.rounds import InputNeeded
from tests.support.captured_log import Events, captured_log
from tests.support.dispatcher_client import Client, meta, text_of
from tests.support.dispatching import (
    INCIDENT,
    KINDS,
    SECRET,
    SERVER_INFO,
    error_of,
    make_plugin,
    raising,
    serving,
    serving_elsewhere,
    slow,
)
from tests.support.messages import PREFIX


@pytest.fixture
def client() -> Client:
    return Client(make_plugin())


@pytest.fixture
def log() -> Generator[Events]:
    with captured_log() as events:
        yield events


# How handlers run


async def test_tools_run_in_the_task_or_in_a_thread(client: Client) -> None:
    assert text_of(await client.tool("echo", value="x")) == "x"
    called = await client.request("tools/call", {"name": "echo_in_a_thread", "arguments": {"value": "x"}}, id="id-7")
    assert text_of(called) == "x id-7"


async def test_a_tool_call_may_leave_out_its_arguments() -> None:
    async def tool(value: str = "default") -> str:
        return value

    assert text_of(await serving(tool).request("tools/call", {"name": "tool"})) == "default"


@pytest.mark.spec("basic/patterns/subscriptions#graceful-closure")
@pytest.mark.parametrize("request_id", [1, "listen-1"])
async def test_listen_opens_a_stream_whose_end_answers_the_request(client: Client, request_id: int | str) -> None:
    client.runtime.subscriptions.start()
    call = client.call("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, id=request_id)
    answer = await client.dispatch(call)
    assert isinstance(answer, Stream)
    final = json.loads(answer.final)
    assert (final["id"], final["result"]["resultType"]) == (request_id, "complete")
    assert final["result"]["_meta"][PREFIX + "subscriptionId"] == request_id
    assert SERVER_INFO in final["result"]["_meta"]
    client.runtime.subscriptions.close()
    assert len([message async for message in answer.subscription.notifications()]) == 1


async def test_an_error_in_a_thread_is_an_incident_too() -> None:
    def tool() -> None:
        raise ValueError(SECRET)

    assert INCIDENT.fullmatch(text_of(await serving(tool).tool("tool")))


async def test_a_thread_that_exits_ends_its_call_and_not_the_server() -> None:
    def tool() -> None:
        sys.exit(3)

    assert INCIDENT.fullmatch(text_of(await serving(tool).tool("tool")))


async def test_events_say_which_call_they_are_about(log: Events) -> None:
    async def tool(ctx: Context) -> None:
        ctx.log.info("working", extra=1)

    trace = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
    own_meta = meta(clientInfo={"name": "c", "version": "1"}) | {"traceparent": trace}
    await serving(tool).request("tools/call", {"name": "tool", "_meta": own_meta}, id=9)
    (event,) = log()
    expected = {"event": "working", "extra": 1, "method": "tools/call", "request_id": 9, "client": "c/1"}
    assert expected | {"traceparent": trace} == {key: event.get(key) for key in [*expected, "traceparent"]}
    assert "tracestate" not in event


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_calls_are_served_under_any_loop(backend: Literal["trio", "asyncio"]) -> None:
    async def talk() -> None:
        client = Client(make_plugin())
        async with client.runtime.running():
            assert text_of(await client.tool("echo", value="x")) == "x"
            assert text_of(await client.tool("echo_in_a_thread", value="x")) == "x 1"
            assert text_of(await client.tool("echo")).startswith("Invalid arguments")

    anyio.run(talk, backend=backend)


async def test_content_of_a_tool_reaches_the_client_as_it_is() -> None:
    async def tool() -> list[TextContent]:
        return [TextContent("a"), TextContent("b")]

    found = await serving(tool).tool("tool")
    assert found["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert "structuredContent" not in found


async def test_an_interrupt_from_a_nursery_of_the_authors_ends_the_process_as_any_other_does() -> None:
    async def tool() -> None:
        raise BaseExceptionGroup("stopped", [KeyboardInterrupt()])

    with pytest.raises(KeyboardInterrupt):
        await serving(tool).reply("tools/call", {"name": "tool"})


async def test_a_cancellation_that_comes_back_in_a_group_is_a_cancellation(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def tool() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            raise BaseExceptionGroup("stopped", [cancelled]) from None

    assert text_of(await serving(tool).tool("tool")).startswith("Timed out after")


async def test_and_so_it_is_in_a_scope_of_the_transports_own(autojump_clock: trio.testing.MockClock) -> None:
    async def tool() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            raise BaseExceptionGroup("stopped", [cancelled]) from None

    client = serving(tool, limits=Limits(handler_timeout_s=5))
    call = client.call("tools/call", {"name": "tool"})
    answer: object = None
    with cast("trio.CancelScope", call.time.cutter):
        answer = await client.runtime.dispatcher.dispatch(call)
    assert answer is None
    reply = client.runtime.dispatcher.cut_off(call)
    assert isinstance(reply, Reply)
    assert text_of(json.loads(reply.body)["result"]) == "Timed out after 5 s"


# Time


@pytest.mark.parametrize(("seconds", "text"), [(4.9, "done"), (5.1, "Timed out after 5 s")])
async def test_a_tool_that_takes_too_long_is_timed_out(
    autojump_clock: trio.testing.MockClock, seconds: float, text: str
) -> None:
    client = serving(slow, limits=Limits(handler_timeout_s=5))
    began = trio.current_time()
    found = await client.tool("tool", seconds=seconds)
    assert text_of(found) == text
    assert found.get("isError", False) == (text != "done")
    assert trio.current_time() - began == pytest.approx(min(seconds, 5))


async def test_a_tool_may_have_a_time_of_its_own(autojump_clock: trio.testing.MockClock) -> None:
    plugin = Plugin("demo")
    plugin.add_tool(slow, timeout_s=0.25)
    client = Client(plugin, limits=Limits(handler_timeout_s=5))
    assert text_of(await client.tool("slow")) == "Timed out after 0.25 s"


@pytest.mark.parametrize(
    ("blocked_s", "text"), [(4.9, "done"), (5, "Timed out after 5 s"), (5.1, "Timed out after 5 s")]
)
async def test_a_handler_that_blocks_past_its_limit_is_timed_out_although_it_returns(
    mock_clock: trio.testing.MockClock, blocked_s: float, text: str
) -> None:
    async def tool() -> str:
        mock_clock.jump(blocked_s)  # No checkpoint: nothing could have stopped it.
        return "done"

    client = serving(tool, limits=Limits(handler_timeout_s=5))
    found = await client.tool("tool")
    assert (text_of(found), found.get("isError", False)) == (text, text != "done")
    assert client.runtime.dispatcher.at_work == 0


@KINDS
async def test_elsewhere_too_it_is_an_internal_error_to_block_past_the_limit(
    mock_clock: trio.testing.MockClock, kind: str
) -> None:
    async def handler() -> list[str] | str:
        mock_clock.jump(301)
        return ["done"] if kind == "completion" else "done"

    error = await error_of(*serving_elsewhere(kind, handler))
    assert (error.code, error.message) == (-32603, "Timed out after 300 s")


@KINDS
async def test_elsewhere_too_long_is_an_internal_error(autojump_clock: trio.testing.MockClock, kind: str) -> None:
    began = trio.current_time()
    error = await error_of(*serving_elsewhere(kind, slow_alone))
    assert (error.code, error.message) == (-32603, "Timed out after 300 s")
    assert trio.current_time() - began == pytest.approx(300)


async def slow_alone() -> None:
    await anyio.sleep_forever()


async def test_a_deadline_of_the_tools_own_is_no_timeout_of_the_call(autojump_clock: trio.testing.MockClock) -> None:
    async def tool() -> str:
        with anyio.move_on_after(1):
            await anyio.sleep_forever()
        return "moved on"

    assert text_of(await serving(tool).tool("tool")) == "moved on"


async def fails_while_it_stops() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        raise ValueError(SECRET)


async def exits_while_it_stops() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        sys.exit(3)


async def asks_while_it_stops() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        raise InputNeeded({})


async def fails_in_a_nursery_while_it_stops() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(anyio.sleep_forever)
        nursery.start_soon(fails_while_it_stops)


async def fails_in_nested_nurseries_while_it_stops() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fails_in_a_nursery_while_it_stops)
        nursery.start_soon(anyio.sleep_forever)


async def stops_slowly() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(3)


STOPPING = pytest.mark.parametrize(
    "tool",
    [
        fails_while_it_stops,
        exits_while_it_stops,
        fails_in_a_nursery_while_it_stops,
        fails_in_nested_nurseries_while_it_stops,
        stops_slowly,
    ],
    ids=lambda tool: tool.__name__,
)


@STOPPING
async def test_a_tool_that_fails_while_it_is_timed_out_is_answered(
    autojump_clock: trio.testing.MockClock, tool: Callable[..., Any]
) -> None:
    client = serving(tool, limits=Limits(handler_timeout_s=5))
    found = await client.tool("tool")
    assert found["isError"] is True
    assert SECRET not in json.dumps(found)
    assert client.runtime.dispatcher.at_work == 0


# Giving up


async def abandon(client: Client, call: Call) -> object:
    """What becomes of `call` when its client gives up on it while it waits."""
    answers: list[object] = []

    async def serve() -> None:
        answers.append(await client.dispatch(call))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            await trio.testing.wait_all_tasks_blocked()
            call.abandon()
    return answers[0]


@pytest.mark.spec("basic/patterns/cancellation#behavior-requirements")
async def test_an_abandoned_call_is_stopped_and_not_answered() -> None:
    stopped: list[bool] = []

    async def tool() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append(True)

    client = serving(tool)
    assert await abandon(client, client.call("tools/call", {"name": "tool"})) is None
    assert stopped == [True]
    assert client.runtime.dispatcher.at_work == 0


@pytest.mark.spec("basic/patterns/cancellation#behavior-requirements")
async def test_a_stream_that_is_abandoned_before_it_is_open_leaves_its_place(client: Client) -> None:
    """As on stdio, where a cancellation may be read before the request is begun."""
    client.runtime.subscriptions.start()
    call = client.call("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    call.abandoned = True
    assert await client.dispatch(call) is None
    assert len(client.runtime.subscriptions) == 0


@pytest.mark.spec("basic/patterns/cancellation#behavior-requirements")
@STOPPING
async def test_an_abandoned_call_is_not_answered_even_where_it_fails_as_it_stops(
    autojump_clock: trio.testing.MockClock, tool: Callable[..., Any]
) -> None:
    client = serving(tool)
    assert await abandon(client, client.call("tools/call", {"name": "tool"})) is None


@pytest.mark.spec("basic/patterns/cancellation#behavior-requirements")
@KINDS
@pytest.mark.parametrize(
    "stop", [fails_while_it_stops, exits_while_it_stops, asks_while_it_stops], ids=lambda stop: stop.__name__
)
async def test_elsewhere_an_abandoned_call_is_not_answered_either(kind: str, stop: Callable[..., Any]) -> None:
    client, method, params = serving_elsewhere(kind, stop)
    assert await abandon(client, client.call(method, params)) is None


@pytest.mark.parametrize("error", [ToolError("no"), PeerError(42, "no"), None], ids=repr)
async def test_a_call_that_cannot_be_stopped_is_not_answered_once_it_is_abandoned(error: Exception | None) -> None:
    async def tool() -> str:
        with anyio.CancelScope(shield=True):
            await trio.testing.wait_all_tasks_blocked()
            if error is not None:
                raise error
        return "done"

    client = serving(tool)
    call = client.call("tools/call", {"name": "tool"})
    call.abandon()
    with trio.fail_after(20):
        assert await client.dispatch(call) is None


@pytest.mark.spec("basic/patterns/cancellation#behavior-requirements")
async def test_an_abandoned_call_sends_no_notifications() -> None:
    async def tool(ctx: Context) -> None:
        await ctx.progress(1)
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await ctx.progress(2)
                await ctx.message("error", "stopped")

    client = serving(tool)
    params = {"name": "tool", "_meta": meta(logLevel="debug") | {"progressToken": "t"}}
    assert await abandon(client, client.call("tools/call", params)) is None
    assert [message["params"]["progress"] for message in client.notifications] == [1]


async def test_cancellation_from_outside_passes_through() -> None:
    client = serving(slow)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.tool, "tool")
            await trio.testing.wait_all_tasks_blocked()
            assert client.runtime.dispatcher.at_work == 1
            scope.cancel()
    assert scope.cancelled_caught
    assert client.runtime.dispatcher.at_work == 0


async def test_an_interrupt_passes_through() -> None:
    client = serving(raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        await client.tool("tool")
    assert client.runtime.dispatcher.at_work == 0
