"""What goes out over HTTP: JSON or a stream, signs of life, slow readers, and readers that leave."""

from typing import Any

import anyio
import pytest
import trio
import trio.testing

from mcp_runtime import Context, Plugin
from tests.support.asgi import Gone
from tests.support.http_client import HttpClient, HttpOpened
from tests.support.messages import LOG_LEVEL, Message, request
from tests.support.settings import settings
from tests.support.wires import HTTP, over


def call(tool: str, *, id: Any = 1, token: Any = "t", **arguments: Any) -> Message:
    """A tools/call that wants to hear of progress."""
    params = {"name": tool, "arguments": arguments}
    return request("tools/call", params, id=id, extra_meta={} if token is None else {"progressToken": token})


def busy_plugin(journal: list[str]) -> Plugin[Any]:
    """Tools that take time without waiting, and tools that say much."""
    plugin = Plugin("busy")

    @plugin.tool(timeout_s=5)
    async def block_then_report(ctx: Context) -> str:
        """Spend the whole time limit without a checkpoint, then report for the first time."""
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(60)
        await ctx.progress(1)
        return "late"

    @plugin.tool
    async def flood(ctx: Context, count: int = 1000, size: int = 1000) -> str:
        """Report much more than anybody reads."""
        for number in range(1, count + 1):
            await ctx.progress(number, message="x" * size)
            journal.append(str(number))
        return "flooded"

    @plugin.tool
    async def many(ctx: Context) -> str:
        """Report from several tasks at once."""

        async def report(number: int) -> None:
            await ctx.message("info", number)

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(report, number)
        return "reported"

    @plugin.tool
    async def many_in_turn(ctx: Context) -> str:
        """Report from several tasks, one after the other."""

        async def report(number: int) -> None:
            await anyio.sleep(number)
            await ctx.message("info", number)

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(report, number)
        return "reported"

    return plugin


@over(*HTTP)
async def test_an_answer_without_notifications_is_one_json_body(client: HttpClient) -> None:
    async with client.exchange(call("count", token=None)) as exchange:
        response = await exchange.read_all()
    assert response.header("content-type") == "application/json"
    assert response.header("content-length") == str(len(response.body))
    assert b"\n" not in response.body  # some clients read any body line by line


@over(*HTTP)
async def test_the_first_notification_makes_a_stream_and_is_sent_at_once(client: HttpClient) -> None:
    async with client.open(call("slow_count", pause_s=50)) as opened:
        began = anyio.current_time()
        assert (await opened.next())["params"]["progress"] == 1
        assert anyio.current_time() == began
        assert opened.exchange.response.status == 200
        assert (opened.exchange.response.header("content-type") or "").startswith("text/event-stream")
        assert opened.exchange.response.header("cache-control") == "no-store"
        assert opened.exchange.response.header("content-length") is None
        assert (await opened.answer()).text == "counted"


@over(*HTTP)
async def test_an_error_after_a_notification_is_the_last_event(client: HttpClient) -> None:
    answer = await client.call("ask_late", capabilities={}, extra_meta={"progressToken": 1})
    assert len(answer.notifications) == 1
    assert (answer.error["code"], answer.status) == (-32021, 200)


@over(*HTTP, config=settings(http={"keep_alive_interval_s": 10.0, "watch_after_s": 0.25}))
async def test_a_slow_call_gets_signs_of_life_and_then_its_answer(client: HttpClient) -> None:
    async with client.open(call("nap", seconds=25)) as opened:
        await anyio.sleep(9)
        assert not opened.exchange.started.is_set()
        await anyio.sleep(2)
        assert (opened.exchange.response.header("content-type") or "").startswith("text/event-stream")
        assert (await opened.answer()).text == "rested"
        assert opened.events.comments == 2


@over(*HTTP, config=settings(http={"keep_alive_interval_s": 10.0}))
async def test_a_call_that_ends_before_the_first_sign_of_life_is_plain_json(client: HttpClient) -> None:
    assert (await client.call("nap", {"seconds": 9})).headers["content-type"] == "application/json"


@over(*HTTP, config=settings(http={"keep_alive_interval_s": 10.0}))
async def test_a_stream_that_talks_by_itself_still_ends_with_its_answer(client: HttpClient) -> None:
    answer = await client.call("slow_count", {"steps": 10, "pause_s": 7}, extra_meta={"progressToken": 1})
    assert [message["params"]["progress"] for message in answer.notifications] == list(range(1, 11))
    assert answer.text == "counted"


@over("http-trio", plugin=busy_plugin)
async def test_a_call_whose_time_is_up_before_its_first_notification_is_answered_properly(client: HttpClient) -> None:
    answer = await client.call("block_then_report", extra_meta={"progressToken": 1})
    assert answer.result["isError"]
    assert "5 s" in answer.text


@over(*HTTP, plugin=busy_plugin)
async def test_notifications_of_several_tasks_never_tear_each_other(client: HttpClient) -> None:
    answer = await client.call("many", extra_meta={LOG_LEVEL: "info"})
    assert sorted(message["params"]["data"] for message in answer.notifications) == list(range(20))


@over(*HTTP, plugin=busy_plugin)
async def test_notifications_of_several_tasks_all_arrive_however_slow_the_reader_is(client: HttpClient) -> None:
    params = {"name": "many_in_turn", "arguments": {}}
    async with client.exchange(request("tools/call", params, extra_meta={LOG_LEVEL: "info"}), window=0) as exchange:
        await anyio.sleep(100)  # one is on its way, the others wait behind it
        response = await exchange.read_all()
    assert response.body.count(b"notifications/message") == 20


@over(*HTTP, plugin=busy_plugin)
async def test_a_reader_that_stalls_makes_the_handler_wait(client: HttpClient) -> None:
    async with client.exchange(call("flood"), window=2) as exchange:
        await anyio.sleep(1)
        assert exchange.waiting_to_send
        assert len(client.journal) <= 3
        assert await exchange.read() is not None
        await anyio.sleep(1)
        assert len(client.journal) <= 4
        response = await exchange.read_all()
    assert b"flooded" in response.body
    assert len(client.journal) == 1000


@over(*HTTP, plugin=busy_plugin, config=settings(limits={"handler_timeout_s": 30.0}))
async def test_a_reader_that_stalls_for_good_is_not_waited_for_beyond_the_time_limit(client: HttpClient) -> None:
    began = anyio.current_time()
    async with client.exchange(call("flood"), window=2) as exchange:
        await exchange.returned.wait()
        assert anyio.current_time() - began == pytest.approx(30, abs=1)
        assert not exchange.complete.is_set()  # what was half sent cannot be ended well: the connection is
    await client.call("flood", {"count": 1})


@over(*HTTP, plugin=busy_plugin)
async def test_a_reader_that_stalls_and_leaves_cancels_the_call(client: HttpClient) -> None:
    async with client.exchange(call("flood"), window=2) as exchange:
        await anyio.sleep(10)
        exchange.disconnect()
        with anyio.fail_after(1):
            await exchange.returned.wait()
    assert len(client.journal) < 10
    assert client.runtime.dispatcher.at_work == 0


@pytest.mark.parametrize("gone", ["silent", "raises"])
@pytest.mark.parametrize("moment_s", [0, 0.1, 0.3, 5, 12])
@over(*HTTP, config=settings(http={"keep_alive_interval_s": 10.0}))
async def test_a_client_that_leaves_at_any_moment_ends_its_call_within_a_second(
    client: HttpClient, gone: Gone, moment_s: float
) -> None:
    async with client.exchange(call("nap"), gone=gone) as exchange:
        await anyio.sleep(moment_s)
        exchange.disconnect()
        with anyio.fail_after(1):
            await exchange.returned.wait()
    assert exchange.after_left == []
    assert client.journal[-1] in {"nap cancelled", "started"}
    await client.ask("server/discover")


@pytest.mark.parametrize("gone", ["silent", "raises"])
@over(*HTTP, config=settings(http={"keep_alive_interval_s": 10.0, "watch_after_s": 100_000.0}))
async def test_a_send_that_fails_ends_its_own_call_and_no_other(client: HttpClient, gone: Gone) -> None:
    async with client.open(call("nap", id="other", seconds=200)) as other:
        async with client.exchange(call("slow_count", pause_s=2), gone=gone) as exchange:
            assert await exchange.read() is not None
            exchange.disconnect()
            await exchange.returned.wait()
        assert (await other.answer()).text == "rested"


@pytest.mark.parametrize("gone", ["silent", "raises"])
@over(*HTTP, config=settings(http={"keep_alive_interval_s": 10.0}))
async def test_a_listener_that_leaves_is_forgotten(client: HttpClient, gone: Gone) -> None:
    listen = request("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    async with client.exchange(listen, gone=gone) as exchange:
        assert await exchange.read() is not None
        assert len(client.runtime.subscriptions) == 1
        exchange.disconnect()
        await exchange.returned.wait()
        assert len(client.runtime.subscriptions) == 0
    await client.call("grow", {"kind": "tool", "name": "later"})


@over(*HTTP)
async def test_a_listener_that_stalls_costs_one_entry_for_each_thing_it_subscribed_to(client: HttpClient) -> None:
    listen = request("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["a:1", "a:2"]}})
    async with client.exchange(listen, window=0) as exchange:
        await exchange.started.wait()
        for _ in range(200):
            for uri in ("a:1", "a:2", "a:3"):
                client.runtime.plugins[0].resource_updated(uri)
        (subscription,) = client.runtime.subscriptions._open
        assert len(subscription._pending) == 2
        exchange.disconnect()
        await exchange.returned.wait()


@over(*HTTP)
async def test_a_listener_that_stalls_delays_no_other_listener(client: HttpClient) -> None:
    listen = request("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, id="stalled")
    async with client.exchange(listen, window=0) as stalled:
        await stalled.started.wait()
        async with client.listen(toolsListChanged=True) as stream:
            await stream.next()
            await client.call("grow", {"kind": "tool", "name": "later"})
            assert (await stream.next())["method"] == "notifications/tools/list_changed"


@over(*HTTP)
async def test_listen_streams_end_with_their_result_when_the_server_stops(client: HttpClient) -> None:
    async with (
        client.listen(id="one", toolsListChanged=True) as one,
        client.listen(id="two", promptsListChanged=True) as two,
    ):
        await one.next()
        await two.next()
        client.runtime.subscriptions.close()
        for stream in (one, two):
            assert isinstance(stream, HttpOpened)
            assert (await stream.answer()).result["resultType"] == "complete"
            await stream.exchange.returned.wait()
    assert len(client.runtime.subscriptions) == 0


@over(*HTTP)
async def test_no_response_names_a_header_that_http_2_forbids(client: HttpClient) -> None:
    async with client.listen(toolsListChanged=True) as stream:
        await stream.next()
        assert isinstance(stream, HttpOpened)
        listening = stream.exchange.response
    async with client.exchange(call("count")) as exchange:
        counting = await exchange.read_all()
    for response in (listening, counting):
        names = [key for key, _ in response.headers]
        assert not {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"} & set(names)
        assert len(names) == len(set(names))


@over(*HTTP, config=settings(limits={"max_concurrent_requests": 2}))
async def test_requests_beyond_the_limit_are_told_to_come_back(client: HttpClient) -> None:
    async with client.open(call("nap", id=1, seconds=50)) as one, client.open(call("nap", id=2, seconds=60)) as two:
        await client.settle()
        refused = await client.ask("tools/list")
        refused.refused(-32603, 503)
        assert refused.headers["retry-after"] == "1"
        assert (await one.answer()).text == "rested"
        assert (await client.ask("tools/list")).status == 200
        assert (await two.answer()).text == "rested"


@over(*HTTP, config=settings(limits={"max_concurrent_requests": 2}))
async def test_open_subscriptions_take_nobody_s_place(client: HttpClient) -> None:
    async with client.listen(toolsListChanged=True) as a, client.listen(toolsListChanged=True) as b:
        await a.next()
        await b.next()
        assert (await client.ask("tools/list")).status == 200


def slow_resource_plugin(_: list[str]) -> Plugin[Any]:
    plugin: Plugin[Any] = Plugin("slow")

    @plugin.resource("slow://resource")
    async def slow() -> str:
        """Take longer than anybody waits."""
        await anyio.sleep(60)
        return "at last"

    return plugin


@over(*HTTP, plugin=slow_resource_plugin, config=settings(limits={"handler_timeout_s": 2.0}))
async def test_what_is_no_tool_and_takes_too_long_is_answered_with_an_error(client: HttpClient) -> None:
    error = (await client.ask("resources/read", {"uri": "slow://resource"})).refused(-32603, 200)
    assert error["message"] == "Timed out after 2 s"
