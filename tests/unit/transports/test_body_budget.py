"""Bodies on their way have a budget, shared by all clients: what is past it is 503, and what ends gives back."""

from typing import Any

import anyio
import pytest
import trio

from mcp_runtime.config.limits import Limits
from mcp_runtime.transports.http.body_budget import BodyBudget
from mcp_runtime.transports.http.request import (
    ClientGoneError,
    HttpRefusalError,
    headers_of,
    read_body,
    read_body_in_time,
)

ALONE = "127.0.0.1"


def budget(in_flight: int = 4096, longest: int = 2048) -> BodyBudget:
    return BodyBudget(Limits(max_body_bytes=longest, max_body_bytes_in_flight=in_flight, body_timeout_s=0.01))


class Client:
    """One request: `give` is the next piece of its body."""

    def __init__(self, bodies: BodyBudget, address: str | None = ALONE, length: int | None = None) -> None:
        headers = [] if length is None else [(b"content-length", b"%d" % length)]
        self.scope: dict[str, Any] = {"headers": headers, "client": None if address is None else (address, 1)}
        self.bodies = bodies
        self.is_asked = False
        self._send, self._receive = trio.open_memory_channel[dict[str, Any]](10)

    def give(self, piece: bytes, *, more: bool = True) -> None:
        self._send.send_nowait({"type": "http.request", "body": piece, "more_body": more})

    def leave(self) -> None:
        self._send.send_nowait({"type": "http.disconnect"})

    async def receive(self) -> Any:
        self.is_asked = True
        return await self._receive.receive()

    async def read(self) -> bytes:
        return await read_body(headers_of(self.scope), self.receive, self.scope, self.bodies)

    async def is_refused(self) -> bool:
        """Whether there is no room for it; where there is, it stalls until it is too late."""
        with pytest.raises(HttpRefusalError) as refused:
            await read_body_in_time(headers_of(self.scope), self.receive, self.scope, self.bodies)
        assert refused.value.status in {503, 408}
        if refused.value.status == 503:
            assert refused.value.headers == ((b"retry-after", b"1"), (b"connection", b"close"))
        return refused.value.status == 503


async def test_a_declared_body_takes_all_of_it_before_any_has_come() -> None:
    bodies = budget()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Client(bodies, length=2048).read)
        tasks.start_soon(Client(bodies, length=1024).read)
        await anyio.wait_all_tasks_blocked()
        assert bodies.shares.held == 3072
        assert not await Client(bodies, length=1024).is_refused()
        late = Client(bodies, length=1025)
        assert await late.is_refused()
        assert not late.is_asked
        tasks.cancel_scope.cancel()
    assert bodies.shares.held == 0


async def test_a_body_without_a_length_counts_as_it_comes() -> None:
    bodies = budget()
    chunked = Client(bodies)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chunked.read)
        for size in (1000, 2000):
            chunked.give(bytes(1000))
            await anyio.wait_all_tasks_blocked()
            assert bodies.shares.held == size
        tasks.start_soon(Client(bodies, length=2048).read)
        await anyio.wait_all_tasks_blocked()
        other = Client(bodies)
        other.give(bytes(48))
        assert not await other.is_refused()
        other = Client(bodies)
        other.give(bytes(49))
        assert await other.is_refused()
        tasks.cancel_scope.cancel()
    assert bodies.shares.held == 0


async def test_a_length_that_lies_is_counted_as_what_comes() -> None:
    bodies = budget()
    liar = Client(bodies, length=5)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(liar.read)
        liar.give(bytes(1500))
        await anyio.wait_all_tasks_blocked()
        assert bodies.shares.held == 1500
        tasks.cancel_scope.cancel()


async def test_whatever_ends_a_body_gives_back_what_it_held() -> None:
    bodies = budget()
    whole, gone, long = (Client(bodies, length=1000) for _ in range(3))
    whole.give(b"a")
    whole.give(b"b", more=False)
    assert await whole.read() == b"ab"
    gone.give(b"a")
    gone.leave()
    with pytest.raises(ClientGoneError):
        await gone.read()
    long.give(bytes(2049))
    with pytest.raises(HttpRefusalError):
        await long.read()
    assert not await Client(bodies, length=1000).is_refused()  # too late
    assert bodies.shares.held == 0


async def test_one_client_gets_half_and_another_finds_room() -> None:
    bodies = budget(8192)
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(Client(bodies, "192.0.2.1", length=2048).read)
        await anyio.wait_all_tasks_blocked()
        assert await Client(bodies, "192.0.2.1", length=1).is_refused()
        assert not await Client(bodies, "192.0.2.2", length=2048).is_refused()
        assert not await Client(bodies, None, length=2048).is_refused()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("address", [None, ALONE, "192.0.2.1"])
async def test_the_longest_body_fits_however_small_the_budget_is(address: str | None) -> None:
    assert not await Client(budget(1024, 2048), address, length=2048).is_refused()
