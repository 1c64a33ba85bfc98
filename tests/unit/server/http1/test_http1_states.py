"""The states of a body and of an answer: what follows what is what the tables say, and all of it happens."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, Final

import msgspec
import pytest
import trio
import trio.testing
from starlette.types import Message

from mcp_runtime.config.limits import Limits
from mcp_runtime.platform.lent_scope import LentScope
from mcp_runtime.server.http1.answer import ANSWER_STATES, AnswerState, Http1Answer, answer_to
from mcp_runtime.server.http1.backlog import Backlogs
from mcp_runtime.server.http1.exchange import Http1Exchange
from mcp_runtime.server.http1.head_reader import HeadReader
from mcp_runtime.server.http1.request_body import BODY_STATES, BodyState, RequestBody, body_of
from mcp_runtime.server.http1.wire import Wire
from tests.unit.server.http1.http1_server import PATIENCE_S

HEAD: Final = b"POST / HTTP/1.1\r\nHost: a\r\n"
LENGTH: Final = HEAD + b"Content-Length: 6"
CHUNKS: Final = HEAD + b"Transfer-Encoding: chunked"
EXPECTS: Final = b"\r\nExpect: 100-continue"
MUCH: Final = 20_000_000
"""More bytes than the kernel takes from a server whose client does not read."""


class RecordedAnswer(Http1Answer, eq=False):
    """An answer that notes its states."""

    seen: list[AnswerState] = msgspec.field(default_factory=lambda: [AnswerState.AWAITED])

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "state" and value is not self.state:
            self.seen.append(value)
        super().__setattr__(name, value)


class RecordedBody(RequestBody, eq=False):
    """A body that notes its states."""

    seen: list[BodyState] = msgspec.field(default_factory=list)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "state" and value is not self.state:
            self.seen.append(value)
        super().__setattr__(name, value)


class Port:
    """A connection that notes how it is to refuse."""

    def __init__(self) -> None:
        self.refused: list[int] = []

    async def refuse(self, status: int) -> None:
        self.refused.append(status)

    def is_draining(self) -> bool:
        return False


class Case:
    """One exchange on a socket, and its client's end."""

    def __init__(self, ours: trio.SocketStream, client: trio.SocketStream, head: bytes) -> None:
        self.client, self.wire, self.port = client, Wire(ours, Backlogs()), Port()
        request = HeadReader(Limits()).read(head)
        body = body_of(request, self.wire, Limits())
        self.body = RecordedBody(*msgspec.structs.astuple(body))
        self.body.seen.append(body.state)
        answer = answer_to(request, self.body, self.wire, self.port, b"")
        self.answer = RecordedAnswer(*msgspec.structs.astuple(answer))
        self.exchange = Http1Exchange(request.facts, LentScope(None), self.wire, self.body, self.answer)

    async def start(self, length: int | None = None) -> None:
        headers = [] if length is None else [(b"content-length", b"%d" % length)]
        await self.answer.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def piece(self, body: bytes, *, more: bool) -> None:
        await self.answer.send({"type": "http.response.body", "body": body, "more_body": more})

    async def fill(self) -> None:
        """Leave the client with more than it has read, from a piece that was cut off."""
        with trio.move_on_after(0.01):
            await self.piece(bytes(MUCH), more=True)
        assert self.wire.unsent is not None


@asynccontextmanager
async def case(head: bytes) -> AsyncGenerator[Case]:
    ours, client = trio.socket.socketpair()
    with ours, client:
        yield Case(trio.SocketStream(ours), trio.SocketStream(client), head)


def arrows(seen: str) -> set[tuple[str, str]]:
    """What follows what in a row."""
    names = seen.split()
    return set(pairwise(names))


def arrows_of(table: Mapping[Any, frozenset[Any]]) -> set[tuple[str, str]]:
    """What may follow what in a table."""
    return {(state.name.lower(), after.name.lower()) for state, follows in table.items() for after in follows}


async def whole(case: Case) -> None:
    assert case.answer.send_whole(200, (), b"abc") is None


async def in_one_write(case: Case) -> None:
    await case.start(3)
    await case.piece(b"abc", more=False)


async def as_a_stream(case: Case) -> None:
    await case.start()
    await case.piece(b"abc", more=True)
    await case.piece(b"", more=False)


async def fails_before_it_began(case: Case) -> None:
    await case.answer.give_up(500)
    await case.answer.give_up(500)
    assert case.port.refused == [500]


async def fails_with_its_head_held(case: Case) -> None:
    await case.start(3)
    await case.answer.give_up(500)
    assert case.port.refused == [500]


async def fails_half_way(case: Case) -> None:
    await case.start()
    await case.answer.give_up(500)
    assert case.port.refused == []


async def its_last_piece_is_cancelled(case: Case) -> None:
    await case.start()
    await case.fill()
    with trio.move_on_after(0.01) as cut:
        await case.piece(b"", more=False)
    assert cut.cancelled_caught


async def its_last_piece_is_cancelled_after_its_end(case: Case) -> None:
    await case.start()
    await case.fill()
    async with trio.open_nursery() as nursery:

        async def send_last() -> None:
            await case.piece(b"", more=False)

        nursery.start_soon(send_last)
        await trio.testing.wait_all_tasks_blocked()
        case.answer.end()
        assert case.answer.state is AnswerState.COMPLETE
        nursery.cancel_scope.cancel()


ANSWERS: Final[Mapping[Callable[[Case], Awaitable[None]], str]] = {
    whole: "awaited ending complete",
    in_one_write: "awaited held ending complete",
    as_a_stream: "awaited held begun ending complete",
    fails_before_it_began: "awaited broken",
    fails_with_its_head_held: "awaited held broken",
    fails_half_way: "awaited held begun broken",
    its_last_piece_is_cancelled: "awaited held begun ending broken",
    its_last_piece_is_cancelled_after_its_end: "awaited held begun ending complete broken",
}


async def take_all(case: Case) -> None:
    await case.client.send_all(b"abcdef")
    assert await case.wire.fill()
    assert case.exchange.take_body() == b"abcdef"
    assert case.body.take_whole() is None


async def receive_in_parts(case: Case) -> None:
    await case.client.send_all(b"abc")
    assert (await case.exchange.receive())["body"] == b"abc"
    await case.client.send_all(b"def")
    assert await case.exchange.receive() == LAST


async def discard_in_parts(case: Case) -> None:
    await case.client.send_all(b"abc")
    assert await case.wire.fill()
    assert not case.body.discard()
    await case.client.send_all(b"def")
    assert await case.wire.fill()
    assert case.body.discard()


async def receive_chunks(case: Case) -> None:
    await case.client.send_all(b"3\r\ndef\r\n0\r\n\r\n")
    assert await case.exchange.receive() == LAST


async def receive_nothing(case: Case) -> None:
    assert (await case.exchange.receive())["body"] == b""


async def receive_after_continue(case: Case) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(case.exchange.receive)
        assert await case.client.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await case.client.send_all(b"abcdef")


LAST: Final[Message] = {"type": "http.request", "body": b"def", "more_body": False}
BODIES: Final[Mapping[tuple[bytes, Callable[[Case], Awaitable[None]]], str]] = {
    (LENGTH, take_all): "arriving given",
    (LENGTH, receive_in_parts): "arriving arrived given",
    (LENGTH, discard_in_parts): "arriving arrived",
    (CHUNKS, receive_chunks): "arriving arrived given",
    (HEAD + b"X: y", receive_nothing): "arrived given",
    (HEAD + EXPECTS[2:], receive_nothing): "arrived given",
    (LENGTH + EXPECTS, take_all): "held_back given",
    (LENGTH + EXPECTS, discard_in_parts): "held_back arrived",
    (LENGTH + EXPECTS, receive_after_continue): "held_back arriving arrived given",
}


@pytest.mark.parametrize(("act", "seen"), ANSWERS.items(), ids=lambda value: getattr(value, "__name__", None))
async def test_an_answer_passes_through_these_states(act: Callable[[Case], Awaitable[None]], seen: str) -> None:
    async with case(LENGTH) as one:
        with trio.fail_after(PATIENCE_S):
            await act(one)
        assert [state.name.lower() for state in one.answer.seen] == seen.split()


@pytest.mark.parametrize(
    ("row", "seen"), BODIES.items(), ids=lambda value: value[1].__name__ if len(value) == 2 else None
)
async def test_a_body_passes_through_these_states(
    row: tuple[bytes, Callable[[Case], Awaitable[None]]], seen: str
) -> None:
    head, act = row
    async with case(head) as one:
        with trio.fail_after(PATIENCE_S):
            await act(one)
        assert [state.name.lower() for state in one.body.seen] == seen.split()


def test_all_that_the_tables_allow_happens_and_nothing_else() -> None:
    assert set[tuple[str, str]]().union(*map(arrows, ANSWERS.values())) == arrows_of(ANSWER_STATES)
    assert set[tuple[str, str]]().union(*map(arrows, BODIES.values())) == arrows_of(BODY_STATES)
    assert (set(ANSWER_STATES), set(BODY_STATES)) == (set(AnswerState), set(BodyState))


async def test_who_has_sent_all_of_its_body_is_not_told_to_go_on() -> None:
    async with case(LENGTH + EXPECTS) as one:
        await take_all(one)
        await one.client.send_eof()
        with trio.fail_after(PATIENCE_S):
            assert await one.exchange.receive() == {"type": "http.disconnect"}
        await one.wire.close()
        assert await one.client.receive_some() == b""
