"""The connection's cancel scope, lent to an application for a request: what it cuts off, and what it does not."""

from collections.abc import Awaitable, Callable
from functools import partial
from math import inf

import pytest
import trio
import trio.testing
from starlette.types import Receive, Scope, Send

from mcp_runtime.platform.lent_scope import LentScope
from mcp_runtime.transports.http.direct import DIRECT
from tests.unit.server.http1.http1_server import reply, serving

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"

Act = Callable[[LentScope, Send], Awaitable[None]]


def borrowing(act: Act) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """An application that answers 200 once `act` has returned, and 503 where it was cut off in it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        lent: LentScope = scope["extensions"][DIRECT].lent
        lent.conclude = partial(reply, send, status=503)
        await act(lent, send)
        await lent.give_back()
        await reply(send)

    return app


async def statuses(act: Act, count: int = 2, *, request: bytes = GET) -> list[int]:
    """The answers to so many requests on one connection."""
    async with serving(borrowing(act)) as server, server.peer() as peer:
        found: list[int] = []
        for _ in range(count):
            await peer.send(request)
            found.append((await peer.answer()).status)
        return found


async def test_what_is_cancelled_is_left_and_concluded_and_the_connection_goes_on() -> None:
    async def act(lent: LentScope, send: Send) -> None:
        lent.cancel()
        await trio.sleep_forever()

    assert await statuses(act, 3) == [503, 503, 503]


async def test_a_deadline_cuts_off() -> None:
    async def act(lent: LentScope, send: Send) -> None:
        lent.deadline = trio.current_time()
        assert lent.deadline < inf
        await trio.sleep_forever()

    assert await statuses(act) == [503, 503]


async def test_who_would_not_stop_is_stopped_when_giving_back() -> None:
    async def act(lent: LentScope, send: Send) -> None:
        lent.cancel()

    assert await statuses(act) == [503, 503]


async def test_a_deadline_that_did_not_pass_is_none_of_the_next_request() -> None:
    seen: list[tuple[float, float]] = []

    async def act(lent: LentScope, send: Send) -> None:
        before = lent.deadline
        lent.deadline = trio.current_time() + 3600
        seen.append((before, lent.deadline))

    assert await statuses(act) == [200, 200]
    assert [before for before, _ in seen] == [inf, inf]
    assert all(after < inf for _, after in seen)


async def test_once_given_back_nothing_is_cut_off() -> None:
    kept: list[LentScope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        lent: LentScope = scope["extensions"][DIRECT].lent
        kept.append(lent)
        await lent.give_back()
        for one in kept:
            one.cancel()
            one.deadline = 0
            assert one.deadline == inf
        await trio.lowlevel.checkpoint()
        await reply(send)

    async with serving(app) as server, server.peer() as peer:
        for _ in range(2):
            await peer.send(GET)
            assert (await peer.answer()).status == 200


async def test_who_does_not_give_it_back_has_it_taken() -> None:
    kept: list[LentScope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        lent: LentScope = scope["extensions"][DIRECT].lent
        lent.deadline = trio.current_time() + 3600
        kept.append(lent)
        await reply(send)

    async with serving(app) as server, server.peer() as peer:
        for _ in range(2):
            await peer.send(GET)
            assert (await peer.answer()).status == 200
        for one in kept[:1]:
            one.cancel()
        await peer.send(GET)
        assert (await peer.answer()).status == 200


async def test_an_application_that_raises_all_the_same_has_failed() -> None:
    async def act(lent: LentScope, send: Send) -> None:
        lent.cancel()
        raise ValueError("of its own")

    assert await statuses(act, 1) == [500]


@pytest.mark.parametrize("beside", [None, ValueError("of its own")])
async def test_what_a_nursery_raises_is_told_apart(beside: Exception | None) -> None:
    async def act(lent: LentScope, send: Send) -> None:
        async def wait() -> None:
            try:
                await trio.sleep_forever()
            finally:
                if beside is not None:
                    raise beside

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            nursery.start_soon(trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            lent.cancel()

    assert await statuses(act, 1) == [503 if beside is None else 500]


async def test_cut_off_without_an_answer_to_give_is_the_end_of_the_connection() -> None:
    async def act(lent: LentScope, send: Send) -> None:
        lent.conclude = None
        lent.cancel()
        await trio.sleep_forever()

    assert await statuses(act, 1) == [500]


async def test_the_rest_of_a_body_is_not_taken_for_a_request() -> None:
    async def act(lent: LentScope, send: Send) -> None:
        lent.cancel()
        await trio.sleep_forever()

    async with serving(borrowing(act)) as server, server.peer() as peer:
        await peer.send(POST + b"ab")
        answer = await peer.answer()
        assert answer.status == 503
        assert ("connection", "close") in answer.headers


async def test_a_server_that_drains_answers_what_was_cut_off_and_closes() -> None:
    began, drained = trio.Event(), trio.Event()

    async def act(lent: LentScope, send: Send) -> None:
        began.set()
        await drained.wait()
        lent.cancel()
        await trio.sleep_forever()

    async with serving(borrowing(act)) as server, server.peer() as peer:
        await peer.send(GET)
        await began.wait()
        server.draining.set()
        await trio.testing.wait_all_tasks_blocked()
        drained.set()
        answer = await peer.answer()
        assert answer.status == 503
        assert ("connection", "close") in answer.headers


async def test_the_end_of_the_process_is_let_through() -> None:
    async def act(lent: LentScope, send: Send) -> None:
        raise KeyboardInterrupt

    with pytest.raises(BaseExceptionGroup) as raised:
        await statuses(act, 1)
    assert raised.value.split(KeyboardInterrupt)[1] is None
