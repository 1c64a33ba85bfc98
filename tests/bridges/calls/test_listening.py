"""An old client hears of changes while it changes what it wants to hear of. Rule: nothing lost, nothing told twice."""

import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridges.calls.listening import Listening, ListenRefusedError, encode_change
from mcp_bridges.gate.port import LegacyClient
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.core.calls.subscriptions import Change, list_changed, resource_updated
from tests.support.clocks import Backend, run
from tests.support.settings import settings

BACKENDS: tuple[Backend, ...] = ("trio", "asyncio")
ONE, TWO = "note://1", "note://2"
LISTS: list[Change] = [list_changed("tools"), list_changed("prompts"), list_changed("resources")]


@asynccontextmanager
async def serving(**limits: Any) -> AsyncGenerator[Runtime, None]:
    """A runtime that runs for as long as the block does."""
    runtime = build_runtime(settings(limits=limits), ())
    async with runtime.running():
        yield runtime


def listening(runtime: Runtime, *uris: str) -> Listening:
    return Listening(runtime.dispatcher, runtime.subscriptions, client=LegacyClient(transport="stdio"), uris=uris)


@asynccontextmanager
async def heard(one: Listening) -> AsyncGenerator[list[Change], None]:
    """What it hears, as it comes; at the end of the block it is closed and must end."""
    changes: list[Change] = []

    async def listen() -> None:
        async with aclosing(one.changes()) as coming:
            async for change in coming:
                changes.append(change)  # noqa: PERF401  # a comprehension would give them all at the end

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        yield changes
        one.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_list_is_heard_of_and_the_resources_that_were_asked_for(backend: Backend) -> None:
    async def test() -> None:
        async with serving() as runtime, heard(listening(runtime, ONE)) as changes:
            for change in (*LISTS, resource_updated(ONE), resource_updated(TWO)):
                runtime.subscriptions.publish(change)
            await anyio.wait_all_tasks_blocked()
            assert changes == [*LISTS, resource_updated(ONE)]

    run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_lost_or_told_twice_while_subscriptions_change(backend: Backend) -> None:
    async def test() -> None:
        async with serving() as runtime:
            one, publish = listening(runtime), runtime.subscriptions.publish
            async with heard(one) as changes:
                publish(resource_updated(ONE))  # before it is wanted
                publish(list_changed("tools"))
                one.want([ONE])
                publish(resource_updated(ONE))
                publish(list_changed("prompts"))
                one.want([ONE, TWO])
                publish(resource_updated(TWO))
                await anyio.wait_all_tasks_blocked()
                assert changes == [
                    list_changed("tools"),
                    resource_updated(ONE),
                    list_changed("prompts"),
                    resource_updated(TWO),
                ]
                one.want([TWO])
                publish(resource_updated(ONE))
                publish(resource_updated(TWO))
                await anyio.wait_all_tasks_blocked()
                assert changes[4:] == [resource_updated(TWO)]
                assert len(runtime.subscriptions) == 1
            assert len(runtime.subscriptions) == 0

    run(backend, test)


Step = tuple[str, Any]
SETTLE: Step = ("settle", None)


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.sampled_from([*LISTS, resource_updated(ONE)])),
            st.tuples(st.just("want"), st.sampled_from([(ONE,), (ONE, TWO)])),
            st.just(SETTLE),
        ),
        max_size=30,
    )
)
def test_every_change_is_told_between_its_happening_and_the_next_rest(backend: Backend, steps: list[Step]) -> None:
    async def test() -> None:
        async with serving() as runtime:
            one = listening(runtime, ONE)
            async with heard(one) as changes:
                owed: Counter[Change] = Counter()
                for kind, value in [*steps, SETTLE]:
                    if kind == "publish":
                        runtime.subscriptions.publish(value)
                        owed[value] += 1
                    elif kind == "want":
                        one.want(value)
                    else:
                        await anyio.wait_all_tasks_blocked()
                        told = Counter(changes)
                        assert set(told) == set(owed)
                        assert told <= owed
                        owed.clear()
                        changes.clear()

    run(backend, test)


async def test_wanting_the_same_changes_nothing() -> None:
    async with serving() as runtime:
        one = listening(runtime, ONE)
        subscription = await one.open()
        one.want([ONE])
        runtime.subscriptions.publish(list_changed("tools"))
        one.want([])  # Now another one is opened, and this one takes no more.
        runtime.subscriptions.publish(list_changed("prompts"))
        assert list(subscription._pending) == [list_changed("tools")]
        one.leave()


async def test_what_is_wanted_before_it_opens_is_opened() -> None:
    async with serving() as runtime:
        one = listening(runtime)
        one.want([ONE])
        async with heard(one) as changes:
            runtime.subscriptions.publish(resource_updated(ONE))
            await anyio.wait_all_tasks_blocked()
            assert changes == [resource_updated(ONE)]


async def test_what_happens_between_making_and_opening_is_told() -> None:
    async with serving() as runtime:
        one = listening(runtime, ONE)
        runtime.subscriptions.publish(resource_updated(ONE))
        async with heard(one) as changes:
            assert changes == [resource_updated(ONE)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_that_is_closed_before_it_opens_ends_at_once(backend: Backend) -> None:
    async def test() -> None:
        async with serving() as runtime:
            one = listening(runtime)
            one.close()
            assert [change async for change in one.changes()] == []
            assert len(runtime.subscriptions) == 0

    run(backend, test)


async def test_one_that_is_closed_while_it_changes_what_it_wants_ends_with_what_is_pending() -> None:
    async with serving() as runtime:
        one = listening(runtime)
        await one.open()
        runtime.subscriptions.publish(list_changed("tools"))
        one.want([ONE])
        one.close()
        one.close()
        assert [change async for change in one.changes()] == [list_changed("tools")]
        assert len(runtime.subscriptions) == 0


async def test_a_server_that_stops_ends_it_with_what_is_pending() -> None:
    async with serving() as runtime:
        one = listening(runtime)
        await one.open()
        runtime.subscriptions.publish(list_changed("tools"))
        runtime.subscriptions.close()
        assert [change async for change in one.changes()] == [list_changed("tools")]


async def test_one_that_is_closed_with_the_server_asks_for_nothing_more() -> None:
    async with serving() as runtime:
        one = listening(runtime)
        await one.open()
        runtime.subscriptions.publish(list_changed("tools"))
        one.want([ONE])
        runtime.subscriptions.close()
        one.close()
        assert [change async for change in one.changes()] == [list_changed("tools")]


async def test_wanting_others_while_the_server_stops_is_refused() -> None:
    async with serving() as runtime:
        one = listening(runtime)
        await one.open()
        one.want([ONE])
        runtime.subscriptions.close()
        with pytest.raises(ListenRefusedError) as refused:
            await anext(one.changes())
        assert refused.value.reply is not None
        assert refused.value.reply.status == 503


async def test_one_too_many_is_refused_and_leaves_nothing() -> None:
    async with serving(max_subscriptions=0) as runtime:
        one = listening(runtime)
        with pytest.raises(ListenRefusedError) as refused:
            await one.open()
        assert refused.value.reply is not None
        assert json.loads(refused.value.reply.body)["error"]["code"] == -32603
        assert one.cursor == 0
        one.leave()
        assert len(runtime.subscriptions) == 0


async def test_who_leaves_is_forgotten_at_once() -> None:
    async with serving() as runtime:
        one = listening(runtime)
        await one.open()
        assert len(runtime.subscriptions) == 1
        one.leave()
        one.leave()
        assert len(runtime.subscriptions) == 0


async def next_of(one: Listening) -> tuple[Change, int]:
    """The next change, and the cursor after it."""
    subscription = await one.open() if one._current is None else one._current
    changes = subscription.changes()
    with anyio.fail_after(5):
        change = await anext(changes)
    await changes.aclose()
    return change, one.cursor


async def test_a_client_that_comes_back_hears_what_it_missed_from_any_point_on() -> None:
    async with serving() as runtime:
        for change in (*LISTS, resource_updated(ONE), resource_updated(TWO)):
            runtime.subscriptions.publish(change)
        cursor, told = 0, list[Change]()
        for _ in range(4):  # each time its connection is lost after one event
            one = listening(runtime, ONE)
            one.resume(cursor)
            change, cursor = await next_of(one)
            told.append(change)
            one.leave()
        assert told == [*LISTS, resource_updated(ONE)]
        one = listening(runtime, ONE)
        one.resume(cursor)
        assert (await one.open()).first_pending is None
        one.leave()


@pytest.mark.parametrize("since", [None, 99])
async def test_a_client_of_whom_nothing_is_known_is_told_of_everything_to_the_end(since: int | None) -> None:
    async with serving() as runtime:
        runtime.subscriptions.publish(list_changed("tools"))
        one = listening(runtime, TWO, ONE)
        one.resume(since)
        everything = [*LISTS, resource_updated(ONE), resource_updated(TWO)]
        told: list[Change] = []
        cursors: list[int] = []
        for _ in everything:
            change, cursor = await next_of(one)
            told.append(change)
            cursors.append(cursor)
        assert told == everything
        # Lost before the end of it, the client is told of everything again; afterwards it is not.
        assert cursors == [-1, -1, -1, -1, 1]
        one.leave()


async def test_the_cursor_is_before_what_waits_and_at_the_end_where_nothing_does() -> None:
    async with serving() as runtime:
        one, publish = listening(runtime), runtime.subscriptions.publish
        assert one.cursor == 0
        publish(list_changed("tools"))
        await one.open()
        assert one.cursor == 0
        publish(list_changed("prompts"))
        assert await next_of(one) == (list_changed("tools"), 1)
        assert await next_of(one) == (list_changed("prompts"), 2)
        publish(resource_updated("other://1"))
        assert one.cursor == 3
        one.leave()


def test_changes_travel_as_old_clients_know_them() -> None:
    encode: Callable[[Change], Any] = lambda change: json.loads(encode_change(change))  # noqa: E731  # short
    assert encode(list_changed("tools")) == {
        "jsonrpc": "2.0",
        "method": "notifications/tools/list_changed",
        "params": {},
    }
    assert encode(resource_updated(ONE))["params"] == {"uri": ONE}
