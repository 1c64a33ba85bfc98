"""Clients that leave, stall or write on: what an application hears of it, and what it costs."""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
import trio
import trio.testing
from starlette.types import Message, Receive, Scope, Send

from tests.unit.server.http1.http1_server import PARSERS, PATIENCE_S, Parser, Peer, reply, serving, whole_body

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"
LONG = b"y" * 5_000_000
"""More than the kernel takes from a server whose client does not read."""
OK: Message = {"type": "http.response.start", "status": 200, "headers": []}
DISCONNECT: Message = {"type": "http.disconnect"}


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest) -> Parser:
    found: Parser = request.param
    return found


async def close(peer: Peer) -> None:
    await peer.stream.aclose()


async def reset(peer: Peer) -> None:
    assert isinstance(peer.stream, trio.SocketStream)
    peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await peer.stream.aclose()


class TestReceive:
    @pytest.mark.parametrize("leave", [close, reset, Peer.end], ids=["close", "reset", "half-close"])
    async def test_it_tells_who_waits_that_the_client_has_left(
        self, leave: Callable[[Peer], object], parser: Parser
    ) -> None:
        got: list[Message] = []
        told = trio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await whole_body(receive)
            got.append(await receive())
            told.set()

        async with serving(app, parser=parser) as server, server.peer() as peer:
            await peer.send(GET)
            await trio.testing.wait_all_tasks_blocked()
            await leave(peer)  # type: ignore[misc]  # all three are to be awaited
            with trio.fail_after(PATIENCE_S):
                await told.wait()
        assert got == [DISCONNECT]

    @pytest.mark.parametrize("leave", [close, reset], ids=["close", "reset"])
    async def test_it_tells_in_the_middle_of_a_body(self, leave: Callable[[Peer], object], parser: Parser) -> None:
        told = trio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            with pytest.raises(ConnectionResetError):
                await whole_body(receive)
            told.set()

        async with serving(app, parser=parser) as server, server.peer() as peer:
            await peer.send(POST)
            await trio.testing.wait_all_tasks_blocked()
            await leave(peer)  # type: ignore[misc]  # both are to be awaited
            with trio.fail_after(PATIENCE_S):
                await told.wait()

    async def test_the_application_goes_on_until_it_returns(self, parser: Parser) -> None:
        go_on, returned = trio.Event(), trio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await whole_body(receive)
            await receive()
            await go_on.wait()
            await trio.lowlevel.checkpoint()
            returned.set()

        async with serving(app, parser=parser) as server:
            async with server.peer() as peer:
                await peer.send(GET)
            await trio.testing.wait_all_tasks_blocked()
            assert not returned.is_set()
            go_on.set()
            with trio.fail_after(PATIENCE_S):
                await returned.wait()

    async def test_a_client_that_only_sends_no_more_still_gets_its_answer(self, parser: Parser) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await whole_body(receive)
            assert await receive() == DISCONNECT
            await reply(send, b"still here")

        async with serving(app, parser=parser) as server, server.peer() as peer:
            await peer.send(GET)
            await peer.end()
            assert (await peer.answer()).body == b"still here"

    async def test_the_end_of_the_answer_is_told_too(self) -> None:
        got: list[Message] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            async with trio.open_nursery() as nursery:

                async def watch() -> None:
                    await whole_body(receive)
                    got.append(await receive())

                nursery.start_soon(watch)
                await trio.testing.wait_all_tasks_blocked()
                await reply(send, b"done")
            got.append(await receive())

        async with serving(app) as server, server.peer() as peer:
            for _ in range(2):
                await peer.send(GET)
                assert (await peer.answer()).body == b"done"
                await trio.testing.wait_all_tasks_blocked()
        assert got == [DISCONNECT] * 4

    async def test_a_request_sent_meanwhile_is_kept(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await whole_body(receive)
            with trio.move_on_after(0):
                await receive()
            if scope["raw_path"] == b"/":
                seen.set()
                await more.wait()
            with trio.move_on_after(0.05):
                assert await receive() != DISCONNECT
            await reply(send, scope["raw_path"])

        seen, more = trio.Event(), trio.Event()
        async with serving(app) as server, server.peer() as peer:
            await peer.send(GET)
            await seen.wait()
            await peer.send(GET.replace(b"/ ", b"/next ") + b"GET /th")
            more.set()
            assert (await peer.answer()).body == b"/"
            await peer.send(b"ird HTTP/1.1\r\nHost: a\r\n\r\n")
            assert [(await peer.answer()).body for _ in range(2)] == [b"/next", b"/third"]

    async def test_no_more_than_a_little_is_kept(self) -> None:
        go_on = trio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await whole_body(receive)
            if scope["raw_path"] == b"/":
                with trio.CancelScope() as scope_:
                    async with trio.open_nursery() as nursery:

                        async def watch() -> None:
                            await receive()

                        nursery.start_soon(watch)
                        await go_on.wait()
                        scope_.cancel()
            await reply(send, b"%d" % (scope["raw_path"] == b"/"))

        done = trio.Event()

        async def send_all() -> None:
            await peer.send(GET.replace(b"/ ", b"/next ") * 1_000_000)
            done.set()

        async with serving(app) as server, server.peer() as peer, trio.open_nursery() as nursery:
            await peer.send(GET)
            nursery.start_soon(send_all)
            await trio.testing.wait_all_tasks_blocked(0.05)
            # Sent, but for what both ends' kernels hold and 128 KiB of ours.
            assert not done.is_set()
            go_on.set()
            assert (await peer.answer()).body == b"1"
            assert (await peer.answer()).body == b"0"
            nursery.cancel_scope.cancel()

    async def test_one_task_may_wait_in_it_and_a_second_is_told_so(self) -> None:
        errors: list[type[BaseException]] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await whole_body(receive)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                await trio.testing.wait_all_tasks_blocked()
                with pytest.raises(trio.BusyResourceError) as caught:
                    await receive()
                errors.append(caught.type)
                await reply(send, b"done")

        async with serving(app) as server, server.peer() as peer:
            await peer.send(GET)
            assert (await peer.answer()).body == b"done"
        assert errors == [trio.BusyResourceError]


class TestSend:
    @pytest.mark.parametrize("leave", [close, reset], ids=["close", "reset"])
    async def test_it_fails_with_an_os_error_where_the_client_has_left(self, leave: Callable[[Peer], object]) -> None:
        """Hypercorn's own takes what is sent to nobody."""
        failed = trio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await whole_body(receive)
            try:
                await send(OK)
                while True:
                    await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
            except OSError:
                failed.set()
            with pytest.raises(OSError, match="left"):
                await send({"type": "http.response.body", "body": b""})

        async with serving(app) as server, server.peer() as peer:
            await peer.send(GET)
            await peer.head()
            await leave(peer)  # type: ignore[misc]  # both are to be awaited
            with trio.fail_after(PATIENCE_S):
                await failed.wait()

    async def test_it_wakes_who_waits_in_receive(self) -> None:
        got: list[Message] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await whole_body(receive)
            async with trio.open_nursery() as nursery:

                async def watch() -> None:
                    got.append(await receive())

                nursery.start_soon(watch)
                try:
                    await send(OK)
                    while True:
                        await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
                except OSError:
                    told.set()

        told = trio.Event()
        async with serving(app) as server, server.peer() as peer:
            await peer.send(GET)
            await peer.head()
            await reset(peer)
            with trio.fail_after(PATIENCE_S):
                await told.wait()
                await trio.testing.wait_all_tasks_blocked()
        assert got == [DISCONNECT]

    async def test_it_wakes_who_waits_behind_many_requests(self) -> None:
        got: list[Message] = []
        told = trio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await whole_body(receive)
            await send(OK)
            async with trio.open_nursery() as nursery:

                async def watch() -> None:
                    got.append(await receive())
                    told.set()

                nursery.start_soon(watch)
                await reset_now.wait()
                with suppress(ConnectionResetError):
                    while True:
                        await send({"type": "http.response.body", "body": b"x", "more_body": True})
                with trio.move_on_after(PATIENCE_S):
                    await told.wait()
                nursery.cancel_scope.cancel()

        reset_now = trio.Event()
        async with serving(app) as server, server.peer() as peer:
            await peer.send(GET)
            await peer.head()
            await peer.send(GET * 6000)
            await trio.testing.wait_all_tasks_blocked()
            await reset(peer)
            reset_now.set()
            with trio.fail_after(2 * PATIENCE_S):
                await told.wait()
        assert got == [DISCONNECT]

    async def test_it_waits_for_a_client_that_does_not_read(self, parser: Parser) -> None:
        """Memory is bounded by what the application gives in one piece."""
        sent = 0

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal sent
            await send(OK)
            while sent < 200:
                await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
                sent += 1
            await send({"type": "http.response.body", "body": b""})

        async with serving(app, parser=parser) as server, server.peer(receive_buffer_bytes=65_536) as peer:
            await peer.send(GET)
            await trio.testing.wait_all_tasks_blocked(0.05)
            stalled_at = sent
            assert stalled_at < 100
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert sent == stalled_at
            assert len((await peer.answer()).body) == 200 * 100_000

    async def test_a_stream_whose_client_takes_everything_leaves_others_their_turn(self) -> None:
        order: list[bytes] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["raw_path"] == b"/stream":
                await send(OK)
                for _ in range(1000):
                    await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await reply(send) if scope["raw_path"] == b"/" else await send({"type": "http.response.body", "body": b""})
            order.append(scope["raw_path"])

        async with serving(app) as server, server.peer() as greedy, server.peer() as modest:
            await trio.testing.wait_all_tasks_blocked()
            await greedy.send(GET.replace(b"/ ", b"/stream "))
            await modest.send(GET)
            await greedy.answer()
            await modest.answer()
        assert order == [b"/", b"/stream"]

    async def test_two_tasks_may_send(self, parser: Parser) -> None:
        pieces = [bytes([number]) * 300_000 for number in range(8)]

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(OK)
            async with trio.open_nursery() as nursery:
                for piece in pieces:
                    nursery.start_soon(send, {"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        async with serving(app, parser=parser) as server, server.peer(receive_buffer_bytes=65_536) as peer:
            await peer.send(GET)
            await trio.testing.wait_all_tasks_blocked()
            body = (await peer.answer()).body
        found = [body[at : at + 300_000] for at in range(0, len(body), 300_000)]
        assert sorted(found) == pieces

    async def test_a_piece_whose_sending_was_cancelled_is_sent_whole(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(OK)
            with trio.move_on_after(0.05) as timeout:
                await send({"type": "http.response.body", "body": b"x" * 20_000_000, "more_body": True})
            assert timeout.cancelled_caught
            with trio.move_on_after(0.05) as timeout:
                await send({"type": "http.response.body", "body": b"dropped", "more_body": True})
            assert timeout.cancelled_caught
            cancelled.set()
            await send({"type": "http.response.body", "body": b"end"})

        cancelled = trio.Event()
        async with serving(app) as server, server.peer(receive_buffer_bytes=65_536) as peer:
            await peer.send(GET)
            await cancelled.wait()
            body = (await peer.answer()).body
            assert (len(body), body[-4:]) == (20_000_003, b"xend")
            await peer.send(GET)  # And the connection is as good as new.
            assert (await peer.head()).status == 200

    @pytest.mark.parametrize("is_last", [True, False])
    async def test_a_piece_that_is_missed_ends_the_connection(self, *, is_last: bool) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({**OK, "headers": [(b"content-length", b"20000006")]})
            with trio.move_on_after(0.05):
                await send({"type": "http.response.body", "body": b"x" * 20_000_000, "more_body": True})
            with trio.move_on_after(0.05) as timeout:
                await send(
                    {"type": "http.response.body", "body": b"the end"[: 6 if is_last else 3], "more_body": not is_last}
                )
            assert timeout.cancelled_caught
            cancelled.set()
            if not is_last:
                with pytest.raises(ConnectionResetError):
                    await send({"type": "http.response.body", "body": b"end"})

        cancelled = trio.Event()
        async with serving(app) as server, server.peer(receive_buffer_bytes=65_536) as peer:
            await peer.send(GET + GET)
            await cancelled.wait()
            head = await peer.head()
            assert head.header("content-length") == "20000006"
            assert await peer.to_the_end() == b"x" * 20_000_000

    @pytest.mark.parametrize("size", [65_536, 65_537])
    async def test_a_body_whose_head_was_sent_is_sent_too_whoever_was_cancelled(self, size: int) -> None:
        """The head alone fills what the kernel holds; a body past 64 KiB goes out beside it, without being copied."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            with trio.move_on_after(0.05) as timeout:
                await reply(send, b"x" * size, headers=[(b"content-length", b"%d" % size), (b"x-long", LONG)])
            assert timeout.cancelled_caught
            cancelled.set()

        cancelled = trio.Event()
        async with serving(app) as server, server.peer(receive_buffer_bytes=65_536) as peer:
            await peer.send(GET + GET)
            with trio.fail_after(PATIENCE_S):
                await cancelled.wait()
                assert (await peer.head()).header("x-long") == LONG.decode()
                await peer.end()
                rest = await peer.to_the_end()
        assert rest[:size] == b"x" * size
        assert b"HTTP/1.1" in rest, "the next answer"

    @pytest.mark.parametrize("ending", [b"", b"Connection: close\r\n"], ids=["kept", "close"])
    async def test_the_end_of_an_answer_may_be_cancelled_too(self, ending: bytes) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            with trio.move_on_after(0.05):
                await reply(send, b"x" * 20_000_000)
            cancelled.set()

        cancelled = trio.Event()
        async with serving(app) as server, server.peer(receive_buffer_bytes=65_536) as peer:
            await peer.send(GET.replace(b"\r\n\r\n", b"\r\n" + ending + b"\r\n"))
            await cancelled.wait()
            assert len((await peer.answer()).body) == 20_000_000

    async def test_what_belongs_to_one_request_cannot_reach_the_next(self) -> None:
        kept: list[tuple[Receive, Send]] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            kept.append((receive, send))
            if len(kept) == 2:
                old_receive, old_send = kept[0]
                assert await old_receive() == {"type": "http.request", "body": b"", "more_body": False}
                assert await old_receive() == DISCONNECT
                with pytest.raises(RuntimeError):
                    await old_send(OK)
                with pytest.raises(RuntimeError):
                    await old_send({"type": "http.response.body", "body": b"late"})
            await reply(send, b"%d" % len(kept))

        async with serving(app) as server, server.peer() as peer:
            await peer.send(GET + b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            assert [(await peer.answer()).body for _ in range(2)] == [b"1", b"2"]
