"""Cancellation. Rule: each test shows a demand of 2026-07-28/basic/patterns/cancellation."""

from typing import Any

import anyio
import pytest

from tests.support.clients import Client
from tests.support.http_client import HttpClient
from tests.support.messages import Message, notification, request
from tests.support.settings import settings
from tests.support.stdio_client import StdioClient
from tests.support.wires import EVERY_WIRE, HTTP, over

NAP = {"name": "nap", "arguments": {}}


def cancel(id_: Any, **more: Any) -> Message:
    """The notification that gives up on a request."""
    return notification("notifications/cancelled", {"requestId": id_, **more})


@pytest.mark.spec("basic/patterns/cancellation#top", "announced-teardown")
@pytest.mark.spec("basic/patterns/cancellation#behavior-requirements", "references-a-listen")
@pytest.mark.parametrize("id_", [5, "five"])
@over("stdio")
async def test_on_stdio_the_server_announces_that_it_ends_a_subscription(client: StdioClient, id_: Any) -> None:
    async with client.listen(id=id_, toolsListChanged=True) as stream:
        await stream.next()
        before = len(client.lines)
        client.runtime.subscriptions.close()
        await client.settle()
        announced = [line for line in client.lines[before:] if line.get("method") == "notifications/cancelled"]
        assert [line["params"]["requestId"] for line in announced] == [id_]
        assert type(announced[0]["params"]["requestId"]) is type(id_)
        # Clients take the first of the two for the way it ended: the graceful one has to be the first.
        assert "result" in client.lines[before]


@pytest.mark.spec("basic/patterns/cancellation#top", "announced-teardown")
@over("stdio")
async def test_the_end_of_input_ends_subscriptions_with_both_words(client: StdioClient) -> None:
    async with client.listen(id="s", toolsListChanged=True) as stream:
        await stream.next()
        await client.end_input()
        await client.ended.wait()
        assert [line.get("method", "response") for line in client.lines[-2:]] == ["response", "notifications/cancelled"]


@pytest.mark.spec("basic/patterns/cancellation#top", "nothing-else-cancelled")
@over(*EVERY_WIRE, config=settings(limits={"handler_timeout_s": 10.0}))
async def test_nothing_else_is_ever_cancelled_by_the_server(client: Client) -> None:
    answers = [await client.call("hang"), await client.call("nap"), await client.call("crash")]
    assert all(answer.notifications == [] for answer in answers)
    async with client.open(request("tools/call", NAP)) as opened:
        await opened.cancel()
        await client.settle()
        assert opened.arrived() == []
    if isinstance(client, StdioClient):
        assert [line for line in client.lines if line.get("method") == "notifications/cancelled"] == []


@pytest.mark.spec("basic/patterns/cancellation#transport-specific-cancellation", "disconnect")
@pytest.mark.parametrize("gone", ["silent", "raises"])
@over(*HTTP)
async def test_over_http_a_disconnect_cancels(client: HttpClient, gone: Any) -> None:
    async with client.exchange(request("tools/call", NAP), gone=gone) as exchange:
        await anyio.sleep(100)
        exchange.disconnect()
        with anyio.fail_after(1):
            await exchange.returned.wait()
    assert client.journal[1:] == ["nap began", "nap cancelled"]
    assert exchange.after_left == []
    await client.ask("server/discover")


@pytest.mark.spec("basic/patterns/cancellation#transport-specific-cancellation", "disconnect")
@over(*HTTP)
async def test_over_http_a_disconnect_before_the_watch_began_cancels_too(client: HttpClient) -> None:
    async with client.exchange(request("tools/call", NAP)) as exchange:
        exchange.disconnect()
        with anyio.fail_after(1):
            await exchange.returned.wait()
    assert "nap ended" not in client.journal


@pytest.mark.spec("basic/patterns/cancellation#transport-specific-cancellation", "disconnect")
@over(*HTTP)
async def test_over_http_a_cancelled_notification_cancels_nothing(client: HttpClient) -> None:
    """Anybody could post one with any id: only the connection itself says whose request it is."""
    nap = request("tools/call", {"name": "nap", "arguments": {"seconds": 10}}, id="mine")
    async with client.open(nap) as opened:
        await client.settle()
        assert (await client.tell(cancel("mine"))).status == 202
        assert (await opened.answer()).text == "rested"


@pytest.mark.spec("basic/patterns/cancellation#behavior-requirements", "stop-and-free")
@over(*EVERY_WIRE, config=settings(limits={"max_concurrent_requests": 1}))
async def test_a_cancelled_request_frees_its_place(client: Client) -> None:
    for _ in range(3):
        async with client.open(request("tools/call", NAP)) as opened:
            await anyio.sleep(1)
            (await client.ask("server/discover")).refused(-32603, 503)
            await opened.cancel()
            await anyio.sleep(1)
            assert opened.arrived() == []
        assert (await client.ask("server/discover")).result


@pytest.mark.spec("basic/patterns/cancellation#timing-considerations", "races")
@over("stdio")
async def test_a_cancellation_that_comes_too_late_or_twice_disturbs_nothing(client: StdioClient) -> None:
    await client.send(request("server/discover", id="done"))
    assert (await client.tell(cancel("done"))).messages == []
    async with client.open(request("tools/call", NAP, id="nap")) as opened:
        await client.settle()
        await opened.cancel()
        await opened.cancel()
        await client.settle()
        assert (await client.tell(cancel("nap"))).messages == []
    assert client.journal.count("nap cancelled") == 1
    assert (await client.send(request("server/discover", id="nap"))).result


@pytest.mark.spec("basic/patterns/cancellation#timing-considerations", "races")
@over("stdio")
async def test_request_and_cancellation_may_come_in_one_breath(client: StdioClient) -> None:
    from tests.support.messages import encode

    for tool in ("nap", "nothing", "greet"):
        call = request("tools/call", {"name": tool, "arguments": {}}, id="quick")
        reply = await client.raw(encode(call) + b"\n" + encode(cancel("quick")))
        assert len(reply.messages) <= 1  # an answer that was on its way, or none
    await client.ask("server/discover")


@pytest.mark.spec("basic/patterns/cancellation#error-handling", "invalid")
@pytest.mark.parametrize(
    "params",
    [
        {"requestId": "unknown"},
        {"requestId": 404},
        {"requestId": None},
        {"requestId": 1.5},
        {"requestId": {"id": 1}},
        {"requestId": "nap", "reason": 7},
        {},
        [],
        None,
        "nap",
    ],
)
@over("stdio")
async def test_invalid_cancellations_are_ignored(client: StdioClient, params: Any) -> None:
    nap = request("tools/call", {"name": "nap", "arguments": {"seconds": 5}}, id="nap")
    async with client.open(nap) as opened:
        await client.settle()
        reply = await client.tell({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        assert reply.messages == []
        assert (await opened.answer()).text == "rested"


@pytest.mark.spec("basic/patterns/cancellation#error-handling", "invalid")
@over("stdio")
async def test_an_id_of_another_type_names_another_request(client: StdioClient) -> None:
    async with client.open(request("tools/call", {"name": "nap", "arguments": {"seconds": 5}}, id=1)) as opened:
        await client.settle()
        await client.tell(cancel("1"))
        assert (await opened.answer()).text == "rested"


@pytest.mark.spec("basic/patterns/cancellation#timeouts", "maximum")
@over(*EVERY_WIRE, config=settings(limits={"handler_timeout_s": 30.0}))
async def test_a_call_that_runs_too_long_is_ended_progress_or_not(client: Client) -> None:
    began = anyio.current_time()
    answer = await client.call("slow_count", {"steps": 1000}, extra_meta={"progressToken": 1})
    assert anyio.current_time() - began == pytest.approx(30, abs=1)
    assert answer.result["isError"]
    assert "30" in answer.text
    assert 28 <= len(answer.notifications) <= 31
    began = anyio.current_time()
    assert (await client.call("hang")).result["isError"]  # a tool with a limit of its own: 5 s
    assert anyio.current_time() - began == pytest.approx(5, abs=1)
