"""The way around ASGI's messages: what it answers is what two messages would have answered, and it takes no body twice."""

import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import pytest
import trio
import trio.testing
from starlette.types import Receive, Scope, Send

from mcp_runtime.transports.http.direct import DIRECT, Direct, Fields, direct_of
from tests.unit.server.http1.http1_server import PARSERS, PATIENCE_S, Answer, reply, serving, whole_body

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
PLAIN: Fields = ((b"content-type", b"text/plain"),)

Act = Callable[[Direct, Receive, Send], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def acting(act: Act) -> App:
    """An application that does `act`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        direct = direct_of(scope)
        assert direct is not None
        await act(direct, receive, send)

    return app


async def answer(direct: Direct, body: bytes = b"", status: int = 200, headers: Fields = PLAIN) -> None:
    if rest := direct.answer(status, headers, body):
        await rest


async def answers(app: App, *requests: bytes, count: int = 1, is_head: bool = False) -> list[Answer]:
    """The first answers on one connection."""
    async with serving(app) as server, server.peer() as peer:
        for request in requests:
            await peer.send(request)
        return [await peer.answer(head_only=is_head) for _ in range(count)]


def shown(found: list[Answer]) -> list[tuple[int, list[tuple[str, str]], bytes]]:
    """What does not depend on the second, or on the order of fields."""
    return [(one.status, sorted(field for field in one.headers if field[0] != "date"), one.body) for one in found]


@pytest.mark.parametrize(
    "request_bytes",
    [
        GET,
        b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab",  # its body is in the way of the next request
    ],
)
@pytest.mark.parametrize("status", [200, 202, 204, 304, 404, 599])
@pytest.mark.parametrize("body", [b"", b"abc", b"x" * 70_000])
async def test_it_answers_what_two_messages_would(request_bytes: bytes, status: int, body: bytes) -> None:
    has_body = status not in {204, 304}

    async def at_once(direct: Direct, receive: Receive, send: Send) -> None:
        await answer(direct, body, status)

    async def in_two(scope: Scope, receive: Receive, send: Send) -> None:
        length = [(b"content-length", b"%d" % len(body))] if has_body else []
        await reply(send, body, status, [*PLAIN, *length])

    is_head = request_bytes.startswith(b"HEAD")
    ours = await answers(acting(at_once), request_bytes, is_head=is_head)
    assert shown(ours) == shown(await answers(in_two, request_bytes, is_head=is_head))
    assert ours[0].status == status


async def test_a_connection_goes_on_after_it() -> None:
    async def act(direct: Direct, receive: Receive, send: Send) -> None:
        await answer(direct, direct.take_body() or b"")

    found = await answers(acting(act), POST + b"abc" + POST + b"def" + GET + POST + b"ghi", count=4)
    assert [one.body for one in found] == [b"abc", b"def", b"", b"ghi"]


async def test_a_client_that_reads_slowly_gets_all_of_it() -> None:
    body = bytes(range(256)) * 40_000
    waited: list[bool] = []

    async def act(direct: Direct, receive: Receive, send: Send) -> None:
        rest = direct.answer(200, PLAIN, body)
        waited.append(rest is not None)
        assert rest is not None
        await rest

    async with serving(acting(act)) as server, server.peer() as peer:
        for _ in range(2):
            await peer.send(GET)
            assert (await peer.answer()).body == body
    assert waited == [True, True]


async def test_an_answer_whose_sender_is_cut_off_is_sent_to_its_end() -> None:
    body = bytes(range(256)) * 40_000

    async def act(direct: Direct, receive: Receive, send: Send) -> None:
        with trio.CancelScope() as scope:
            rest = direct.answer(200, PLAIN, body)
            assert rest is not None
            scope.cancel()
            await rest
        assert scope.cancelled_caught

    async with serving(acting(act)) as server, server.peer(receive_buffer_bytes=4096) as peer:
        await peer.send(GET + GET)
        assert [(await peer.answer()).body == body for _ in range(2)] == [True, True]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, ((b"content-length", b"3"),)),
        (200, ((b"x", b"a\r\nb: c"),)),
        (200, ((b"x y", b"a"),)),
        (100, ()),
        (1000, ()),
    ],
)
async def test_what_is_no_answer_is_refused_and_fails_the_request(status: int, headers: Fields) -> None:
    raised: list[type[Exception]] = []

    async def act(direct: Direct, receive: Receive, send: Send) -> None:
        try:
            direct.answer(status, headers, b"abc")
        except ValueError as error:
            raised.append(type(error))
            raise

    [found] = await answers(acting(act), GET)
    assert (found.status, found.header("connection"), raised) == (500, "close", [ValueError])


async def test_a_request_has_one_answer() -> None:
    raised: list[str] = []

    async def act(direct: Direct, receive: Receive, send: Send) -> None:
        await answer(direct, b"first")
        for again in (answer(direct, b"second"), reply(send, b"third")):
            with pytest.raises(RuntimeError) as error:
                await again
            raised.append(str(error.value))

    async def begun(direct: Direct, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        with pytest.raises(RuntimeError, match="has its answer"):
            await answer(direct, b"second")
        await send({"type": "http.response.body", "body": b"first"})

    for app in (acting(act), acting(begun)):
        found = await answers(app, GET, GET, count=2)
        assert [one.body for one in found] == [b"first", b"first"]
    assert len(raised) == 4


async def test_a_client_that_has_left_is_told_of_as_by_send() -> None:
    told = trio.Event()

    async def act(direct: Direct, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        for _ in range(2):
            with pytest.raises(ConnectionResetError):
                await answer(direct, b"x" * 10)
        told.set()

    async with serving(acting(act)) as server:
        async with server.peer() as peer:
            await peer.send(GET)
            await trio.testing.wait_all_tasks_blocked()
            assert isinstance(peer.stream, trio.SocketStream)
            peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with trio.fail_after(PATIENCE_S):
            await told.wait()


async def test_a_draining_server_says_that_it_is_the_last() -> None:
    at_work, go_on = trio.Event(), trio.Event()

    async def act(direct: Direct, receive: Receive, send: Send) -> None:
        at_work.set()
        await go_on.wait()
        await answer(direct, b"abc")

    async with serving(acting(act)) as server, server.peer() as peer:
        await peer.send(GET)
        await at_work.wait()
        server.draining.set()
        await trio.testing.wait_all_tasks_blocked()
        go_on.set()
        found = await peer.answer()
        assert (found.body, found.header("connection")) == (b"abc", "close")
        assert await peer.is_closed()


class TestBody:
    async def test_it_is_taken_once_and_is_all(self) -> None:
        taken: list[bytes | None] = []

        async def act(direct: Direct, receive: Receive, send: Send) -> None:
            taken.extend((direct.take_body(), direct.take_body()))
            await answer(direct)

        await answers(acting(act), POST + b"abc", GET, count=2)
        assert taken == [b"abc", None, b"", None]

    @pytest.mark.parametrize("parts", [(POST, b"abc"), (POST + b"ab", b"c"), (CHUNKED,)])
    async def test_what_has_not_come_yet_or_comes_in_chunks_is_received(self, parts: tuple[bytes, ...]) -> None:
        taken: list[bytes | None] = []
        looked = trio.Event()

        async def act(direct: Direct, receive: Receive, send: Send) -> None:
            taken.append(direct.take_body())
            looked.set()
            await answer(direct, await whole_body(receive))

        async with serving(acting(act)) as server, server.peer() as peer:
            await peer.send(parts[0])
            await looked.wait()
            for part in parts[1:]:
                await peer.send(part)
            assert (await peer.answer()).body == b"abc"
        assert taken == [None]

    async def test_what_was_received_is_not_taken_again(self) -> None:
        async def act(direct: Direct, receive: Receive, send: Send) -> None:
            assert await whole_body(receive) == b"abc"
            assert direct.take_body() is None
            await answer(direct)

        assert [one.status for one in await answers(acting(act), POST + b"abc")] == [200]

    async def test_once_it_is_taken_only_the_end_is_received(self) -> None:
        received: list[str] = []
        ended = trio.Event()

        async def act(direct: Direct, receive: Receive, send: Send) -> None:
            assert direct.take_body() == b"abc"
            received.append((await receive())["type"])
            with suppress(ConnectionResetError):
                await answer(direct)
            ended.set()

        async with serving(acting(act)) as server:
            async with server.peer() as peer:
                await peer.send(POST + b"abc" + GET[:10])
                await trio.testing.wait_all_tasks_blocked()
                assert received == []
            with trio.fail_after(PATIENCE_S):
                await ended.wait()
        assert received == ["http.disconnect"]


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        (b"X-A: 1\r\n", {b"host": b"a", b"x-a": b"1"}),
        (b"X-A:  1 \r\nx-a:2\r\n", None),
    ],
)
async def test_headers_are_there_by_name_where_each_comes_once(
    fields: bytes, headers: dict[bytes, bytes] | None
) -> None:
    seen: list[Mapping[bytes, bytes] | None] = []

    async def act(direct: Direct, receive: Receive, send: Send) -> None:
        seen.append(direct.headers)
        await answer(direct)

    await answers(acting(act), b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % fields)
    assert seen == [headers]


async def test_other_servers_have_none() -> None:
    assert direct_of({"type": "http"}) is None
    assert direct_of({"type": "http", "extensions": None}) is None
    assert direct_of({"type": "http", "extensions": {"http.response.push": {}}}) is None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (direct_of(scope) is None) == (DIRECT not in scope["extensions"])
        await reply(send, b"" if direct_of(scope) is None else b"ours")

    for parser, body in zip(PARSERS, (b"ours", b""), strict=True):
        async with serving(app, parser=parser) as server, server.peer() as peer:
            await peer.send(GET)
            assert (await peer.answer()).body == body
