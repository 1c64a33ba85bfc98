"""One old request, round after round, before a dispatcher that says what the test wants. Rule: one answer, or none."""

import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest
from msgspec import Raw

from mcp_bridges.calls.legacy_call import LegacyCall
from mcp_bridges.calls.services import LegacyServices
from mcp_bridges.gate.port import LegacyClient
from mcp_bridges.sessions.session import Session
from mcp_runtime.config import BridgesConfig
from mcp_runtime.config.sections import LegacyClientsConfig
from mcp_runtime.core.calls.call import Call, Reply, Stream
from mcp_runtime.core.calls.subscriptions import Subscriptions
from mcp_runtime.core.calls.time_limit import TimeLimit
from mcp_runtime.core.dispatch.dispatcher import Dispatcher
from mcp_runtime.platform.loops import new_scope
from mcp_runtime.platform.shares import Shares
from mcp_runtime.protocol.errors import INTERNAL_ERROR, PeerError
from mcp_runtime.protocol.jsonrpc import Response, encode_notification
from mcp_runtime.protocol.messages import read_request
from tests.support.clocks import Backend, run
from tests.support.legacy_messages import REVISIONS
from tests.support.messages import Message, accepted, encode
from tests.support.raw_wires import Doorkeeper
from tests.support.settings import settings

BACKENDS: tuple[Backend, ...] = ("trio", "asyncio")
Script = Callable[[Call], Awaitable[Reply | Stream | None]]
FORM = {"type": "object", "properties": {"name": {"type": "string"}}}
QUESTION = {"method": "elicitation/create", "params": {"mode": "form", "message": "Name?", "requestedSchema": FORM}}


class Scripted:
    """A dispatcher: each round as the script says. `seen` are the params of each."""

    def __init__(self, *rounds: Script | Reply | None) -> None:
        self.seen: list[Message] = []
        self.calls: list[Call] = []
        self.incidents: list[Exception] = []
        self._rounds = list(rounds)

    async def dispatch(self, call: Call) -> Reply | Stream | None:
        """The next round."""
        self.seen.append(json.loads(bytes(call.request.params)))
        self.calls.append(call)
        next_one = self._rounds.pop(0)
        return await next_one(call) if callable(next_one) else next_one

    async def dispatch_within(self, scope: anyio.CancelScope, call: Call) -> Reply | Stream | None:
        """The next round, None where it is cut off."""
        with scope:
            return await self.dispatch(call)
        return None

    def internal_error(self, error: Exception) -> PeerError:
        """What is told of an error that the log explains."""
        self.incidents.append(error)
        return PeerError(INTERNAL_ERROR, "incident")


class Wire:
    """Where a call's questions go: `said` is what was sent, `answers` what comes back, None where nothing does."""

    def __init__(self, *answers: Response | None) -> None:
        self.said: list[Message] = []
        self.open: set[str] = set()
        self._answers = list(answers)

    async def notify(self, message: bytes) -> None:
        self.said.append(json.loads(message))

    @asynccontextmanager
    async def ask(self, question_id: str) -> AsyncGenerator[Callable[[], Awaitable[Response]]]:
        self.open.add(question_id)

        async def answer() -> Response:
            found = self._answers.pop(0)
            if found is None:
                await anyio.sleep_forever()
                raise AssertionError
            return found

        try:
            yield answer
        finally:
            self.open.remove(question_id)


def replied(status: int = 200, retry_after_s: int | None = None, **body: Any) -> Reply:
    """What a dispatcher replies."""
    return Reply(body=encode({"jsonrpc": "2.0", "id": 1, **body}), status=status, retry_after_s=retry_after_s)


def complete(**members: Any) -> Reply:
    return replied(result={"resultType": "complete", **members})


def asking(*questions: Message, state: str | None = "state") -> Reply:
    """A result that needs input."""
    asked = {f"q{number}": question for number, question in enumerate(questions)}
    return replied(
        result={
            "resultType": "input_required",
            "inputRequests": asked,
            **({} if state is None else {"requestState": state}),
        }
    )


def answered(content: object) -> Response:
    return Response("q", Raw(encode(content)), None)


async def no_discovery() -> dict[str, Any]:
    raise AssertionError("a call within a session discovers nothing")


def made(
    dispatcher: Scripted,
    wire: Wire,
    *,
    method: str = "tools/call",
    revision: str = "2025-11-25",
    gate: Doorkeeper | None = None,
    waiting: Shares | None = None,
    client: LegacyClient | None = None,
    time: TimeLimit | None = None,
    **more: Any,
) -> LegacyCall:
    """A call of the tool `t`."""
    ids = iter(f"question-{number}" for number in range(100))
    config = settings(bridges=BridgesConfig(clients=LegacyClientsConfig(answer_timeout_s=5)))
    return LegacyCall(
        services=LegacyServices(
            config=config,
            dispatcher=cast("Dispatcher", dispatcher),
            subscriptions=Subscriptions(config.limits),
            gate=gate or Doorkeeper(),
            waiting=waiting or Shares(100),
            at_work=Shares(100),
            discover=no_discovery,
            server={},
            new_id=lambda: next(ids),
        ),
        session=Session("s", revision, "client", "1", {"elicitation": {}}, 0, 0),
        client=client or LegacyClient(transport="stdio", principal="p", peer="1.2.3.4"),
        request=read_request(1, method, Raw(b'{"name":"t"}')),
        transport="stdio",
        log_level="info",
        notify=wire.notify,
        ask=wire.ask,
        time=time or TimeLimit(cutter=new_scope(), began=anyio.current_time()),
        **more,
    )


def body(reply: Reply | None) -> Message:
    assert reply is not None
    return dict(json.loads(reply.body))


async def test_a_plain_answer_is_one_round() -> None:
    dispatcher, wire = Scripted(complete(content=[])), Wire()
    reply = await made(dispatcher, wire).run()
    assert body(reply) == {"jsonrpc": "2.0", "id": 1, "result": {"content": []}}
    assert dispatcher.seen == [{"name": "t"}]
    assert wire.said == []
    call = dispatcher.calls[0]
    assert (call.transport, call.principal, call.peer, call.headers) == ("stdio", "p", "1.2.3.4", None)
    assert call.request.probe.version == "2026-07-28"


async def test_what_falls_over_here_is_an_incident_of_that_call_alone() -> None:
    dispatcher = Scripted(Reply(body=b"no JSON"))
    found = await made(dispatcher, Wire()).run()
    assert found is not None
    assert body(found) == {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "incident"}}
    assert found.outcome == "error"
    assert len(dispatcher.incidents) == 1


async def test_a_stream_can_be_let_go_where_the_client_comes_back() -> None:
    async def let_go() -> None:
        raise AssertionError

    for close_stream in (None, let_go):
        dispatcher = Scripted(complete(content=[]))
        await made(dispatcher, Wire(), close_stream=close_stream).run()
        assert dispatcher.calls[0].close_stream is close_stream


async def test_rounds_go_on_until_there_is_an_answer() -> None:
    dispatcher = Scripted(asking(QUESTION, state="one"), asking(QUESTION, QUESTION, state=None), complete(content=[]))
    wire = Wire(*(answered(accepted(name=name)) for name in "abc"))
    assert "result" in body(await made(dispatcher, wire).run())
    assert [question["id"] for question in wire.said] == ["question-0", "question-1", "question-2"]
    assert dispatcher.seen == [
        {"name": "t"},
        {"name": "t", "inputResponses": {"q0": accepted(name="a")}, "requestState": "one"},
        # Each round's answers are the round's own: what came before is in the state.
        {"name": "t", "inputResponses": {"q0": accepted(name="b"), "q1": accepted(name="c")}},
    ]
    assert wire.open == set()


async def test_each_round_is_timed_anew_and_what_a_client_takes_to_answer_is_not() -> None:
    began = 1e9  # No loop comes to that: nothing is cut off in here.
    clock, asked, limited = [began], list[float](), list[tuple[float, float]]()
    time = TimeLimit(cutter=new_scope(), began=began, now=lambda: clock[0], patience_s=1.0)

    class Slow(Wire):
        async def notify(self, message: bytes) -> None:
            time.keep()  # as whoever looks after the call does meanwhile
            asked.append(time.cutter.deadline)
            clock[0] += 100
            await super().notify(message)

    async def first(call: Call) -> Reply:
        call.time.set(60)
        return asking(QUESTION)

    async def second(call: Call) -> Reply:
        call.time.set(60)
        limited.append((call.time.ends_at - clock[0], call.time.cutter.deadline - clock[0]))
        return complete(content=[])

    wire = Slow(answered(accepted(name="a")))
    assert "result" in body(await made(Scripted(first, second), wire, time=time).run())
    assert asked == [math.inf]
    assert limited == [(60, 60)]


async def test_no_more_calls_wait_for_a_client_than_may() -> None:
    waiting = Shares(2)
    assert waiting.take(None)
    wire = Wire(answered(accepted(name="a")))
    dispatcher = Scripted(asking(QUESTION), complete(content=[]))
    assert "isError" not in body(await made(dispatcher, wire, waiting=waiting).run())["result"]
    assert waiting.held == 1  # as before: the place is free again
    assert waiting.take(None)
    result = body(await made(Scripted(asking(QUESTION)), Wire(), waiting=waiting).run())["result"]
    text = "The server waits for 2 answers of clients already; try again"
    assert result == {"content": [{"type": "text", "text": text}], "isError": True}
    only_state = Scripted(asking(state="kept"), complete(content=[]))
    assert "isError" not in body(await made(only_state, Wire(), waiting=waiting).run())["result"]
    assert waiting.held == 2


async def test_one_client_has_its_share_of_the_calls_that_may_wait() -> None:
    waiting = Shares(4)
    assert waiting.take("203.0.113.9", 2)
    client = LegacyClient(transport="streamable_http", peer="203.0.113.9")
    result = body(await made(Scripted(asking(QUESTION)), Wire(), waiting=waiting, client=client).run())["result"]
    text = "The server waits for all answers of this client that it may; try again"
    assert result == {"content": [{"type": "text", "text": text}], "isError": True}
    other = LegacyClient(transport="streamable_http", principal="somebody", peer="203.0.113.9")
    wire = Wire(answered(accepted(name="a")))
    found = await made(Scripted(asking(QUESTION), complete(content=[])), wire, waiting=waiting, client=other).run()
    assert "isError" not in body(found)["result"]


async def test_a_round_that_only_keeps_its_state_asks_nothing_and_goes_on() -> None:
    dispatcher, wire = Scripted(asking(state="kept"), complete(content=[])), Wire()
    assert "result" in body(await made(dispatcher, wire).run())
    assert wire.said == []
    assert dispatcher.seen[1] == {"name": "t", "inputResponses": {}, "requestState": "kept"}


@pytest.mark.parametrize(("status", "kept"), [(200, 200), (400, 200), (404, 200), (500, 200), (429, 429), (503, 503)])
async def test_only_statuses_that_say_not_now_are_kept(status: int, kept: int) -> None:
    error = {"code": -32603, "message": "no"}
    reply = await made(Scripted(replied(status, 7, error=error)), Wire()).run()
    assert body(reply)["error"] == error
    assert reply is not None
    assert (reply.status, reply.retry_after_s) == (kept, 7)


async def test_an_error_is_what_the_revision_has_for_it() -> None:
    error = {"code": -32602, "message": "Resource not found", "data": {"uri": "a://b"}}
    reply = await made(Scripted(replied(400, error=error)), Wire(), method="resources/read").run()
    assert body(reply)["error"] == {**error, "code": -32002}


async def test_an_error_in_a_later_round_ends_the_call() -> None:
    dispatcher = Scripted(asking(QUESTION), replied(400, error={"code": -32602, "message": "expired"}))
    reply = await made(dispatcher, Wire(answered(accepted(name="a")))).run()
    assert body(reply)["error"]["message"] == "expired"


@pytest.mark.parametrize("method", ["tools/call", "resources/read", "prompts/get"])
@pytest.mark.parametrize(
    ("question", "revision", "why"),
    [
        (QUESTION, "2025-03-26", "elicitation"),
        ({"method": "elicitation/create", "params": {"mode": "url", "url": "https://e.com"}}, "2025-06-18", "URL mode"),
        ({"method": "tasks/ask", "params": {}}, "2025-11-25", "tasks/ask"),
    ],
)
async def test_what_the_revision_cannot_ask_ends_the_call(
    question: Message, revision: str, why: str, method: str
) -> None:
    wire, gate = Wire(), Doorkeeper()
    found = body(await made(Scripted(asking(question)), wire, method=method, revision=revision, gate=gate).run())
    if method == "tools/call":
        assert found["result"]["isError"] is True
        text = found["result"]["content"][0]["text"]
    else:
        assert found["error"]["code"] == -32603
        text = found["error"]["message"]
    assert text.startswith("This client cannot be asked: ")
    assert why in text
    assert wire.said == []
    assert gate.seen == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_question_without_an_answer_ends_the_round(backend: Backend) -> None:
    async def test() -> None:
        dispatcher = Scripted(asking(QUESTION, QUESTION))
        wire = Wire(None)
        found = body(await made(dispatcher, wire).run())
        assert "within 5 s" in found["result"]["content"][0]["text"]
        assert anyio.current_time() == pytest.approx(5)
        assert [message["method"] for message in wire.said] == ["elicitation/create", "notifications/cancelled"]
        assert wire.open == set()

    run(backend, test)


async def test_a_call_given_up_before_it_began_is_not_begun() -> None:
    dispatcher = Scripted(complete(content=[]))
    call = made(dispatcher, Wire())
    call.abandon()
    assert await call.run() is None
    assert dispatcher.seen == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_given_up_at_work_is_given_up_there_too(backend: Backend) -> None:
    async def test() -> None:
        async def work(call: Call) -> None:
            mine.abandon()
            assert call.abandoned
            await anyio.sleep_forever()

        mine = made(Scripted(work), Wire())
        assert await mine.run() is None

    run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_given_up_while_it_asks_stops_asking(backend: Backend) -> None:
    async def test() -> None:
        dispatcher, wire = Scripted(asking(QUESTION, QUESTION)), Wire(None)
        call = made(dispatcher, wire)
        async with anyio.create_task_group() as tasks:

            async def serve() -> None:
                assert await call.run() is None

            tasks.start_soon(serve)
            await anyio.wait_all_tasks_blocked()
            assert len(wire.said) == 1
            call.abandon()
            call.abandon()
        assert len(wire.said) == 1
        assert wire.open == set()

    run(backend, test)


async def test_an_answer_that_was_there_before_the_client_gave_up_may_still_go_out() -> None:
    async def last_word(_: Call) -> Reply:
        call.abandon()
        return complete(content=[])

    call = made(Scripted(last_word), Wire())
    assert "result" in body(await call.run())


@pytest.mark.parametrize("revision", REVISIONS)
async def test_notifications_are_those_of_the_revision(revision: str) -> None:
    progress = {"progressToken": 1, "progress": 1, "message": "half"}

    async def talk(call: Call) -> Reply:
        await call.notify(encode_notification("notifications/progress", progress))
        await call.notify(encode_notification("notifications/of/tomorrow", {}))
        return complete(content=[])

    wire = Wire()
    await made(Scripted(talk), wire, revision=revision).run()
    said = [(message["method"], message["params"]) for message in wire.said]
    if revision == "2024-11-05":
        assert said == [("notifications/progress", {"progressToken": 1, "progress": 1})]
    else:
        assert said[0] == ("notifications/progress", progress)
