"""Asyncio-only code runs on one loop of its own, whichever loop asks, and is cancelled with whoever asked."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
import trio
import trio.testing

from mcp_runtime import run_asyncio
from mcp_runtime.core.calls.rounds import InputNeeded
from mcp_runtime.platform.asyncio_thread import SHARED, AsyncioThread

NAME = "mcp-runtime-asyncio"
HANGS_S = 20
"""No test takes this long unless it hangs."""


def helper_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(NAME)]


def on_both_loops(test: Callable[[], Awaitable[None]]) -> None:
    for backend in ("trio", "asyncio"):
        anyio.run(test, backend=backend)


async def where() -> tuple[int, int]:
    return threading.get_ident(), id(asyncio.get_running_loop())


async def add(first: int, second: int) -> int:
    await asyncio.sleep(0)
    return first + second


async def fail(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


def test_a_call_gives_its_result_on_any_loop() -> None:
    async def ask() -> None:
        with SHARED.in_use():
            assert await run_asyncio(add, 2, 3) == 5
            assert await run_asyncio(add, 2, 4) == 6

    on_both_loops(ask)


def test_all_calls_share_one_loop_in_a_thread_of_its_own() -> None:
    async def ask() -> None:
        helper = AsyncioThread()
        places: list[tuple[int, int]] = []

        async def one() -> None:
            places.append(await helper.run(where))

        with helper.in_use(), anyio.fail_after(HANGS_S):
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(one)
            await one()
        assert len(places) == 11
        assert len(set(places)) == 1
        assert places[0][0] != threading.get_ident()

    on_both_loops(ask)


def test_an_object_made_in_one_call_can_be_used_in_the_next() -> None:
    async def ask() -> None:
        helper = AsyncioThread()

        async def make() -> "asyncio.Future[int]":
            return asyncio.get_running_loop().create_future()

        async def settle(future: "asyncio.Future[int]") -> None:
            future.set_result(5)

        async def read(future: "asyncio.Future[int]") -> int:
            return await future

        with helper.in_use(), anyio.fail_after(HANGS_S):
            future = await helper.run(make)
            await helper.run(settle, future)
            assert await helper.run(read, future) == 5

    on_both_loops(ask)


@pytest.mark.parametrize("error", [ValueError("boom"), KeyError("k"), TimeoutError(), StopIteration(5)], ids=repr)
def test_what_a_call_raises_is_raised(error: Exception) -> None:
    async def ask() -> None:
        helper = AsyncioThread()
        with helper.in_use(), anyio.fail_after(HANGS_S):
            with pytest.raises((type(error), RuntimeError)) as raised:
                await helper.run(fail, error)
            # A coroutine may not raise StopIteration: Python makes a RuntimeError of it.
            assert raised.value is error or isinstance(error, StopIteration)
            assert await helper.run(add, 1, 1) == 2

    on_both_loops(ask)


def test_a_call_that_fails_before_it_awaits_raises_too() -> None:
    async def ask() -> None:
        helper = AsyncioThread()

        def no_coroutine(value: int) -> Awaitable[int]:
            raise ValueError(value)

        with helper.in_use(), anyio.fail_after(HANGS_S), pytest.raises(ValueError, match="5"):
            await helper.run(no_coroutine, 5)

    on_both_loops(ask)


@pytest.mark.parametrize(
    "error", [InputNeeded({}), SystemExit(3), BaseExceptionGroup("two", [InputNeeded({})])], ids=repr
)
def test_what_is_no_exception_is_raised_too_and_the_loop_serves_on(error: BaseException) -> None:
    async def ask() -> None:
        helper = AsyncioThread()
        with helper.in_use(), anyio.fail_after(HANGS_S):
            with pytest.raises(type(error)):
                await helper.run(fail, error)
            assert await helper.run(add, 1, 1) == 2

    on_both_loops(ask)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_what_a_task_of_a_library_raises_does_not_end_the_loop_under_others(error: BaseException) -> None:
    async def ask() -> None:
        helper = AsyncioThread()
        told = threading.Event()
        results: list[int] = []

        async def beside() -> None:
            await asyncio.ensure_future(fail(error))

        async def slow() -> int:
            told.set()
            await asyncio.sleep(0.05)
            return 5

        async def wait() -> None:
            results.append(await helper.run(slow))

        with helper.in_use(), anyio.fail_after(HANGS_S):
            _, before = await helper.run(where)
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await anyio.to_thread.run_sync(told.wait, HANGS_S)
                with pytest.raises(type(error)):
                    await helper.run(beside)
            assert results == [5]
            assert (await helper.run(where))[1] == before

    on_both_loops(ask)


def test_a_task_that_exits_while_it_is_cancelled_does_not_keep_the_thread() -> None:
    async def ask() -> None:
        helper = AsyncioThread()
        before = len(helper_threads())
        started = threading.Event()

        async def exits() -> None:
            try:
                started.set()
                await asyncio.sleep(3600)
            finally:
                raise SystemExit(3)

        async def begin() -> None:
            tasks.append(asyncio.ensure_future(exits()))

        tasks: list[Any] = []
        with helper.in_use(), anyio.fail_after(HANGS_S):
            await helper.run(begin)
            await anyio.to_thread.run_sync(started.wait, HANGS_S)
        assert len(helper_threads()) == before
        assert isinstance(tasks[0].exception(), SystemExit)

    on_both_loops(ask)


def test_a_call_that_cancels_itself_is_said_to_have_been_cancelled() -> None:
    async def ask() -> None:
        helper = AsyncioThread()

        async def await_a_cancelled_future() -> None:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

        with helper.in_use(), anyio.fail_after(HANGS_S):
            with pytest.raises(BaseException, match=r"(?i)cancel") as raised:
                await helper.run(await_a_cancelled_future)
            assert not isinstance(raised.value, AttributeError)
            assert await helper.run(add, 1, 1) == 2

    on_both_loops(ask)


def test_whoever_is_cancelled_waits_for_the_clean_up_of_its_call() -> None:
    async def ask() -> None:
        helper = AsyncioThread()
        events: list[str] = []
        started = threading.Event()

        async def slow() -> None:
            try:
                started.set()
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                # As asyncio has it, a task is cancelled once: what it awaits while it cleans up is not.
                await asyncio.sleep(0.01)
                events.append("cleaned up")
                raise

        async def wait() -> None:
            try:
                await helper.run(slow)
            finally:
                events.append("caller goes on")

        with helper.in_use(), anyio.fail_after(HANGS_S):
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await anyio.to_thread.run_sync(started.wait, HANGS_S)
                group.cancel_scope.cancel()
            assert await helper.run(add, 1, 1) == 2
        assert events == ["cleaned up", "caller goes on"]

    on_both_loops(ask)


def test_a_result_that_comes_while_cancelling_is_dropped() -> None:
    async def ask() -> None:
        helper = AsyncioThread()
        started = threading.Event()

        async def stubborn() -> str:
            started.set()
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                return "after all"
            return "never"

        with helper.in_use(), anyio.move_on_after(HANGS_S) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(helper.run, stubborn)
                await anyio.to_thread.run_sync(started.wait, HANGS_S)
                group.cancel_scope.cancel()
        assert not scope.cancelled_caught

    on_both_loops(ask)


def test_a_call_that_is_cancelled_before_it_starts_is_over() -> None:
    async def ask() -> None:
        helper = AsyncioThread()
        with helper.in_use(), anyio.fail_after(HANGS_S):
            await helper.run(add, 1, 1)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await helper.run(asyncio.sleep, 3600)
            assert scope.cancelled_caught
            assert await helper.run(add, 1, 1) == 2

    on_both_loops(ask)


async def test_a_call_that_will_not_end_is_not_waited_for_longer_than_five_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    helper = AsyncioThread()
    let_go = threading.Event()
    started = threading.Event()

    async def deaf() -> None:
        started.set()
        while not let_go.is_set():
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                continue

    with helper.in_use():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(helper.run, deaf)
            await trio.to_thread.run_sync(started.wait, HANGS_S)
            began = trio.current_time()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - began == pytest.approx(5)
        let_go.set()


def test_the_thread_starts_with_the_first_call_and_stops_with_the_last_user() -> None:
    async def ask() -> None:
        helper = AsyncioThread()
        before = len(helper_threads())
        with helper.in_use():
            assert len(helper_threads()) == before
            with helper.in_use():
                await helper.run(add, 1, 1)
            assert len(helper_threads()) == before + 1
            assert await helper.run(add, 1, 1) == 2
        assert len(helper_threads()) == before
        with helper.in_use():
            assert await helper.run(add, 1, 1) == 2
            assert len(helper_threads()) == before + 1
        assert len(helper_threads()) == before

    on_both_loops(ask)


def test_a_use_without_a_call_starts_no_thread() -> None:
    helper = AsyncioThread()
    before = len(helper_threads())
    with helper.in_use():
        pass
    assert len(helper_threads()) == before


def test_the_thread_stops_even_when_its_users_block_fails() -> None:
    async def ask() -> None:
        helper = AsyncioThread()
        before = len(helper_threads())

        async def use() -> None:
            with helper.in_use():
                await helper.run(add, 1, 1)
                raise ValueError("boom")

        with pytest.raises(ValueError, match="boom"):
            await use()
        assert len(helper_threads()) == before

    on_both_loops(ask)


def test_who_still_waits_when_the_thread_stops_is_told_so() -> None:
    async def ask() -> None:
        helper = AsyncioThread()
        started = threading.Event()
        told: list[BaseException] = []

        async def slow() -> None:
            started.set()
            await asyncio.sleep(3600)

        async def wait() -> None:
            try:
                await helper.run(slow)
            except Exception as error:  # noqa: BLE001  # what it is, is the question
                told.append(error)

        with anyio.fail_after(HANGS_S):
            async with anyio.create_task_group() as group:
                with helper.in_use():
                    group.start_soon(wait)
                    await anyio.to_thread.run_sync(started.wait, HANGS_S)
        assert len(told) == 1
        assert not isinstance(told[0], AttributeError)

    on_both_loops(ask)


def test_calls_that_come_at_once_start_one_thread() -> None:
    async def ask() -> None:
        helper = AsyncioThread()
        before = len(helper_threads())
        results: list[Any] = []

        async def one(number: int) -> None:
            results.append(await helper.run(add, number, 0))

        with helper.in_use():
            async with anyio.create_task_group() as group:
                for number in range(20):
                    group.start_soon(one, number)
            assert len(helper_threads()) == before + 1
        assert sorted(results) == list(range(20))

    on_both_loops(ask)
