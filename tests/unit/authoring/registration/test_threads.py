"""Tests of the worker threads: whom they count for, who waits for one, and when one is free again."""

import threading
from functools import partial
from queue import SimpleQueue

import anyio
import anyio.to_thread
import pytest

from mcp_runtime.authoring.registration.threads import Threads, _Work
from tests.support.clocks import Backend, run

BACKENDS: tuple[Backend, ...] = ("trio", "asyncio")
on_both = pytest.mark.parametrize("backend", BACKENDS)


class Gate:
    """What threads wait at, each by its name."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._news: SimpleQueue[str] = SimpleQueue()
        self._open: dict[str, threading.Event] = {}

    def wait(self, name: str) -> str:
        self._news.put(name)
        assert self._open.setdefault(name, threading.Event()).wait(20)
        return name

    async def begins(self, number: int) -> None:
        """Wait until so many have begun, and note their names."""
        while len(self.begun) < number:
            self.begun.append(await anyio.to_thread.run_sync(partial(self._news.get, timeout=20)))

    def nothing_more(self) -> bool:
        return self._news.empty()

    def open(self, *names: str) -> None:
        for name in names:
            self._open.setdefault(name, threading.Event()).set()


@on_both
def test_a_client_past_its_share_waits_behind_its_own_calls_and_others_go_on(backend: Backend) -> None:
    async def main() -> None:
        threads, gate = Threads(4), Gate()
        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(threads.run, "greedy", gate.wait, f"greedy {number}")
            await gate.begins(2)
            gate.open("other")
            assert await threads.run("other", gate.wait, "other") == "other"
            await gate.begins(3)
            assert gate.begun[2] == "other"
            assert gate.nothing_more()
            gate.open(gate.begun[0])
            await gate.begins(4)
            assert gate.nothing_more()
            gate.open(*(f"greedy {number}" for number in range(4)))
        assert threads.at_work == 0

    run(backend, main, clock="real")


@on_both
def test_a_thread_that_nobody_waits_for_counts_until_it_ends(backend: Backend) -> None:
    async def main() -> None:
        threads, gate = Threads(2), Gate()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(threads.run, "greedy", gate.wait, "one")
            await gate.begins(1)
            tasks.cancel_scope.cancel()
        assert threads.at_work == 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(threads.run, "greedy", gate.wait, "two")
            gate.open("other", "two")
            await threads.run("other", gate.wait, "other")
            await gate.begins(2)
            assert gate.begun == ["one", "other"]
            assert gate.nothing_more()
            gate.open("one")
        await gate.begins(3)
        assert gate.begun == ["one", "other", "two"]
        assert threads.at_work == 0

    run(backend, main, clock="real")


@on_both
def test_a_call_that_is_cancelled_while_it_waits_takes_no_thread(backend: Backend) -> None:
    async def main() -> None:
        threads, gate = Threads(1), Gate()
        async with anyio.create_task_group() as holder:
            holder.start_soon(threads.run, None, gate.wait, "held")
            await gate.begins(1)
            async with anyio.create_task_group() as tasks:
                for name in ("first", "second"):
                    tasks.start_soon(threads.run, "one", gate.wait, name)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
            gate.open("held")
        assert threads.at_work == 0
        assert gate.nothing_more()
        assert not threads._waiting

    run(backend, main, clock="real")


@on_both
def test_a_thread_given_to_a_call_in_the_moment_it_is_cancelled_goes_to_the_next(backend: Backend) -> None:
    async def main() -> None:
        threads = Threads(1)
        assert threads._shares.take(None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(threads.run, "one", int)
            await anyio.wait_all_tasks_blocked()
            threads._give_back(None)
            tasks.cancel_scope.cancel()
        assert threads.at_work == 0

    run(backend, main, clock="real")


@on_both
def test_clients_that_wait_take_turns(backend: Backend) -> None:
    async def main() -> None:
        threads, gate = Threads(1), Gate()
        names = ["a1", "a2", "a3", "b1", "c1"]
        gate.open(*names)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(threads.run, None, gate.wait, "held")
            await gate.begins(1)
            for name in names:
                tasks.start_soon(threads.run, name[0], gate.wait, name)
            await anyio.wait_all_tasks_blocked()
            gate.open("held")
        await gate.begins(6)
        assert {name[0] for name in gate.begun[1:4]} == {"a", "b", "c"}

    run(backend, main, clock="real")


@on_both
def test_what_a_function_raises_is_raised_and_frees_its_thread(backend: Backend) -> None:
    async def main() -> None:
        threads = Threads(1)
        for _ in range(3):
            with pytest.raises(GeneratorExit):
                await threads.run("one", _exit)
        assert threads.at_work == 0

    run(backend, main, clock="real")


def _exit() -> None:
    raise GeneratorExit


def test_work_that_was_abandoned_before_it_began_is_not_done() -> None:
    done: list[str] = []
    work = _Work(done.append, ("done",))
    assert not work.abandon(lambda: done.append("ended"))
    assert work.run() == (None, None)
    assert done == []


def test_work_whose_loop_has_ended_ends_quietly() -> None:
    def over() -> None:
        raise RuntimeError("the loop is closed")

    work: _Work
    abandoned: list[bool] = []
    work = _Work(lambda: abandoned.append(work.abandon(over)), ())
    assert work.run() == (None, None)
    assert abandoned == [True]


def test_work_that_ends_before_it_is_abandoned_is_over() -> None:
    work = _Work(int, ())
    assert work.run() == (0, None)
    assert not work.abandon(lambda: pytest.fail("it has ended"))
