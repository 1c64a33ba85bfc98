"""Requests within an old conversation: many at once, cancelled, refused, unread. Rule: one answer each, or none."""

import json
from typing import Any

import pytest

from mcp_runtime import Context, Plugin
from tests.support.fixture_plugin import SECRET
from tests.support.legacy_messages import REVISIONS, cancelled, old, opening, text_of
from tests.support.messages import notification
from tests.support.raw_wires import SSE, RawWireClient, over_old_wires
from tests.support.settings import settings


@pytest.mark.parametrize("revision", REVISIONS)
@over_old_wires()
async def test_everything_there_is_to_ask_for_is_answered(client: RawWireClient, revision: str) -> None:
    await client.open(revision)
    asked: list[tuple[str, dict[str, Any] | None, str]] = [
        ("tools/list", None, "tools"),
        ("tools/call", {"name": "echo", "arguments": {"text": "hello"}}, "content"),
        ("resources/list", {}, "resources"),
        ("resources/templates/list", None, "resourceTemplates"),
        ("resources/read", {"uri": "note://text"}, "contents"),
        ("prompts/list", None, "prompts"),
        ("prompts/get", {"name": "plain"}, "messages"),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "language", "value": "p"}},
            "completion",
        ),
    ]
    for method, params, member in asked:
        found = (await client.ask(method, params))["result"]
        assert member in found
        assert not {"resultType", "ttlMs", "cacheScope"} & set(found)
    assert (await client.ask("ping"))["result"] == {}


@over_old_wires()
async def test_unknown_methods_are_minus_32601(client: RawWireClient) -> None:
    await client.open()
    for method in ("no/such", "server/discover", "subscriptions/listen", "tasks/get", ""):
        assert (await client.ask(method))["error"] == {"code": -32601, "message": f"Method not found: {method}"}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", None),
        ("tools/call", {"name": 5}),
        ("tools/call", {"name": "no_such_tool"}),
        ("tools/list", {"cursor": "forged"}),
        ("prompts/get", {"name": "no_such_prompt"}),
        ("logging/setLevel", None),
        ("logging/setLevel", {"level": "loud"}),
        ("resources/subscribe", {}),
        ("resources/unsubscribe", {"uri": 5}),
        ("tools/call", {"name": "echo", "requestState": "forged", "inputResponses": {"a": 1}}),
        ("tools/call", {"name": "greet", "_meta": {"progressToken": [1]}}),
    ],
)
@over_old_wires()
async def test_params_that_are_wrong_are_minus_32602(client: RawWireClient, method: str, params: Any) -> None:
    await client.open()
    error = (await client.ask(method, params))["error"]
    assert error["code"] == -32602
    assert "$." not in error["message"]


@over_old_wires()
async def test_a_missing_resource_is_what_it_was_then(client: RawWireClient) -> None:
    await client.open()
    error = (await client.ask("resources/read", {"uri": "note://no-such"}))["error"]
    assert (error["code"], error["data"]) == (-32002, {"uri": "note://no-such"})


@over_old_wires()
async def test_what_a_handler_fails_with_stays_here(client: RawWireClient) -> None:
    await client.open()
    failed = await client.tool("crash")
    assert failed["result"]["isError"] is True
    assert (await client.ask("resources/read", {"uri": "note://crash"}))["error"]["code"] == -32603
    assert SECRET not in json.dumps(failed)
    assert text_of(await client.tool("echo", text="alive")) == "alive"


@over_old_wires()
async def test_calls_are_at_work_side_by_side(client: RawWireClient) -> None:
    await client.open()
    slow = await client.start_tool("nap", seconds=100)
    assert text_of(await client.tool("echo", text="quick")) == "quick"
    assert text_of(await client.response(slow)) == "rested"


@over_old_wires()
async def test_an_id_in_use_is_refused_and_free_again_afterwards(client: RawWireClient) -> None:
    await client.open()
    await client.start_tool("nap", id=5, seconds=10)
    await client.settle()
    for again in (old("tools/list", id=5), old("ping", id=5), opening(id=5)):
        await client.say(again)
        error = (await client.response(5))["error"]
        assert (error["code"], "still being served" in error["message"]) == (-32600, True)
    await client.start_tool("echo", id="5", text="another id")
    assert text_of(await client.response("5")) == "another id"
    assert text_of(await client.response(5)) == "rested"
    await client.start_tool("echo", id=5, text="free again")
    assert text_of(await client.response(5)) == "free again"


@over_old_wires(config=settings(limits={"max_concurrent_requests": 3}))
async def test_requests_are_bounded_at_the_exact_edge(client: RawWireClient) -> None:
    await client.open()
    naps = [await client.start_tool("nap", seconds=10) for _ in range(3)]
    await client.settle()
    error = (await client.ask("tools/list"))["error"]
    assert error == {"code": -32603, "message": "The server has its 3 requests at work; try again"}
    assert [text_of(await client.response(nap)) for nap in naps] == ["rested"] * 3
    assert "result" in await client.ask("tools/list")


@over_old_wires()
async def test_a_cancelled_call_stops_and_is_not_answered(client: RawWireClient) -> None:
    await client.open()
    await client.start_tool("nap", id="n", seconds=100)
    await client.settle()
    await client.say(cancelled("n"))
    assert await client.arrived() == []
    assert client.journal == ["started", "nap began", "nap cancelled"]
    await client.start_tool("echo", id="n", text="the id is free")
    assert text_of(await client.response("n")) == "the id is free"


@over_old_wires()
async def test_what_a_handler_says_after_its_cancellation_is_not_sent(client: RawWireClient) -> None:
    await client.open()
    await client.start("tools/call", {"name": "tidy", "arguments": {}, "_meta": {"progressToken": 1}}, id=1)
    await client.start_tool("stubborn", id=2)
    await client.settle()
    await client.say(cancelled(1), cancelled(2))
    assert await client.arrived() == []
    assert set(client.journal) == {"started", "tidied", "cancellation swallowed"}


@pytest.mark.parametrize("params", [{}, {"requestId": None}, {"requestId": [1]}, {"requestId": "other"}, [1], 5])
@over_old_wires()
async def test_cancelling_what_is_not_there_does_nothing(client: RawWireClient, params: Any) -> None:
    await client.open()
    nap = await client.start_tool("nap", seconds=5)
    await client.settle()
    await client.say({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
    await client.say(notification("notifications/cancelled", {"requestId": str(nap)}))
    assert text_of(await client.response(nap)) == "rested"


@over_old_wires()
async def test_a_cancellation_while_the_answer_is_written_comes_too_late(client: RawWireClient) -> None:
    await client.open()
    client.stall()
    for number in range(3):
        await client.start_tool("echo", id=number, text="said")
    await client.settle()
    await client.say(*(cancelled(number) for number in range(3)))
    client.resume()
    assert [text_of(await client.response(number)) for number in range(3)] == ["said"] * 3
    assert await client.arrived() == []


@over_old_wires()
async def test_progress_comes_ahead_of_the_answer(client: RawWireClient) -> None:
    await client.open()
    call = await client.start("tools/call", {"name": "count", "arguments": {}, "_meta": {"progressToken": "t"}})
    last = await client.response(call)
    ahead = await client.arrived()
    assert [message["params"]["progress"] for message in ahead] == [1, 2, 3]
    assert {message["params"]["progressToken"] for message in ahead} == {"t"}
    assert text_of(last) == "counted to 3"


@over_old_wires()
async def test_progress_to_the_oldest_clients_has_no_message(client: RawWireClient) -> None:
    await client.open("2024-11-05")
    await client.start("tools/call", {"name": "count", "arguments": {}, "_meta": {"progressToken": "t"}})
    assert await client.notified("notifications/progress") == {"progressToken": "t", "progress": 1, "total": 3}


@pytest.mark.parametrize("revision", REVISIONS)
@over_old_wires()
async def test_log_messages_begin_at_the_level_that_was_set(client: RawWireClient, revision: str) -> None:
    async def levels() -> list[str]:
        await client.tool("chat")
        return [message["params"]["level"] for message in await client.arrived()]

    await client.open(revision)
    assert await levels() == ["info", "error"]
    for level, expected in (("debug", 3), ("warning", 1), ("emergency", 0)):
        assert (await client.ask("logging/setLevel", {"level": level}))["result"] == {}
        assert len(await levels()) == expected
    assert (await client.ask("logging/setLevel", {"level": "loud"}))["error"]["code"] == -32602
    assert await levels() == []


def chatty(journal: list[str]) -> Plugin[Any]:
    """A tool that notes how far it was heard."""
    plugin = Plugin("chatty")

    @plugin.tool
    async def chatter(ctx: Context) -> str:
        for number in range(200):
            await ctx.progress(number)
            journal.append(f"said {number}")
        return "said all"

    return plugin


@over_old_wires(plugin=chatty)
async def test_a_client_that_does_not_read_slows_its_own_calls(client: RawWireClient) -> None:
    await client.open()
    client.stall()
    call = await client.start("tools/call", {"name": "chatter", "_meta": {"progressToken": 1}})
    await client.settle()
    assert len(client.journal) < 5
    client.resume()
    assert text_of(await client.response(call)) == "said all"
    assert len(await client.arrived()) == 200


@over_old_wires(*SSE)
async def test_a_message_that_is_none_is_refused_in_the_post(client: RawWireClient) -> None:
    await client.open()
    await client.say(b"{", b"5", b'{"jsonrpc":"2.0","id":9,"method":"ping","params":[]}', b'{"jsonrpc":"1.0","id":8}')
    assert [(error.get("id"), error["error"]["code"]) for error in await client.arrived()] == [
        (None, -32700),
        (None, -32600),
        (9, -32600),
        (8, -32600),
    ]
    assert (await client.ask("ping"))["result"] == {}
