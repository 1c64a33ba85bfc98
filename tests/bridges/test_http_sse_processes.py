"""A stream at one process, its messages posted to another. Rule: the bus carries them, and who has no bus is told."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mcp_bridges.attach import AttachedBridges
from mcp_bridges.http_bridge import HttpBridges
from mcp_bridges.http_sse import _MAX_PENDING
from mcp_runtime.runtime import Runtime
from mcp_runtime.state.engines import State, open_state
from tests.support.clocks import Backend, run
from tests.support.http_client import HttpClient, http_client
from tests.support.legacy_wires import (
    Doorkeeper,
    OldSseClient,
    made,
    old,
    old_http,
    old_sse,
    result,
    text_of,
)
from tests.support.messages import accepted
from tests.support.settings import settings

if TYPE_CHECKING:
    from mcp_runtime.transports.watch import Watch

BACKENDS: tuple[Backend, ...] = ("trio", "asyncio")
both = pytest.mark.parametrize("backend", BACKENDS)


class SharingBridges(AttachedBridges):
    """Bridges of a process that keeps its state where others do."""

    def __init__(self, runtime: Runtime, state: State, gate: Doorkeeper) -> None:
        super().__init__(runtime, gate=gate)
        self._state = state

    def http(self, watch: "Watch") -> HttpBridges:
        parts = replace(super().http(watch)._parts, state=self._state)
        self._http = HttpBridges(parts, self._setting("http_sse"), now=self._now)
        return self._http


@asynccontextmanager
async def two_processes(gate: Doorkeeper | None = None) -> AsyncGenerator[tuple[HttpClient, HttpClient], None]:
    """Two of them, with one state; `gate` is that of the second."""
    state = open_state(settings())

    def process(doorkeeper: Doorkeeper) -> Runtime:
        runtime = made(settings(), [])
        return replace(runtime, bridges=SharingBridges(runtime, state, doorkeeper))

    async with (
        http_client(process(Doorkeeper()), []) as one,
        http_client(process(gate or Doorkeeper()), []) as two,
    ):
        yield one, two


@asynccontextmanager
async def posting_to(other: HttpClient, client: OldSseClient) -> AsyncGenerator[None, None]:
    """What the client posts goes to another process."""
    own, client.http = client.http, other
    try:
        yield
    finally:
        client.http = own


@both
def test_what_is_posted_to_another_process_reaches_the_stream(backend: Backend) -> None:
    async def test() -> None:
        async with two_processes() as (one, two), old_sse(one) as client, posting_to(two, client):
            await client.open()
            assert text_of(await client.tool("echo", text="from afar")) == "from afar"
            call = await client.start_tool("greet")
            await client.say(result((await client.question())["id"], accepted(name="Ada")))
            assert text_of(await client.response(call)) == "Hello, Ada!"
            await client.open("2025-03-26")
            await client.say([old("ping", id=1), old("ping", id=2)])
            assert len(await client.take(lambda message: isinstance(message, list))) == 2
            assert (await client.ask("no/such"))["error"]["code"] == -32601

    run(backend, test)


@both
def test_the_process_that_takes_the_post_asks_its_own_gate(backend: Backend) -> None:
    async def test() -> None:
        gate = Doorkeeper()
        async with two_processes(gate) as (one, two), old_sse(one) as client, posting_to(two, client):
            assert (await client.ask("ping"))["result"] == {}
            await client.post([old("ping")])
            seen = [(one.method, one.features, one.revision) for one in gate.seen]
            assert seen == [
                ("ping", ("transport.http_sse",), None),
                (None, ("transport.http_sse", "jsonrpc.batch"), None),
            ]

    run(backend, test)


@both
def test_a_stream_that_has_ended_is_gone_everywhere(backend: Backend) -> None:
    async def test() -> None:
        async with two_processes() as (one, two):
            async with old_sse(one) as client:
                await client.open()
            async with posting_to(two, client):
                assert (await client.post(old("ping"))).status == 404

    run(backend, test)


@both
def test_a_stalled_stream_takes_no_more_from_afar_than_it_has_room_for(backend: Backend) -> None:
    async def test() -> None:
        async with two_processes() as (one, two), old_sse(one) as client, posting_to(two, client):
            await client.open()
            client.stall()
            statuses = [(await client.post(old("ping", id=number))).status for number in range(40)]
            taken = statuses.count(202)
            assert _MAX_PENDING <= taken <= _MAX_PENDING + 4
            assert set(statuses[taken:]) == {404}
            client.resume()
            assert [message["id"] for message in await client.arrived()] == list(range(taken))

    run(backend, test)


@both
def test_without_a_common_state_the_client_is_told_why(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as one, old_http() as two, old_sse(one) as client, posting_to(two, client):
            response = await client.post(old("ping"))
            assert response.status == 404
            assert b"shared store" in response.body
            assert await client.arrived() == []

    run(backend, test)
