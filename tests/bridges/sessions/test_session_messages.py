"""What travels in an old session's POSTs: calls, batches, answers, cancellations, the level of log messages."""

from typing import Any

import anyio
import pytest

from tests.support.messages import Message, accepted
from tests.support.raw_sessions import (
    NEWEST,
    SESSION_REVISIONS,
    OldServer,
    RawSessionClient,
    bridge_settings,
    served,
)
from tests.support.settings import settings

# One message


@pytest.mark.parametrize("id_", [0, -1, 2**53, 10**30, "", "a", "\u6f22", "x" * 2000, 'quote"\\'])
@served()
async def test_an_answer_has_the_id_of_its_request(server: OldServer, id_: Any) -> None:
    client = await server.client()
    plain = await client.send(client.call("echo", id_=id_, text="hi"))
    assert (plain.last["id"], plain.text, plain.is_stream) == (id_, "hi", False)
    streamed = await client.send(client.call("count", id_=id_, token=1))
    assert (streamed.last["id"], streamed.text, streamed.is_stream) == (id_, "counted to 3", True)


@pytest.mark.parametrize(
    ("body", "id_", "code"),
    [
        (b"{", None, -32700),
        (b"", None, -32700),
        (b"\xff", None, -32700),
        (b'"text"', None, -32600),
        (b'{"jsonrpc":"1.0","id":5,"method":"ping"}', 5, -32600),
        (b'{"jsonrpc":"2.0","id":5,"method":"ping","params":[]}', 5, -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":5}', 5, -32600),
        (b'{"jsonrpc":"2.0","id":5,"method":"no/such"}', 5, -32601),
        (b'{"jsonrpc":"2.0","id":5,"method":"server/discover"}', 5, -32601),
        (b'{"jsonrpc":"2.0","id":5,"method":"subscriptions/listen"}', 5, -32601),
        (b'{"jsonrpc":"2.0","id":5,"method":"logging/setLevel","params":{"level":"loud"}}', 5, -32602),
        (b'{"jsonrpc":"2.0","id":5,"method":"logging/setLevel"}', 5, -32602),
        (b'{"jsonrpc":"2.0","id":5,"method":"resources/subscribe","params":{"uri":7}}', 5, -32602),
        (b'{"jsonrpc":"2.0","id":5,"method":"resources/unsubscribe","params":{}}', 5, -32602),
    ],
)
@served()
async def test_what_is_wrong_with_a_message_is_said_with_its_id(
    server: OldServer, body: bytes, id_: Any, code: int
) -> None:
    client = await server.client()
    reply = await client.send(body)
    # No message at all is 400; a request that comes to nothing is 200, as 404 would mean that the session is over.
    status = 400 if code in {-32700, -32600} else 200
    assert (reply.status, reply.last.get("id"), reply.error["code"]) == (status, id_, code)
    assert (await client.ask("ping")).result == {}


@served()
async def test_errors_of_a_call_travel_as_200_where_old_clients_read_them(server: OldServer) -> None:
    client = await server.client()
    for method, params, code in (
        ("tools/call", {"name": "refuse", "arguments": {}}, -32602),
        ("tools/call", {"name": "no-such", "arguments": {}}, -32602),
        ("resources/read", {"uri": "note://nowhere"}, -32002),
        ("tools/list", {"cursor": "forged"}, -32602),
    ):
        reply = await client.ask(method, params)
        assert (reply.status, reply.error["code"]) == (200, code), (method, reply.last)


@served(settings(limits={"max_concurrent_requests": 1}))
async def test_a_call_at_a_busy_server_is_asked_to_come_back(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("nap", seconds=50)) as napping:
        await napping.settle()
        reply = await client.use("echo", text="hi")
        assert (reply.status, reply.header("retry-after"), reply.error["code"]) == (503, "1", -32603)
        assert (await client.ask("ping")).result == {}  # it is at nobody's cost


@served()
async def test_an_id_may_be_used_again_and_not_twice_at_once(server: OldServer) -> None:
    client, other = await server.client(), await server.client()
    async with client.open(client.call("nap", id_="same", seconds=50)) as napping:
        await napping.settle()
        again = await client.send(client.call("echo", id_="same", text="hi"))
        assert "still being served" in again.refused(200, id_="same")
        assert (await other.send(other.call("echo", id_="same", text="hi"))).text == "hi"
        assert (await napping.done()).text == "rested"
    assert (await client.send(client.call("echo", id_="same", text="hi"))).text == "hi"


@served()
async def test_notifications_mean_little_and_are_all_accepted(server: OldServer) -> None:
    client = await server.client()
    for method in ("notifications/initialized", "notifications/roots/list_changed", "notifications/x", "x", ""):
        shapes: list[Message | None] = [None, {}, {"_meta": {}}, {"requestId": 99}]
        for params in shapes:
            reply = await client.tell(method, params)
            assert (reply.status, reply.response.body) == (202, b"")


# Cancellation


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@served()
async def test_a_cancelled_call_stops_and_is_not_answered(server: OldServer, revision: str) -> None:
    client = await server.client(revision)
    async with client.open(client.call("nap", id_="long")) as napping:
        await napping.settle()
        assert (await client.tell("notifications/cancelled", {"requestId": "long", "reason": "bored"})).status == 202
        reply = await napping.done()
    assert server.journal[-2:] == ["nap began", "nap cancelled"]
    assert (reply.status, reply.messages) == (200, [])


@served()
async def test_a_cancelled_call_that_talked_ends_its_stream_without_an_answer(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("slow_count", id_=1, token="t", steps=50)) as counting:
        assert (await counting.next())["params"]["progress"] == 1
        await client.tell("notifications/cancelled", {"requestId": 1})
        reply = await counting.done()
        last = counting.events[-1].id or ""
    assert [message["method"] for message in reply.messages] == ["notifications/progress"]
    assert (await client.rest(last)).events == []


@pytest.mark.parametrize(
    "params", [{}, {"requestId": None}, {"requestId": ["x"]}, {"requestId": "1"}, {"requestId": 2}]
)
@served()
async def test_a_cancellation_of_something_else_leaves_a_call_alone(server: OldServer, params: Message) -> None:
    client, stranger = await server.client(), await server.client()
    async with client.open(client.call("nap", id_=1, seconds=50)) as napping:
        await napping.settle()
        assert (await client.tell("notifications/cancelled", params)).status == 202
        assert (await stranger.tell("notifications/cancelled", {"requestId": 1})).status == 202
        assert (await napping.done()).text == "rested"


# Answers


@served()
async def test_a_question_is_put_on_the_stream_of_its_call_and_answered_by_another_post(server: OldServer) -> None:
    client = await server.client()
    async with client.listen() as everything_else:
        async with client.open(client.call("greet", id_=1)) as greeting:
            question = await greeting.next()
            assert (question["method"], question["params"]["message"]) == ("elicitation/create", "What is your name?")
            reply = await client.answer(question, accepted(name="Ada"))
            assert (reply.status, reply.response.body) == (202, b"")
            assert (await greeting.done()).text == "Hello, Ada!"
        assert everything_else.messages == []


@served()
async def test_an_error_is_an_answer_too(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("greet")) as greeting:
        question = await greeting.next()
        error = {"code": -32603, "message": "no screen"}
        assert (await client.send({"jsonrpc": "2.0", "id": question["id"], "error": error})).status == 202
        assert "no screen" in (await greeting.done()).text


@pytest.mark.parametrize("id_", ["never-asked", "", 7, 10**30, None])
@served()
async def test_an_answer_that_nobody_waits_for_is_refused_and_changes_nothing(server: OldServer, id_: Any) -> None:
    client = await server.client()
    async with client.open(client.call("greet")) as greeting:
        question = await greeting.next()
        message: Message = {"jsonrpc": "2.0", "id": id_, "result": accepted(name="Eve")}
        if id_ is None:
            del message["id"]
        assert "no call waits for this answer here" in (await client.send(message)).refused(400)
        await client.answer(question, accepted(name="Ada"))
        assert (await greeting.done()).text == "Hello, Ada!"
    assert "no call waits" in (await client.answer(question, accepted(name="late"))).refused(400)


@served()
async def test_nobody_answers_for_another_session(server: OldServer) -> None:
    client, stranger = await server.client(), await server.client()
    async with client.open(client.call("greet")) as greeting:
        question = await greeting.next()
        assert "no call waits" in (await stranger.answer(question, accepted(name="Eve"))).refused(400)
        await client.answer(question, accepted(name="Ada"))
        assert (await greeting.done()).text == "Hello, Ada!"


@served()
async def test_of_two_answers_the_first_counts(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("greet")) as greeting:
        question = await greeting.next()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.answer, question, accepted(name="Ada"))
            tasks.start_soon(client.answer, question, accepted(name="Ada"))
        assert (await greeting.done()).text == "Hello, Ada!"


# The level of log messages


async def levels(client: RawSessionClient) -> list[str]:
    """The levels of what `chat` says."""
    reply = await client.use("chat")
    return [message["params"]["level"] for message in reply.messages if "method" in message]


@served()
async def test_each_session_has_its_own_log_level(server: OldServer) -> None:
    quiet, loud, plain = [await server.client() for _ in range(3)]
    assert (await quiet.ask("logging/setLevel", {"level": "error"})).result == {}
    assert (await loud.ask("logging/setLevel", {"level": "debug"})).result == {}
    assert await levels(quiet) == ["error"]
    assert await levels(loud) == ["debug", "info", "error"]
    assert await levels(plain) == ["info", "error"]
    await loud.ask("logging/setLevel", {"level": "emergency"})
    assert await levels(loud) == []


@served(bridge_settings(clients={"log_level": "critical"}))
async def test_the_operator_says_what_is_sent_before_a_client_does(server: OldServer) -> None:
    assert await levels(await server.client()) == []


# Batches


@served()
async def test_a_batch_is_answered_message_by_message_in_one_array(server: OldServer) -> None:
    client = await server.client("2025-03-26")
    reply = await client.send(
        [
            client.request("ping", id_="a"),
            {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"},
            client.call("echo", id_="b", text="hi"),
            {"jsonrpc": "2.0", "id": "c", "method": "no/such"},
            {"jsonrpc": "1.0", "id": "d", "method": "ping"},
            17,
            client.request("initialize", {"protocolVersion": "2025-03-26"}, id_="e"),
            {"jsonrpc": "2.0", "id": "never-asked", "result": {}},
            client.request("resources/read", {"uri": "note://nowhere"}, id_="f"),
        ]
    )
    assert (reply.status, reply.header("content-type")) == (200, "application/json")
    (answers,) = reply.messages
    assert [(one.get("id"), one.get("error", {}).get("code")) for one in answers] == [  # type: ignore[attr-defined]
        ("a", None),
        ("b", None),
        ("c", -32601),
        ("d", -32600),
        (None, -32600),
        ("e", -32600),
        (None, -32600),
        ("f", -32002),
    ]


@served()
async def test_a_batch_in_which_somebody_talks_is_a_stream_of_its_answers(server: OldServer) -> None:
    client = await server.client("2025-03-26")
    batch = [client.request("ping", id_="a"), client.call("count", id_="b", token="t"), client.request("ping", id_="c")]
    reply = await client.send(batch)
    assert reply.is_stream
    said = [message.get("id", message.get("method")) for message in reply.messages]
    assert said == ["notifications/progress"] * 3 + ["a", "b", "c"]
    assert all(event.id for event in reply.events)


@served(bridge_settings(sessions={"max_batch_answer_bytes": 2000}))
async def test_a_batch_whose_answers_are_too_many_to_be_held_is_a_stream_of_them(server: OldServer) -> None:
    client = await server.client("2025-03-26")
    short = [client.call("echo", id_=number, text="x" * 500) for number in "ab"]
    assert not (await client.send(short)).is_stream
    many = [client.call("echo", id_=f"{number}", text="x" * 1000) for number in range(20)]
    reply = await client.send([*many, client.request("ping", id_="last")])
    assert reply.is_stream
    assert [message["id"] for message in reply.messages] == [*map(str, range(20)), "last"]
    assert all("result" in message for message in reply.messages)
    assert all(event.id for event in reply.events)


@served(bridge_settings(sessions={"max_batch_answer_bytes": 1024}))
async def test_a_batch_that_ends_with_what_needs_no_answer_ends_its_stream_too(server: OldServer) -> None:
    client = await server.client("2025-03-26")
    told: Message = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    reply = await client.send([client.call("echo", id_="a", text="x" * 2000), told])
    assert [message["id"] for message in reply.messages] == ["a"]
    answers: list[Message] = [{"jsonrpc": "2.0", "id": f"never-asked-{number}", "result": {}} for number in range(20)]
    assert (await client.send(answers)).status == 400  # Nobody waits for these, and they are short.


@served(bridge_settings(sessions={"max_batch_answer_bytes": 1024}))
async def test_an_answer_that_is_sent_ahead_does_not_wait_for_the_next(server: OldServer) -> None:
    client = await server.client("2025-03-26", capabilities={"sampling": {}})
    large = client.call("echo", id_="a", text="x" * 2000)
    async with client.open([large, client.call("think", id_="b")]) as thinking:
        assert (await thinking.next())["id"] == "a"
        assert (await thinking.next())["method"] == "sampling/createMessage"


@served()
async def test_a_batch_that_asks_waits_for_its_answer(server: OldServer) -> None:
    client = await server.client("2025-03-26", capabilities={"sampling": {}})
    async with client.open([client.call("think", id_="a"), client.request("ping", id_="b")]) as thinking:
        question = await thinking.next()
        assert question["method"] == "sampling/createMessage"
        content = {"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m"}
        reply = await client.send([{"jsonrpc": "2.0", "id": question["id"], "result": content}])
        assert (reply.status, reply.response.body) == (202, b"")
        *_, first, second = (await thinking.done()).messages
    assert (first["id"], first["result"]["content"][0]["text"]) == ("a", "The model said: Paris")
    assert second == {"jsonrpc": "2.0", "id": "b", "result": {}}


@served()
async def test_a_batch_without_requests_is_accepted_or_refused_as_a_whole(server: OldServer) -> None:
    client = await server.client("2025-03-26")
    told: Message = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    reply = await client.send([told, told])
    assert (reply.status, reply.response.body) == (202, b"")
    async with client.open(client.call("nap", id_=1)) as napping:
        await napping.settle()
        late: Message = {"jsonrpc": "2.0", "id": "q", "result": {}}
        cancelled: Message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        reply = await client.send([late, cancelled])
        (errors,) = reply.messages
        assert (reply.status, len(errors)) == (400, 1)
        assert "no call waits" in errors[0]["error"]["message"]  # type: ignore[index]
        await napping.done()
    assert server.journal[-1] == "nap cancelled"  # what came after the error was heard


@served()
async def test_a_batch_whose_only_call_is_cancelled_has_no_answer(server: OldServer) -> None:
    client = await server.client("2025-03-26")
    async with client.open([client.call("nap", id_=1)]) as napping:
        await napping.settle()
        await client.tell("notifications/cancelled", {"requestId": 1})
        assert (await napping.done()).messages == []


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"[]", -32600, "the batch is empty"),
        (b" [", -32700, "Parse error"),
        (b"[\xff]", -32700, "Parse error"),
        (b"[1,2,3,4]", -32600, "more than 3 messages"),
    ],
)
@served(bridge_settings(sessions={"max_batch_messages": 3}))
async def test_what_is_no_batch_is_refused(server: OldServer, body: bytes, code: int, words: str) -> None:
    client = await server.client("2025-03-26")
    assert words in (await client.send(body)).refused(400, code=code)
    assert len((await client.send([client.request("ping") for _ in range(3)])).messages[0]) == 3


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-06-18", NEWEST])
@served()
async def test_other_revisions_have_no_batches(server: OldServer, revision: str) -> None:
    client = await server.client(revision)
    reply = await client.send([client.request("ping")])
    assert f"there are no batches in {revision}" in reply.refused(400)
