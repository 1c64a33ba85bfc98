"""How much one client may send, and how slowly: at the edge it is served, past it is refused."""

import os
from collections.abc import AsyncGenerator

import pytest
import trio
import trio.testing
from starlette.types import Receive, Scope, Send

from mcp_runtime.config.limits import Limits
from tests.unit.server.http1.http1_server import Served, echo, reply, serving

LIMITS = Limits(max_request_line_bytes=256, max_header_bytes=2048, max_headers=16, header_timeout_s=5.0)
LINE = b"GET / HTTP/1.1\r\n"
HOST = b"Host: a\r\n"


@pytest.fixture
async def server() -> AsyncGenerator[Served]:
    async with serving(echo, limits=LIMITS, idle_timeout_s=20.0) as server:
        yield server


def padded(size: int) -> bytes:
    """A head of so many bytes."""
    start = LINE + HOST + b"X: "
    return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


def of_line(size: int) -> bytes:
    """A head whose first line has so many bytes."""
    return b"GET /" + b"x" * (size - 14) + b" HTTP/1.1\r\n" + HOST + b"\r\n"


def of_fields(count: int) -> bytes:
    return LINE + HOST + b"X: y\r\n" * (count - 1) + b"\r\n"


class TestSize:
    @pytest.mark.parametrize(
        ("at_the_edge", "past_it", "status"),
        [
            (of_line(256), of_line(257), 414),
            (padded(2048), padded(2049), 431),
            (of_fields(16), of_fields(17), 431),
        ],
        ids=["request line", "head", "fields"],
    )
    async def test_at_the_edge_it_is_served_and_past_it_refused(
        self, at_the_edge: bytes, past_it: bytes, status: int, server: Served
    ) -> None:
        assert await server.statuses(at_the_edge) == [200]
        assert await server.statuses(past_it) == [status]
        assert await server.statuses(at_the_edge + past_it) == [200, status]
        for data, expected in ((at_the_edge, 200), (past_it, status)):
            assert await server.statuses(*(data[at : at + 1] for at in range(len(data)))) == [expected]

    @pytest.mark.parametrize(
        ("beginning", "status"),
        [(b"x" * 300, 414), (LINE + HOST + b"X: " + b"y" * 2048, 431), (LINE + b"X: y\r\n" * 400, 431)],
        ids=["request line", "field", "fields"],
    )
    async def test_a_head_without_end_is_refused_before_its_end(
        self, beginning: bytes, status: int, server: Served
    ) -> None:
        async with server.peer() as peer:
            await peer.send(beginning)
            assert (await peer.answer()).status == status

    @pytest.mark.parametrize(
        "rest",
        [b"0\r\n" + b"x: y\r\n" * 40_000 + b"\r\n", b"3;" + b"x" * 200_000 + b"\r\nabc\r\n0\r\n\r\n"],
        ids=["trailers", "chunk extension"],
    )
    async def test_what_is_no_body_in_a_chunked_body_is_limited_like_a_head(self, rest: bytes, server: Served) -> None:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        assert await server.statuses(head + rest) == [431]

    async def test_both_parsers_take_a_head_as_long(self) -> None:
        data = padded(30_000)
        for parser in ("httptools", "h11"):
            async with serving(echo, parser=parser) as server:
                assert await server.statuses(data) == [200]


class TestSlowness:
    """On a clock that the tests turn. The watch looks no more often than ten times a second."""

    async def test_a_new_connection_that_says_nothing_is_closed(
        self, mock_clock: trio.testing.MockClock, server: Served
    ) -> None:
        async with server.peer() as peer:
            await _pass(mock_clock, 19.9)
            await peer.send(LINE + HOST + b"\r\n")
            assert (await peer.answer()).status == 200
            await _pass(mock_clock, 19.9)
            await peer.send(LINE + HOST + b"\r\n")
            assert (await peer.answer()).status == 200
            await _pass(mock_clock, 20.2)
            assert await peer.is_closed()

    @pytest.mark.parametrize("is_first", [True, False], ids=["first", "second"])
    async def test_a_head_that_trickles_is_408(
        self, is_first: bool, mock_clock: trio.testing.MockClock, server: Served
    ) -> None:
        async with server.peer() as peer:
            if not is_first:
                await peer.send(LINE + HOST + b"\r\n")
                await peer.answer()
            await _pass(mock_clock, 10.0)
            await peer.send(LINE)
            for _ in range(4):
                await _pass(mock_clock, 1.2)
                await peer.send(b"X: y\r\n")
            await _pass(mock_clock, 0.5)
            answer = await peer.answer()
            assert (answer.status, answer.header("connection")) == (408, "close")
            await _pass(mock_clock, 2.0)
            assert await peer.is_closed()

    async def test_a_head_gets_no_more_time_than_the_connection_had(
        self, mock_clock: trio.testing.MockClock, server: Served
    ) -> None:
        async with server.peer() as peer:
            await _pass(mock_clock, 19.0)
            await peer.send(LINE)
            await _pass(mock_clock, 1.2)
            assert (await peer.answer()).status == 408

    async def test_an_application_is_never_late(self, mock_clock: trio.testing.MockClock) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await trio.sleep(10_000)
            await reply(send, b"done")

        async with serving(app, limits=LIMITS) as server, server.peer() as peer:
            await peer.send(LINE + HOST + b"\r\n")
            for _ in range(10):
                await _pass(mock_clock, 999)
            await _pass(mock_clock, 11)
            assert (await peer.answer()).body == b"done"

    async def test_a_request_that_comes_as_its_time_is_over_is_served_or_closed_but_not_cancelled(
        self, mock_clock: trio.testing.MockClock
    ) -> None:
        cancelled = 0

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal cancelled
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled:
                cancelled += 1
                raise
            await reply(send)

        async with serving(app, limits=LIMITS) as server:
            for _ in range(30):  # Which of the two is the first to run is a matter of chance.
                async with server.peer() as peer:
                    await trio.testing.wait_all_tasks_blocked()
                    assert isinstance(peer.stream, trio.SocketStream)
                    os.write(peer.stream.socket.fileno(), LINE + HOST + b"\r\n")
                    await _pass_at_once(mock_clock, 76.0)
        assert cancelled == 0

    async def test_a_refused_client_that_never_leaves_is_left(
        self, mock_clock: trio.testing.MockClock, server: Served
    ) -> None:
        async with server.peer() as peer:
            await peer.send(b"nonsense\r\n\r\n")
            assert (await peer.answer()).status == 400
            await _pass(mock_clock, 1.9)
            await peer.send(b"more")
            await _pass(mock_clock, 0.2)
            assert await peer.is_closed()


async def _pass(clock: trio.testing.MockClock, seconds: float) -> None:
    """Let so much time pass, and everyone do what it was time for."""
    await trio.testing.wait_all_tasks_blocked()
    clock.jump(seconds)
    await trio.testing.wait_all_tasks_blocked()


async def _pass_at_once(clock: trio.testing.MockClock, seconds: float) -> None:
    """Let so much time pass before anyone has done what there was to do."""
    clock.jump(seconds)
    await trio.testing.wait_all_tasks_blocked()
