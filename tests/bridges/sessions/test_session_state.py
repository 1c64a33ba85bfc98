"""What an old session changed: kept until its id expires, bounded, and a clear 503 where it cannot be reached."""

from collections.abc import Awaitable, Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from mcp_bridges.sessions.session import Session, SetLevel, Subscribe, Unsubscribe
from mcp_bridges.sessions.session_state import UNCHANGED, SessionState, SessionStates, changed
from mcp_runtime.config.limits import Limits
from mcp_runtime.protocol.errors import PeerError
from mcp_runtime.state.engines import open_state
from mcp_runtime.state.memory import MemoryStore
from mcp_runtime.state.port import StateError
from tests.support.captured_log import Events, captured_log
from tests.support.clocks import run
from tests.support.raw_sessions import (
    LOOPS,
    NEWEST,
    OldServer,
    Ticking,
    on_both_loops,
    served,
    serving,
)
from tests.support.settings import settings

SESSION = Session("session", NEWEST, "", "", {}, 1000, 1060)
OTHER = Session("other", NEWEST, "", "", {}, 1000, 1060)


@pytest.fixture
def log() -> Generator[Events]:
    """The events in the operator's log."""
    with captured_log() as events:
        yield events


class Shaky(MemoryStore):
    """A store that fails while `broken`, and that somebody else changes `rivals` times, just before a swap."""

    def __init__(self, clock: Callable[[], float] = lambda: 0.0) -> None:
        super().__init__(max_entries=100, max_bytes=1_000_000, now=clock)
        self.broken = False
        self.breaks_on_swap = False
        self.rivals = 0

    def _check(self, *, breaks: bool = False) -> None:
        if self.broken or breaks:
            raise StateError(Path("/srv/state.db"), "the disk is full", "make room")

    async def get(self, key: str) -> bytes | None:
        self._check()
        return await super().get(key)

    async def end(self, key: str, *, ttl_s: float, owner: str | None) -> bool:
        self._check()
        return await super().end(key, ttl_s=ttl_s, owner=owner)

    async def can_end(self, owner: str | None) -> bool:
        self._check()
        return await super().can_end(owner)

    async def swap(
        self, key: str, value: bytes, *, expected: bytes | None, ttl_s: float, owner: str | None = None
    ) -> bool:
        self._check(breaks=self.breaks_on_swap)
        if self.rivals:
            self.rivals -= 1
            await super().put(key, b'{"uris":["note://rival-%d"]}' % self.rivals, ttl_s=60)
        return await super().swap(key, value, expected=expected, ttl_s=ttl_s, owner=owner)


def states(store: MemoryStore, clock: Callable[[], float] = lambda: 1000.0, max_uris: int = 3) -> SessionStates:
    return SessionStates(store, limits=Limits(max_subscription_uris=max_uris), now=clock)


def on_loops(test: Callable[[], Awaitable[None]]) -> Callable[..., None]:
    @pytest.mark.parametrize("loop", LOOPS)
    def run_test(loop: Any) -> None:
        run(loop, test)

    marked: Callable[..., None] = run_test
    return marked


@on_loops
async def test_a_session_that_changed_nothing_is_not_kept() -> None:
    store = Shaky()
    kept = states(store)
    assert await kept.get(SESSION) == UNCHANGED
    await kept.change(SESSION, Unsubscribe("note://never"), owner=None)
    assert len(store) == 0


@on_loops
async def test_each_session_has_its_own_state() -> None:
    kept = states(Shaky())
    await kept.change(SESSION, SetLevel("error"), owner=None)
    await kept.change(SESSION, Subscribe("note://a"), owner=None)
    await kept.change(SESSION, Subscribe("note://b"), owner=None)
    await kept.change(OTHER, Subscribe("note://c"), owner=None)
    assert await kept.get(SESSION) == SessionState(log_level="error", uris=("note://a", "note://b"))
    assert await kept.get(OTHER) == SessionState(uris=("note://c",))
    await kept.change(SESSION, Unsubscribe("note://a"), owner=None)
    await kept.change(SESSION, SetLevel("debug"), owner=None)
    assert await kept.get(SESSION) == SessionState(log_level="debug", uris=("note://b",))


@on_loops
async def test_subscriptions_are_bounded_and_each_counts_once() -> None:
    kept = states(Shaky())
    for uri in ("a", "b", "c", "a", "b", "c"):
        await kept.change(SESSION, Subscribe(uri), owner=None)
    with pytest.raises(PeerError, match="may subscribe to 3 URIs and no more; unsubscribe from one first") as refused:
        await kept.change(SESSION, Subscribe("d"), owner=None)
    assert refused.value.code == -32602
    await kept.change(SESSION, Unsubscribe("a"), owner=None)
    await kept.change(SESSION, Subscribe("d"), owner=None)
    assert (await kept.get(SESSION)).uris == ("b", "c", "d")


@on_loops
async def test_what_is_kept_goes_when_the_id_expires() -> None:
    clock = Ticking(1000.0)
    store = Shaky(clock)
    kept = states(store, clock)
    await kept.change(SESSION, SetLevel("error"), owner=None)
    await kept.end(OTHER, owner=None)
    clock.now = 1059.9
    assert (await kept.get(SESSION), (await kept.get(OTHER)).ended) == (SessionState(log_level="error"), True)
    clock.now = 1060.0
    assert len(store) == 0
    assert (await kept.get(OTHER)).ended  # at processes whose clocks are behind, its id is good yet
    clock.now = 1120.0
    assert await kept.get(OTHER) == UNCHANGED
    await kept.end(SESSION, owner=None)  # a request that was under way when it expired
    assert (await kept.get(SESSION)).ended
    clock.now = 1181.0
    assert not (await kept.get(SESSION)).ended


@on_loops
async def test_a_session_that_ended_stays_ended_whatever_is_under_way() -> None:
    kept = states(Shaky())
    await kept.change(SESSION, Subscribe("note://a"), owner=None)
    await kept.end(SESSION, owner=None)
    await kept.change(SESSION, SetLevel("error"), owner=None)
    await kept.change(SESSION, Subscribe("note://b"), owner=None)
    assert await kept.get(SESSION) == SessionState(ended=True)
    await kept.end(SESSION, owner=None)
    assert await kept.get(SESSION) == SessionState(ended=True)


@on_loops
async def test_changes_at_once_are_all_kept() -> None:
    kept = states(Shaky(), max_uris=100)
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(partial(kept.change, SESSION, Subscribe(f"note://{number}"), owner=None))
        tasks.start_soon(partial(kept.change, SESSION, SetLevel("error"), owner=None))
    state = await kept.get(SESSION)
    assert (len(state.uris), state.log_level) == (20, "error")


@on_loops
async def test_a_change_is_made_again_where_another_process_was_faster() -> None:
    store = Shaky()
    kept = states(store)
    store.rivals = 15
    await kept.change(SESSION, Subscribe("note://mine"), owner=None)
    assert (await kept.get(SESSION)).uris == ("note://rival-0", "note://mine")
    store.rivals = 16
    with pytest.raises(PeerError, match="changed by many requests at once; try again"):
        await kept.change(SESSION, SetLevel("error"), owner=None)
    assert (store.rivals, (await kept.get(SESSION)).log_level) == (0, None)


# Over HTTP


@served(settings(limits={"max_subscription_uris": 2}))
async def test_a_client_hears_that_it_has_its_subscriptions(server: OldServer) -> None:
    client, other = await server.client(), await server.client()
    for uri in ("note://text", "note://bytes", "note://text"):
        assert (await client.ask("resources/subscribe", {"uri": uri})).result == {}
    reply = await client.ask("resources/subscribe", {"uri": "note://folder"})
    assert "may subscribe to 2 URIs" in reply.refused(200, id_=5, code=-32602)
    assert (await other.ask("resources/subscribe", {"uri": "note://folder"})).result == {}
    assert (await client.ask("resources/unsubscribe", {"uri": "note://text"})).result == {}
    assert (await client.ask("resources/subscribe", {"uri": "note://folder"})).result == {}


@served(settings(limits={"max_subscription_chars": 16}))
async def test_long_subscriptions_are_bounded_together_at_the_exact_edge(server: OldServer) -> None:
    client = await server.client()
    for uri in ("a://5678", "b://5678", "a://5678"):
        assert (await client.ask("resources/subscribe", {"uri": uri})).result == {}
    reply = await client.ask("resources/subscribe", {"uri": "a"})
    assert "may subscribe to 16 characters of URIs" in reply.refused(200, id_=5, code=-32602)


@served(settings(limits={"max_subscription_uris": 0}))
async def test_an_operator_may_have_no_subscriptions_at_all(server: OldServer) -> None:
    client = await server.client()
    assert "to 0 URIs" in (await client.ask("resources/subscribe", {"uri": "a"})).refused(200, id_=2, code=-32602)


@on_both_loops()
async def test_where_the_store_cannot_be_reached_clients_hear_503_and_the_operator_why(log: Events) -> None:
    store = Shaky()
    async with serving(state=replace(open_state(settings()), durable=store)) as server:
        client = await server.client("2025-03-26")
        store.broken = True
        for id_, message in (
            (7, client.call("echo", id_=7, text="hi")),
            ("s", client.request("logging/setLevel", {"level": "error"}, id_="s")),
            (None, {"jsonrpc": "2.0", "method": "notifications/initialized"}),
            (None, [client.request("ping")]),
        ):
            reply = await client.send(message)
            text = reply.refused(503, id_=id_, code=-32603)
            assert text == "The server cannot reach what it keeps of sessions; try again"
            assert reply.header("retry-after") == "1"
        async with client.listen() as stream:
            assert (await stream.done()).status == 503
        assert (await client.end()).status == 503
        assert (await server.visitor().begin_only()).status == 200  # which needs nothing that is kept
        events = [event for event in log() if event["event"] == "state_unreachable"]
        assert [event["level"] for event in events] == ["error"] * 6
        assert all("/srv/state.db" in event["problem"] and "disk is full" in event["problem"] for event in events)
        store.broken = False
        assert (await client.use("echo", text="hi")).text == "hi"


@on_both_loops()
async def test_a_store_that_breaks_between_two_looks_at_it_fails_one_request_alone() -> None:
    store = Shaky()
    async with serving(state=replace(open_state(settings()), durable=store)) as server:
        client = await server.client()
        store.breaks_on_swap = True
        reply = await client.send(client.request("logging/setLevel", {"level": "error"}, id_=9))
        assert "cannot reach" in reply.refused(503, id_=9, code=-32603)
        assert reply.header("retry-after") == "1"
        assert (await client.use("echo", text="hi")).text == "hi"


@pytest.mark.parametrize("change", [Subscribe, Unsubscribe])
def test_a_uri_is_as_long_as_the_limit_allows_and_no_longer(change: Callable[[str], Subscribe | Unsubscribe]) -> None:
    limits = Limits(max_uri_chars=100)
    changed(UNCHANGED, change("x" * 100), limits)
    with pytest.raises(PeerError, match="longer than 100 characters") as refused:
        changed(UNCHANGED, change("x" * 101), limits)
    assert refused.value.code == -32602
