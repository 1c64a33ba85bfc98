"""What one client may have of the dispatcher: completions a minute, and its share of requests and subscriptions."""

import re

import anyio

from mcp_runtime.config import Limits
from mcp_runtime.core.calls.call import Answer, Stream
from tests.support.dispatcher_client import Client
from tests.support.dispatching import completion, error_of, make_plugin, serving, slow


async def test_completions_of_one_client_are_counted_too() -> None:
    limited = Client(make_plugin(), limits=Limits(completions_per_minute=2, tool_calls_per_minute=1))
    params = completion("review")
    for _ in range(2):
        assert await limited.request("completion/complete", params, peer="203.0.113.7")
    error = await error_of(limited, "completion/complete", params, peer="203.0.113.7")
    assert (error.status, error.reply.retry_after_s) == (429, 30)
    assert re.fullmatch(r"Too many completions; try again in 30 s", error.message)
    for peer in (*["127.0.0.1"] * 3, None, "203.0.113.8"):
        assert await limited.request("completion/complete", params, peer=peer)


async def test_one_client_gets_its_share_of_the_subscriptions_and_others_the_rest() -> None:
    limited = Client(make_plugin(), limits=Limits(max_subscriptions=4))

    async def open_as(peer: str) -> Answer | None:
        return await limited.dispatch(limited.call("subscriptions/listen", {"notifications": {}}, peer=peer))

    held = [await open_as("2001:db8::1"), await open_as("2001:db8::2")]
    error = await error_of(limited, "subscriptions/listen", {"notifications": {}}, peer="2001:db8::3")
    assert (error.status, error.reply.retry_after_s) == (429, 5)
    assert error.message == "This client has its share of the server's subscriptions open, 2 now"
    held += [await open_as("203.0.113.7"), await open_as("203.0.113.8")]
    error = await error_of(limited, "subscriptions/listen", {"notifications": {}}, peer="203.0.113.9")
    assert (error.status, error.message) == (503, "The server has its 4 subscriptions open; try again later")
    for answer in held:
        assert isinstance(answer, Stream)
        answer.subscription.leave()
        answer.subscription.leave()  # Harmless to repeat.
    assert isinstance(await open_as("203.0.113.7"), Stream)


async def test_one_client_gets_its_share_of_the_requests_at_work() -> None:
    limited = serving(slow, limits=Limits(max_concurrent_requests=4))
    async with anyio.create_task_group() as tasks:
        for number in range(2):
            tasks.start_soon(
                limited.dispatch, limited.call("tools/call", {"name": "tool"}, id=number, principal="greedy")
            )
        await anyio.wait_all_tasks_blocked()
        error = await error_of(limited, "tools/list", {}, principal="greedy")
        assert (error.status, error.reply.retry_after_s) == (429, 1)
        assert error.message == "This client has its share of the server's requests at work, 2 now; try again"
        for who in ({"principal": "other"}, {"peer": "203.0.113.7"}, {}):
            assert (await limited.request("tools/list", {}, **who))["tools"]
        tasks.cancel_scope.cancel()
    assert limited.runtime.dispatcher.at_work == 0
