"""The GET stream of an old session: what comes on it, who holds it, how it is taken up again, and what ends it."""

import re
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace
from sse_starlette.sse import AppStatus

from mcp_runtime.state.engines import State, open_state
from mcp_runtime.state.memory import MemoryBus, MemoryStore
from mcp_runtime.state.port import StateError
from tests.support.clocks import run
from tests.support.raw_sessions import (
    NEWEST,
    SESSION_REVISIONS,
    OldServer,
    Opened,
    RawSessionClient,
    bridge_settings,
    on_both_loops,
    served,
    serving,
)
from tests.support.settings import settings

TOOLS = "notifications/tools/list_changed"
PROMPTS = "notifications/prompts/list_changed"
RESOURCES = "notifications/resources/list_changed"
UPDATED = "notifications/resources/updated"


def heard(stream: Opened) -> list[str]:
    """The methods, or for resources the URIs, of what came."""
    return [message["params"].get("uri", message["method"]) for message in stream.messages]


async def grow(client: RawSessionClient, kind: str, name: str = "extra") -> None:
    """Change a list."""
    assert (await client.use("grow", kind=kind, name=name)).text == f"grew {name}"


async def touch(client: RawSessionClient, uri: str) -> None:
    """Change a resource."""
    assert (await client.use("touch", uri=uri)).text == f"touched {uri}"


# What comes on it


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@served()
async def test_a_session_hears_of_every_list(server: OldServer, revision: str) -> None:
    client = await server.client(revision)
    async with client.listen() as stream:
        await stream.settle()
        assert (stream.response.status, stream.is_stream) == (200, True)
        assert stream.response.header("cache-control") == "no-store"
        for kind in ("tool", "prompt", "resource"):
            await grow(client, kind)
        await stream.settle()
    assert heard(stream) == [TOOLS, PROMPTS, RESOURCES]
    assert stream.messages[0] == {"jsonrpc": "2.0", "method": TOOLS, "params": {}}


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@served(bridge_settings(sessions={"retry_ms": 250}))
async def test_only_clients_that_poll_are_primed_and_told_when_to_come_back(server: OldServer, revision: str) -> None:
    client = await server.client(revision)
    async with client.listen() as stream:
        await stream.settle()
        await grow(client, "tool")
        assert (await stream.next())["method"] == TOOLS
    primed = [event for event in stream.events if not event.data]
    assert [(event.data, event.retry_ms) for event in primed] == ([("", 250)] if revision == NEWEST else [])
    assert all(re.fullmatch(r"g\.[\w-]{16}\.\d+", event.id or "") for event in stream.events)


@served()
async def test_a_session_hears_of_the_resources_it_subscribed_to_before_and_meanwhile(server: OldServer) -> None:
    client = await server.client()
    await client.ask("resources/subscribe", {"uri": "note://text"})
    async with client.listen() as stream:
        await stream.settle()
        await client.ask("resources/subscribe", {"uri": "note://bytes"})
        await stream.settle()
        for uri in ("note://text", "note://bytes", "note://folder"):
            await touch(client, uri)
        await stream.settle()
        await client.ask("resources/unsubscribe", {"uri": "note://text"})
        await client.ask("resources/unsubscribe", {"uri": "note://never"})
        await stream.settle()
        for uri in ("note://text", "note://bytes"):
            await touch(client, uri)
        await stream.settle()
    assert heard(stream) == ["note://text", "note://bytes", "note://bytes"]


@served()
async def test_two_sessions_have_two_streams(server: OldServer) -> None:
    one, two = await server.client(), await server.client()
    await one.ask("resources/subscribe", {"uri": "note://text"})
    async with one.listen() as first, two.listen() as second:
        await first.settle()
        await touch(two, "note://text")
        await grow(one, "tool")
        await first.settle()
        assert heard(first) == ["note://text", TOOLS]
        assert heard(second) == [TOOLS]
        await one.end()
        await first.done()
        await grow(two, "prompt")
        await second.settle()
        assert heard(second) == [TOOLS, PROMPTS]


@served()
async def test_what_belongs_to_a_call_is_not_on_the_stream(server: OldServer) -> None:
    client = await server.client()
    async with client.listen() as stream:
        counted = await client.send(client.call("count", token=1))
        assert len(counted.messages) == 4
        await client.use("chat")
        await stream.settle()
    assert heard(stream) == []


@served(settings(http={"keep_alive_interval_s": 10.0}))
async def test_a_quiet_stream_gives_signs_of_life(server: OldServer) -> None:
    client = await server.client()
    async with client.listen() as stream:
        await anyio.sleep(35)
        assert stream.reader.comments == 3


# Who holds it


@served()
async def test_a_new_get_takes_over_from_a_stale_one(server: OldServer) -> None:
    client = await server.client()
    async with client.listen() as stale:
        await stale.settle()
        async with client.listen() as fresh:
            assert (await stale.done()).messages == []
            await fresh.settle()
            await grow(client, "tool")
            assert (await fresh.next())["method"] == TOOLS
            assert heard(stale) == []
            async with client.listen() as freshest:
                await fresh.done()
                await freshest.settle()
                await grow(client, "prompt")
                assert (await freshest.next())["method"] == PROMPTS
                await freshest.settle()
                assert (heard(fresh), heard(freshest)) == ([TOOLS], [PROMPTS])


@served()
async def test_a_stream_that_nobody_holds_costs_nothing(server: OldServer) -> None:
    client = await server.client()
    for _ in range(3):
        async with client.listen() as stream:
            await stream.settle()
            assert len(server.runtime.subscriptions) == 1
        await stream.exchange.returned.wait()
    assert len(server.runtime.subscriptions) == 0


@served(settings(limits={"max_subscriptions": 2}, http={"trusted_proxies": ("127.0.0.1",)}))
async def test_one_client_holds_its_share_of_the_streams(server: OldServer) -> None:
    named = {"x-forwarded-for": "203.0.113.7"}
    one, two = await server.client(), await server.client()
    async with one.listen(headers=named) as stream:
        await stream.settle()
        async with two.listen(headers=named) as other:
            reply = await other.done()
            assert "its share of the server's streams" in reply.refused(429, code=-32603)
            assert reply.header("retry-after") == "5"
        async with two.listen() as other:
            await other.settle()
            assert other.is_stream


@served(settings(limits={"max_subscriptions": 1}))
async def test_where_there_is_no_room_for_a_stream_the_client_is_asked_to_come_back(server: OldServer) -> None:
    one, two = await server.client(), await server.client()
    async with one.listen() as stream:
        await stream.settle()
        async with two.listen() as other:
            reply = await other.done()
            assert "no room for another stream" in reply.refused(503, code=-32603)
            assert reply.header("retry-after") == "5"
        await grow(two, "tool")
        assert (await stream.next())["method"] == TOOLS


@served(settings(limits={"max_subscriptions": 1}))
async def test_a_stream_that_loses_its_place_to_another_ends(server: OldServer) -> None:
    client = await server.client()
    async with client.listen() as stream:
        await stream.settle()
        (held,) = server.runtime.subscriptions._open
        forget = held._leave

        def displaced(subscription: object) -> None:
            forget(held)
            server.runtime.subscriptions._open[held] = None  # as if somebody else came first
            assert server.runtime.subscriptions._places.take(None)

        held._leave = displaced
        await client.ask("resources/subscribe", {"uri": "note://text"})
        assert (await stream.done()).messages == []
        held._leave = forget
        held.leave()
    assert (await client.ask("ping")).result == {}


# Taking it up again


@served()
async def test_a_client_that_comes_back_hears_what_it_missed_once(server: OldServer) -> None:
    client = await server.client()
    await client.ask("resources/subscribe", {"uri": "note://text"})
    async with client.listen() as stream:
        await stream.settle()
        await grow(client, "tool")
        await stream.next()
    last = stream.events[-1].id
    await stream.exchange.returned.wait()
    await grow(client, "prompt")
    await touch(client, "note://text")
    await touch(client, "note://text")
    await touch(client, "note://bytes")
    async with client.listen(last) as again:
        await again.settle()
        assert sorted(heard(again)) == ["note://text", PROMPTS]
        await grow(client, "resource")
        await again.settle()
        assert heard(again)[2:] == [RESOURCES]


@pytest.mark.parametrize(
    "last",
    ["g.AAAAAAAAAAAAAAAA.0", "g.short.1", "g.AAAAAAAAAAAAAAAA.99999999999999999999", "17", "", "x" * 5000, "\xff"],
)
@served()
async def test_a_client_of_another_process_is_told_that_anything_may_have_changed(server: OldServer, last: str) -> None:
    client = await server.client()
    await client.ask("resources/subscribe", {"uri": "note://text"})
    async with client.listen(last) as stream:
        await stream.settle()
        assert sorted(heard(stream)) == sorted(["note://text", TOOLS, PROMPTS, RESOURCES])


@served()
async def test_a_position_that_was_not_reached_yet_is_not_believed(server: OldServer) -> None:
    client = await server.client()
    async with client.listen() as stream:
        primed = (await stream.event()).id or ""
    forged = re.sub(r"\d+$", "999999", primed)
    async with client.listen(forged) as again:
        await again.settle()
        assert sorted(heard(again)) == sorted([TOOLS, PROMPTS, RESOURCES])


@served()
async def test_without_an_event_id_a_stream_begins_now(server: OldServer) -> None:
    client = await server.client()
    await grow(client, "tool")
    async with client.listen() as stream:
        await stream.settle()
    assert heard(stream) == []


# What ends it


@served()
async def test_the_end_of_a_session_ends_its_stream(server: OldServer) -> None:
    client = await server.client()
    async with client.listen() as stream:
        await stream.settle()
        assert (await client.end()).status == 200
        assert (await stream.done()).messages == []


@on_both_loops()
async def test_a_stopping_server_ends_streams_and_opens_no_more() -> None:
    async with serving() as server:
        client = await server.client()
        async with client.listen() as stream:
            await stream.settle()
            await grow(client, "tool")
            server.runtime.close_streams()
            await stream.done()
            assert heard(stream) == [TOOLS]
            async with client.listen() as late:
                assert "is stopping" in (await late.done()).refused(503, code=-32603)


# A store that breaks


class Breakable(MemoryStore):
    """A store whose file is on a disk that is full, while `broken`."""

    def __init__(self) -> None:
        super().__init__(max_entries=100, max_bytes=100_000)
        self.broken = False

    async def get(self, key: str) -> bytes | None:
        if self.broken:
            raise StateError(Path("/state.db"), "the disk is full", "make room")
        return await super().get(key)


@on_both_loops()
async def test_a_stream_outlives_trouble_with_the_store() -> None:
    store = Breakable()
    state: State = replace(open_state(settings()), durable=store)
    bus = state.bus
    assert isinstance(bus, MemoryBus)
    async with serving(state=state) as server:
        client, other = await server.client(), await server.client()
        await client.ask("resources/subscribe", {"uri": "note://text"})
        async with client.listen() as stream:
            await stream.settle()
            store.broken = True
            (channel,) = [name for name in bus._channels if name.startswith("stream/")]
            await bus.publish(channel, b"refresh")
            await stream.settle()
            store.broken = False
            await touch(other, "note://text")
            assert (await stream.next())["params"]["uri"] == "note://text"
            await client.ask("resources/subscribe", {"uri": "note://bytes"})
            await stream.settle()
            await touch(other, "note://bytes")
            assert (await stream.next())["params"]["uri"] == "note://bytes"


def test_a_server_that_says_it_stops_only_to_its_streams_ends_them_too() -> None:
    async def test() -> None:
        async with serving() as server:
            client = await server.client()
            async with client.listen() as stream:
                await stream.settle()
                await grow(client, "tool")
                AppStatus.should_exit = True  # as uvicorn has it, before the lifespan hears of it
                try:
                    await stream.done()
                finally:
                    AppStatus.should_exit = False
                assert heard(stream) == [TOOLS]

    run("asyncio", test)
