"""Requests on one connection, one after another and all at once. What both parsers do the same is asked of both."""

import pytest
import trio
import trio.testing
from starlette.types import Message, Receive, Scope, Send

from tests.unit.server.http1.http1_server import PARSERS, PATIENCE_S, Parser, Peer, echo, reply, serving, whole_body

HOST = b"Host: a\r\n"


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest) -> Parser:
    found: Parser = request.param
    return found


def get(path: str = "/", extra: bytes = b"") -> bytes:
    return b"GET %b HTTP/1.1\r\n%b%b\r\n" % (path.encode(), HOST, extra)


def post(body: bytes, extra: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\n%bContent-Length: %d\r\n%b\r\n%b" % (HOST, len(body), extra, body)


async def test_a_connection_is_kept_for_the_next_request(parser: Parser) -> None:
    async with serving(echo, parser=parser) as server, server.peer() as peer:
        for number in range(3):
            await peer.send(post(b"%d" % number))
            answer = await peer.answer()
            assert (answer.status, answer.body) == (200, b"{POST / %d}" % number)
            assert answer.header("connection") is None


async def test_requests_sent_at_once_are_answered_in_order(parser: Parser) -> None:
    async with serving(echo, parser=parser) as server, server.peer() as peer:
        await peer.send(get("/0") + post(b"1") + get("/2", b"Connection: close\r\n"))
        assert [(await peer.answer()).body for _ in range(3)] == [b"{GET /0 }", b"{POST / 1}", b"{GET /2 }"]
        assert await peer.is_closed()


async def test_a_client_that_sends_no_more_gets_all_its_answers() -> None:
    async with serving(echo) as server, server.peer() as peer:
        await peer.send(get("/0") + get("/1"))
        await peer.end()
        assert [(await peer.answer()).body for _ in range(2)] == [b"{GET /0 }", b"{GET /1 }"]
        assert await peer.is_closed()


async def test_many_requests_at_once_leave_others_their_turn() -> None:
    order: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        order.append(scope["raw_path"])
        await reply(send)

    async with serving(app) as server, server.peer() as greedy, server.peer() as modest:
        await trio.testing.wait_all_tasks_blocked()
        await greedy.send(get("/many") * 1000)
        await modest.send(get("/one"))
        await modest.answer()
        for _ in range(1000):
            await greedy.answer()
    assert order.index(b"/one") < 1000


@pytest.mark.parametrize(
    "request_bytes",
    [get("/", b"Connection: close\r\n"), get("/", b"Connection: x, CLOSE\r\n"), b"GET / HTTP/1.0\r\n\r\n"],
    ids=["close", "close in a list", "1.0"],
)
async def test_a_connection_that_is_not_kept_says_so_and_is_closed(request_bytes: bytes, parser: Parser) -> None:
    async with serving(echo, parser=parser) as server, server.peer() as peer:
        await peer.send(request_bytes)
        answer = await peer.answer()
        assert (answer.body, answer.header("connection")) == (b"{GET / }", "close")
        assert await peer.is_closed()


async def test_a_connection_that_sends_nothing_and_ends_is_closed() -> None:
    async with serving(echo) as server, server.peer() as peer:
        await peer.end()
        assert await peer.is_closed()


class TestBodies:
    async def test_chunks_extensions_and_trailers(self, parser: Parser) -> None:
        chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        async with serving(echo, parser=parser) as server, server.peer() as peer:
            await peer.send(
                chunked + b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: dropped\r\n\r\n" + get("/next")
            )
            assert (await peer.answer()).body == b"{POST / abc0123456789}"
            assert (await peer.answer()).body == b"{GET /next }"

    async def test_empty_lines_in_chunks_end_nothing(self, parser: Parser) -> None:
        data = b"\r\n\r\n" * 3000 + b"0\r\n\r\n" * 3000
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (data[:1], data[1:5000], data[5000:]))
        async with serving(echo, parser=parser) as server, server.peer() as peer:
            await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
            await peer.send(get("/next"))
            assert (await peer.answer()).body == b"{POST / %b}" % data
            assert (await peer.answer()).body == b"{GET /next }"

    async def test_a_long_body_arrives_whole(self, parser: Parser) -> None:
        body = bytes(range(256)) * 12_000

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await reply(send, b"%d" % (await whole_body(receive) == body))

        async with serving(app, parser=parser) as server, server.peer() as peer:
            await peer.send(post(body))
            assert (await peer.answer()).body == b"1"

    async def test_a_short_body_is_one_message(self) -> None:
        got: list[Message] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            got.append(await receive())
            await reply(send)

        async with serving(app) as server, server.peer() as peer:
            await peer.send(get())
            await peer.answer()
            await peer.send(post(b"abc"))
            await peer.answer()
        assert got == [
            {"type": "http.request", "body": b"", "more_body": False},
            {"type": "http.request", "body": b"abc", "more_body": False},
        ]

    async def test_a_body_that_nobody_reads_is_skipped(self, parser: Parser) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await reply(send, scope["raw_path"])

        async with serving(app, parser=parser) as server, server.peer() as peer:
            await peer.send(post(b"abc") + get("/next"))
            assert (await peer.answer()).body == b"/"
            assert (await peer.answer()).body == b"/next"

    async def test_a_body_that_is_still_sent_when_its_answer_is_there_ends_the_connection(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await reply(send, b"no")

        async with serving(app) as server, server.peer() as peer:
            await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
            answer = await peer.answer()
            assert (answer.body, answer.header("connection")) == (b"no", "close")
            await peer.send(b"def" + get("/smuggled"))
            assert await peer.is_closed()

    @pytest.mark.parametrize("size_bytes", [5_000_000, 40_000_000])
    async def test_the_answer_arrives_although_the_body_is_not_read(self, size_bytes: int) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await reply(send, b"no", 413)

        async with serving(app) as server, server.peer() as peer, trio.open_nursery() as nursery:

            async def upload() -> None:
                try:
                    await peer.send(post(bytes(size_bytes)))
                except trio.BrokenResourceError:
                    assert size_bytes > 16_000_000, "it is not read to its end"

            nursery.start_soon(upload)
            assert (await peer.answer()).status == 413


async def test_a_refused_client_can_go_on_sending_until_it_reads_why() -> None:
    async with serving(echo) as server, server.peer() as peer:
        await peer.send(b"nonsense\r\n\r\n" + bytes(8_000_000))
        assert (await peer.answer()).status == 400


async def test_a_refused_client_cannot_go_on_for_ever(mock_clock: trio.testing.MockClock) -> None:
    """On a clock that stands still: it is not the time that ends it."""

    async def go_on(peer: Peer) -> None:
        for _ in range(1000):
            await peer.send(bytes(1_000_000))

    async with serving(echo) as server, server.peer() as peer:
        await peer.send(b"nonsense\r\n\r\n")
        with pytest.raises(trio.BrokenResourceError):
            await go_on(peer)


class TestContinue:
    EXPECT = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"

    async def test_a_client_that_waits_for_100_gets_it(self, parser: Parser) -> None:
        async with serving(echo, parser=parser) as server, server.peer() as peer:
            await peer.send(self.EXPECT)
            assert (await peer.answer()).status == 100
            await peer.send(b"abc")
            assert (await peer.answer()).body == b"{POST / abc}"

    async def test_one_whose_body_nobody_wants_gets_its_answer_instead(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await reply(send, b"no", 413)

        async with serving(app) as server, server.peer() as peer:
            await peer.send(self.EXPECT)
            answer = await peer.answer()
            assert (answer.status, answer.header("connection")) == (413, "close")

    async def test_one_that_did_not_wait_does_not_get_it(self) -> None:
        async with serving(echo) as server, server.peer() as peer:
            await peer.send(self.EXPECT + b"abc")
            assert (await peer.answer()).status == 200

    async def test_it_does_not_come_in_the_middle_of_an_answer(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            body = await whole_body(receive)
            await send({"type": "http.response.body", "body": body})

        async with serving(app) as server, server.peer() as peer:
            await peer.send(self.EXPECT)
            await trio.testing.wait_all_tasks_blocked()
            await peer.send(b"abc")
            assert (await peer.answer()).body == b"abc"

    async def test_1_0_does_not_know_it(self) -> None:
        async with serving(echo) as server, server.peer() as peer:
            await peer.send(self.EXPECT.replace(b"1.1", b"1.0") + b"ab")
            await trio.testing.wait_all_tasks_blocked()
            await peer.send(b"c")
            assert (await peer.answer()).status == 200


class TestDrain:
    async def test_idle_connections_are_closed_at_once(self, parser: Parser) -> None:
        async with (
            serving(echo, parser=parser) as server,
            server.peer() as new,
            server.peer() as used,
            server.peer() as slow,
        ):
            await used.send(get())
            await used.answer()
            await slow.send(b"GET / HTTP/1.1\r\n")
            await trio.testing.wait_all_tasks_blocked()
            server.draining.set()
            with trio.fail_after(PATIENCE_S):
                assert [await peer.is_closed() for peer in (new, used, slow)] == [True, True, True]
                await server.ended.wait()

    async def test_an_answer_under_way_is_finished_and_says_that_it_is_the_last(self, parser: Parser) -> None:
        go_on = trio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await go_on.wait()
            await reply(send, b"done")

        async with serving(app, parser=parser) as server, server.peer() as peer:
            await peer.send(get())
            await trio.testing.wait_all_tasks_blocked()
            server.draining.set()
            await trio.testing.wait_all_tasks_blocked()
            assert not server.ended.is_set()
            go_on.set()
            answer = await peer.answer()
            assert (answer.body, answer.header("connection")) == (b"done", "close")
            assert await peer.is_closed()
            await server.ended.wait()

    async def test_a_stream_under_way_ends_its_connection_although_it_could_not_say_so(self, parser: Parser) -> None:
        go_on = trio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await go_on.wait()
            await send({"type": "http.response.body", "body": b"done"})

        async with serving(app, parser=parser, drain_grace_s=1000.0) as server, server.peer() as peer:
            await peer.send(get())
            await trio.testing.wait_all_tasks_blocked()
            server.draining.set()
            await trio.testing.wait_all_tasks_blocked()
            go_on.set()
            answer = await peer.answer()
            assert (answer.body, answer.header("connection")) == (b"done", None)
            with trio.fail_after(PATIENCE_S):
                assert await peer.is_closed()
                await server.ended.wait()

    async def test_what_takes_longer_than_the_grace_period_is_cut(self, parser: Parser) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            await trio.sleep_forever()

        async with serving(app, parser=parser, drain_grace_s=0.0) as server, server.peer() as peer:
            await peer.send(get())
            await peer.until(b"begun")
            server.draining.set()
            assert not (await peer.to_the_end()).endswith(b"0\r\n\r\n")
            await server.ended.wait()
