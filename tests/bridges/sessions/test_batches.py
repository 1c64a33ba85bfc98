"""Several messages in one body: 2025-03-26 has them. Rule: each fails for itself, and one answer has them all."""

import json
from typing import Any

import anyio
import pytest

from mcp_bridges.sessions.batches import is_batch, join, not_here, read_batch
from mcp_runtime import Plugin
from mcp_runtime.config import Config
from mcp_runtime.config.sections import BridgesConfig, HttpSessionsConfig
from mcp_runtime.protocol.errors import PeerError
from mcp_runtime.protocol.jsonrpc import MalformedMessageError, Notification, Request, Response
from tests.support.clocks import Backend, run
from tests.support.legacy_messages import cancelled, old, opening, result, text_of
from tests.support.messages import Message, accepted, encode, notification, sampled
from tests.support.raw_wires import SSE, RawWireClient, old_http, old_sse, over_old_wires
from tests.support.settings import settings

BATCHES = "2025-03-26"


def call(tool: str, id: Any, **arguments: Any) -> Message:
    """A call of a tool."""
    return old("tools/call", {"name": tool, "arguments": arguments}, id=id)


async def answers(client: RawWireClient) -> list[Message]:
    """The answer to a batch."""
    return list(await client.take(lambda message: isinstance(message, list)))


async def batch(client: RawWireClient, *messages: object) -> list[Message]:
    """Send a batch; the answer to it."""
    await client.say(list(messages))
    return await answers(client)


# Reading.


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"[]", True), (b" \r\n\t[1", True), (b"{}", False), (b"", False), (b"x[", False), (b"\xef\xbb\xbf[]", False)],
)
def test_a_batch_is_known_by_its_first_character(body: bytes, expected: bool) -> None:
    assert is_batch(body) is expected


def test_messages_are_read_in_order_each_for_itself() -> None:
    items = [old("ping"), notification("n"), result("q", {}), 5, [], {"jsonrpc": "1.0", "id": 9}, opening(id=7)]
    found = read_batch(encode(items), max_messages=7)
    kinds = (Request, Notification, Response, *[MalformedMessageError] * 4)
    assert [isinstance(one, kind) for one, kind in zip(found, kinds, strict=True)] == [True] * len(kinds)
    wrong = [(one.id, one.code) for one in found if isinstance(one, MalformedMessageError)]
    assert wrong == [(None, -32600), (None, -32600), (9, -32600), (7, -32600)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[", -32700),
        (b"[1,]", -32700),
        (b"[" * 100_000, -32700),
        (b"[] []", -32700),
        (b"[]", -32600),
        (b" [ ] ", -32600),
        (b"[1,1,1]", -32600),
    ],
)
def test_a_body_that_is_no_batch_is_refused_whole(body: bytes, code: int) -> None:
    with pytest.raises(PeerError) as refused:
        read_batch(body, max_messages=2)
    assert refused.value.code == code


def test_an_item_that_is_no_utf8_fails_for_itself() -> None:
    bad, good = read_batch(
        b'[{"jsonrpc":"2.0","id":1,"method":"\xff"},{"jsonrpc":"2.0","id":2,"method":"ping"}]', max_messages=2
    )
    assert isinstance(bad, MalformedMessageError)
    assert isinstance(good, Request)


def test_responses_are_joined_to_one_body() -> None:
    assert join([b"1"]) == b"[1]"
    assert json.loads(join([b'{"a":1}', b"2"])) == [{"a": 1}, 2]


@pytest.mark.parametrize(("revision", "text"), [(None, "no batches;"), ("2025-06-18", "no batches in 2025-06-18;")])
def test_what_is_wrong_with_a_batch_names_the_revision(revision: str | None, text: str) -> None:
    error = not_here(revision)
    assert error.code == -32600
    assert text in error.message


# Conversations.


@over_old_wires()
async def test_each_message_is_served_and_the_answers_come_as_one(client: RawWireClient) -> None:
    await client.open(BATCHES)
    found = await batch(
        client,
        old("ping", id=1),
        notification("notifications/progress"),
        call("echo", "two", text="hello"),
        5,
        old("no/such", id=3),
        old("tools/call", {"name": 1}, id=4),
        result("nobody's", {}),
        opening(id=5),
        old("logging/setLevel", {"level": "error"}, id=6),
        {"jsonrpc": "2.0", "id": 7, "method": "ping", "params": []},
    )
    outcome = [(one.get("id"), one.get("error", {}).get("code")) for one in found]
    assert outcome == [
        (1, None),
        ("two", None),
        (None, -32600),
        (3, -32601),
        (4, -32602),
        (5, -32600),
        (6, None),
        (7, -32600),
    ]
    assert "initialize cannot be in a batch" in found[5]["error"]["message"]
    assert text_of(found[1]) == "hello"
    await client.tool("chat")
    assert len(await client.arrived()) == 1  # the level was set


@pytest.mark.parametrize("revision", ["2025-11-25", "2025-06-18", "2024-11-05"])
@over_old_wires()
async def test_other_revisions_have_no_batches(client: RawWireClient, revision: str) -> None:
    await client.open(revision)
    await client.say([old("ping", id=1)], [])
    for _ in range(2):
        error = (await client.take(lambda message: "error" in message))["error"]
        assert (error["code"], f"no batches in {revision}" in error["message"]) == (-32600, True)
    assert (await client.ask("ping"))["result"] == {}


@over_old_wires("stdio")
async def test_there_are_no_batches_before_initialize(client: RawWireClient) -> None:
    await client.say([opening(BATCHES)])
    assert [one["error"]["code"] for one in await client.arrived()] == [-32600]
    await client.ask("ping")
    await client.say([opening(BATCHES)])
    (error,) = await client.arrived()
    assert "id" not in error
    assert "no batches;" in error["error"]["message"]
    await client.open(BATCHES)


@over_old_wires(*SSE)
async def test_a_new_stream_has_no_batches_before_initialize(client: RawWireClient) -> None:
    await client.say([opening(BATCHES)])
    (error,) = await client.arrived()
    assert "no batches in 2024-11-05" in error["error"]["message"]


@over_old_wires(config=settings(bridges=BridgesConfig(http_sessions=HttpSessionsConfig(max_batch_messages=3))))
async def test_a_batch_is_bounded_at_the_exact_edge(client: RawWireClient) -> None:
    await client.open(BATCHES)
    assert len(await batch(client, *(old("ping", id=number) for number in range(3)))) == 3
    await client.say([old("ping", id=number) for number in range(4)])
    (error,) = await client.arrived()
    assert (error["error"]["code"], "more than 3" in error["error"]["message"]) == (-32600, True)


def generous(journal: list[str]) -> Plugin[Any]:
    """A tool that notes each call, and answers with a text of some length."""
    plugin = Plugin("generous")

    @plugin.tool
    async def give(size: int) -> str:
        """Answer at length."""
        journal.append(f"gave {size}")
        return "x" * size

    return plugin


def answering(max_bytes: int) -> Config:
    return settings(bridges=BridgesConfig(http_sessions=HttpSessionsConfig(max_batch_answer_bytes=max_bytes)))


EMPTY = len(encode(result(1, {"content": [{"type": "text", "text": ""}]})))
"""Length of the answer of `give` without its text."""


@over_old_wires(config=answering(2000), plugin=generous)
async def test_past_the_bytes_of_its_answers_what_is_left_of_a_batch_is_not_begun(client: RawWireClient) -> None:
    await client.open(BATCHES)
    # Exactly to the limit, and one byte less: there is room for one more, however long.
    for first, given in ((2000 - EMPTY, 1), (1999 - EMPTY, 2)):
        client.journal.clear()
        found = await batch(
            client,
            call("give", 1, size=first),
            call("give", 2, size=50_000),
            call("give", 3, size=1),
            notification("notifications/progress"),
            old("ping", id=4),
            5,
        )
        assert client.journal == [f"gave {first}", "gave 50000"][:given]
        assert [one.get("id") for one in found] == [1, 2, 3, 4, None]
        refused = [one["error"] for one in found[given:4]]
        assert {error["code"] for error in refused} == {-32603}
        assert {"take 2000 bytes already" in error["message"] for error in refused} == {True}
        assert len(text_of(found[0])) == first
    assert len(await batch(client, call("give", 1, size=1))) == 1  # Each batch has as much.


@over_old_wires()
async def test_bodies_that_are_no_batch_are_refused_and_the_next_message_works(client: RawWireClient) -> None:
    await client.open(BATCHES)
    await client.say(b"[]", b"[1", b"[" * 50_000)
    assert [one["error"]["code"] for one in await client.arrived()] == [-32600, -32700, -32700]
    assert len(await batch(client, old("ping"))) == 1


@over_old_wires()
async def test_a_batch_of_what_needs_no_answer_gets_none(client: RawWireClient) -> None:
    await client.open(BATCHES)
    await client.say([notification("notifications/x"), result("q", {}), cancelled(1)])
    assert await client.arrived() == []


@over_old_wires()
async def test_one_of_a_batch_can_be_cancelled_and_the_others_are_answered(client: RawWireClient) -> None:
    await client.open(BATCHES)
    await client.say([call("nap", 1, seconds=100), old("ping", id=2)])
    await client.settle()
    await client.say(cancelled(1))
    assert [one["id"] for one in await answers(client)] == [2]
    await client.say([call("nap", 1, seconds=100)])
    await client.settle()
    await client.say(cancelled(1))
    assert await client.arrived() == []
    assert client.journal.count("nap cancelled") == 2


@over_old_wires()
async def test_one_of_a_batch_can_ask_and_the_conversation_goes_on_meanwhile(client: RawWireClient) -> None:
    await client.open(BATCHES)
    await client.say([call("think", 1), old("ping", id=2)])
    question = await client.question("sampling/createMessage")
    assert (await client.ask("ping"))["result"] == {}
    await client.say([result(question["id"], sampled("Paris"))])
    first, second = await answers(client)
    assert text_of(first) == "The model said: Paris"
    assert second["id"] == 2


@over_old_wires()
async def test_an_id_in_use_is_refused_in_a_batch_and_by_one(client: RawWireClient) -> None:
    await client.open(BATCHES)
    await client.start_tool("nap", id=1, seconds=10)
    await client.settle()
    (refused, fine) = await batch(client, call("echo", 1, text="x"), call("echo", 2, text="y"))
    assert (refused["error"]["code"], text_of(fine)) == (-32600, "y")
    assert text_of(await client.response(1)) == "rested"
    await client.say([call("nap", 3, seconds=10)])
    await client.settle()
    await client.start_tool("echo", id=3, text="x")
    assert (await client.response(3))["error"]["code"] == -32600
    assert text_of((await answers(client))[0]) == "rested"


@over_old_wires()
async def test_an_id_may_come_twice_in_a_batch_one_after_the_other(client: RawWireClient) -> None:
    await client.open(BATCHES)
    found = await batch(client, call("echo", 1, text="x"), call("echo", 1, text="y"))
    assert [text_of(one) for one in found] == ["x", "y"]


@over_old_wires(config=settings(limits={"max_concurrent_requests": 2}))
async def test_batches_are_bounded_like_requests(client: RawWireClient) -> None:
    await client.open(BATCHES)
    await client.say([call("nap", 1, seconds=10)])
    await client.start_tool("nap", id=2, seconds=10)
    await client.settle()
    await client.say([old("ping", id=3)], call("echo", 4, text="x"))
    refused = await client.arrived()
    assert [one["error"]["message"] for one in refused] == ["The server has its 2 requests at work; try again"] * 2
    assert [one.get("id") for one in refused] == [None, 4]
    assert text_of((await answers(client))[0]) == "rested"
    assert text_of(await client.response(2)) == "rested"
    assert len(await batch(client, old("ping", id=3))) == 1


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_stop_lets_a_batch_finish(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http, old_sse(http) as client:
            await client.open(BATCHES)
            await client.say([call("nap", 1, seconds=5), call("nap", 2, seconds=5), old("ping", id=3)])
            await client.settle()
            http.runtime.close_streams()
            assert [one["id"] for one in await answers(client)] == [1, 2, 3]
            with anyio.fail_after(1):
                await client.stream.returned.wait()
            assert client.stream.complete.is_set()

    run(backend, test)


@over_old_wires()
async def test_a_question_within_a_batch_that_is_answered_in_vain_ends_only_its_call(client: RawWireClient) -> None:
    await client.open(BATCHES)
    await client.say([call("think", 1), call("echo", 2, text="fine")])
    await client.say(result((await client.question())["id"], accepted()))
    failed, fine = await answers(client)
    assert (failed["result"]["isError"], text_of(fine)) == (True, "fine")
