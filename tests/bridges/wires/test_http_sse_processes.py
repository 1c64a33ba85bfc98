"""A stream at one process, its messages posted to another. Rule: the bus carries them, and who has no bus is told."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from mcp_bridges.gate.port import Refusal
from mcp_bridges.wires.http_sse import _MAX_PENDING
from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.config import BridgesConfig, Config
from mcp_runtime.config.sections import HttpSseConfig
from mcp_runtime.state.engines import State, open_state
from mcp_runtime.state.memory import MemoryBus
from tests.support.clocks import Backend, run
from tests.support.http_client import HttpClient, http_client
from tests.support.legacy_messages import old, opening, result, text_of
from tests.support.messages import accepted
from tests.support.raw_wires import Doorkeeper, RawSseClient, made, old_http, old_sse
from tests.support.settings import settings

BACKENDS: tuple[Backend, ...] = ("trio", "asyncio")
both = pytest.mark.parametrize("backend", BACKENDS)


def process(state: State, gate: Doorkeeper | None = None, config: Config | None = None) -> Runtime:
    """One of several processes with one state."""
    return made(config or settings(), [], gate=gate or Doorkeeper(), state=state)


@asynccontextmanager
async def two_processes(gate: Doorkeeper | None = None) -> AsyncGenerator[tuple[HttpClient, HttpClient], None]:
    """Two of them; `gate` is that of the second."""
    state = open_state(settings())
    async with http_client(process(state), []) as one, http_client(process(state, gate), []) as two:
        yield one, two


@asynccontextmanager
async def posting_to(other: HttpClient, client: RawSseClient) -> AsyncGenerator[None, None]:
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
            await client.post(result("nobody's", {}))
            await client.post([old("ping")])
            await client.post(opening())
            seen = [(one.method, one.features, one.revision, one.opening) for one in gate.seen]
            assert seen == [
                ("ping", ("transport.http_sse",), None, False),
                (None, ("transport.http_sse",), None, False),
                (None, ("transport.http_sse", "jsonrpc.batch"), None, False),
                ("initialize", ("transport.http_sse", "protocol.handshake"), None, True),
            ]

    run(backend, test)


@both
def test_a_call_whose_answer_another_process_refuses_for_good_does_not_wait_for_another(backend: Backend) -> None:
    shut: list[Refusal] = []

    async def test() -> None:
        gate = Doorkeeper(lambda sighting: shut[0] if shut and sighting.method in {None, "ping"} else None)
        async with two_processes(gate) as (one, two), old_sse(one) as client, posting_to(two, client):
            await client.open()
            call = await client.start_tool("greet")
            question = await client.question()
            shut.append(Refusal(status=503, code=-32603, message="Try later", retry_after_s=60))
            assert (await client.post(result(question["id"], accepted(name="Ada")))).status == 503
            shut[0] = Refusal(status=400, code=-32022, message="No more")
            assert (await client.post(old("ping"))).status == 400
            assert (await client.post(result(question["id"], accepted(name="Ada")))).status == 400
            text = "The client answered elicitation/create with an error: No more"
            assert text_of(await client.response(call)) == text

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


class SlowBus(MemoryBus):
    """A bus that is somewhere else: to subscribe takes a second."""

    @asynccontextmanager
    async def subscribe(self, channel: str, *, max_pending: int) -> AsyncGenerator[AsyncIterator[bytes], None]:
        await anyio.sleep(1)
        async with super().subscribe(channel, max_pending=max_pending) as messages:
            yield messages


@asynccontextmanager
async def slow_process(**changes: Any) -> AsyncGenerator[HttpClient, None]:
    """A process whose bus is slow."""
    config = settings(bridges=BridgesConfig(http_sse=HttpSseConfig(**changes)))
    async with http_client(process(replace(open_state(config), bus=SlowBus()), config=config), []) as http:
        yield http


@both
def test_streams_that_are_still_opening_count(backend: Backend) -> None:
    async def test() -> None:
        async with slow_process(max_streams=2) as http, anyio.create_task_group() as tasks:
            statuses: list[int] = []

            async def open_one() -> None:
                async with http.exchange(method="GET", path="/sse", raw_headers={}) as exchange:
                    exchange.upload(b"")
                    await exchange.started.wait()
                    statuses.append(exchange.response.status)
                    await anyio.sleep(10)

            for _ in range(5):
                tasks.start_soon(open_one)
            await anyio.sleep(5)
            assert sorted(statuses) == [200, 200, 503, 503, 503]

    run(backend, test)


@both
def test_a_stop_ends_a_stream_that_is_still_opening(backend: Backend) -> None:
    async def test() -> None:
        async with slow_process() as http, http.exchange(method="GET", path="/sse", raw_headers={}) as exchange:
            exchange.upload(b"")
            await anyio.sleep(0.5)
            http.runtime.close_streams()
            with anyio.fail_after(2):
                response = await exchange.read_all()
            assert response.body.startswith(b"event: endpoint")
            assert exchange.complete.is_set()

    run(backend, test)
