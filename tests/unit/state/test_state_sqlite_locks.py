"""Who waits for another process does so in a thread; what has begun is finished, what has not can be cancelled."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from mcp_runtime.state.port import StateError
from mcp_runtime.state.sqlite import SqliteStore
from tests.support.clocks import Backend
from tests.support.state_files import FILE, connected, put, using


@pytest.fixture(params=["trio", "asyncio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    backend: Backend = request.param
    return backend


def test_while_another_process_writes_reads_go_on_and_a_write_that_waits_too_long_says_so(
    tmp_path: Path, backend: Backend
) -> None:
    put(tmp_path / FILE, a=b"1")

    async def test(store: SqliteStore) -> None:
        with connected(tmp_path / FILE) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("DELETE FROM entries")
            assert await store.get("a") == b"1"
            with pytest.raises(StateError, match="another process keeps it locked"):
                await store.put("a", b"2", ttl_s=60)
            other.execute("ROLLBACK")
        await store.put("a", b"3", ttl_s=60)
        assert await store.get("a") == b"3"

    using(tmp_path / FILE, test, backend=backend, busy_timeout_s=0.02)


@contextmanager
def written_by_another(path: Path) -> Generator[Callable[[], None]]:
    """Holds the lock for writing; call what it gives to let go."""
    with connected(path) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other.rollback


async def until_waiting(store: SqliteStore, number: int) -> None:
    """Until one write is at work and `number` wait for their turn. Threads are not seen by any clock of tests."""
    while store._turn.statistics().tasks_waiting < number or store._turn.borrowed_tokens < 1:
        await anyio.lowlevel.checkpoint()


def test_a_write_that_has_begun_is_not_cancelled_and_one_that_waits_for_its_turn_is(
    tmp_path: Path, backend: Backend
) -> None:
    put(tmp_path / FILE, a=b"1", b=b"1")

    async def test(store: SqliteStore) -> None:
        await store.open()
        ended: list[str] = []

        async def write(key: str) -> None:
            await store.put(key, b"2", ttl_s=60)
            ended.append(key)
            await anyio.lowlevel.checkpoint()
            ended.append("never")

        with written_by_another(tmp_path / FILE) as let_go:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(write, "a")
                await until_waiting(store, 0)
                tasks.start_soon(write, "b")
                await until_waiting(store, 1)
                tasks.cancel_scope.cancel()
                let_go()
        assert ended == ["a"]
        assert (await store.get("a"), await store.get("b")) == (b"2", b"1")

    using(tmp_path / FILE, test, backend=backend)


def test_a_task_that_asyncio_itself_cancels_leaves_the_file_in_order(tmp_path: Path) -> None:
    # asyncio knows no shields: the task ends and its thread works on.
    put(tmp_path / FILE, a=b"1", b=b"1")

    async def test(store: SqliteStore) -> None:
        await store.open()
        with written_by_another(tmp_path / FILE) as let_go:
            writing = asyncio.create_task(store.put("a", b"2", ttl_s=60))
            while not (store._file is not None and store._file._writing.locked()):
                await anyio.lowlevel.checkpoint()
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
            next_one = asyncio.create_task(store.put("b", b"2", ttl_s=60))
            await until_waiting(store, 0)
            let_go()
            await next_one
        await store.close()
        assert (await store.get("a"), await store.get("b")) == (b"2", b"2")

    using(tmp_path / FILE, test, backend="asyncio")


def test_closing_waits_for_what_has_begun_even_if_cancelled(tmp_path: Path, backend: Backend) -> None:
    put(tmp_path / FILE, a=b"1")

    async def test(store: SqliteStore) -> None:
        await store.open()
        with written_by_another(tmp_path / FILE) as let_go:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: store.put("a", b"2", ttl_s=60))
                await until_waiting(store, 0)
                tasks.start_soon(store.close)
                await until_waiting(store, 1)
                tasks.cancel_scope.cancel()
                let_go()
        assert store._file is None
        assert await store.get("a") == b"2"

    using(tmp_path / FILE, test, backend=backend)


def test_threads_that_plugins_use_up_hold_up_no_write(tmp_path: Path, backend: Backend) -> None:
    async def test(store: SqliteStore) -> None:
        release = threading.Event()
        common = to_thread.current_default_thread_limiter()
        common.total_tokens = 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: to_thread.run_sync(release.wait))
            while common.borrowed_tokens == 0:
                await anyio.lowlevel.checkpoint()
            await store.put("a", b"1", ttl_s=60)
            assert await store.get("a") == b"1"
            await store.close()
            release.set()

    using(tmp_path / FILE, test, backend=backend)


HOLD_THE_INDEX = """
import fcntl, sys
with open(sys.argv[1], "r+b") as index:
    # Locks 120 and 122 are those of a writer and of a recovery: https://www.sqlite.org/walformat.html
    fcntl.lockf(index, fcntl.LOCK_EX, 3, 120)
    index.write(bytes(96))
    index.flush()
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_read_that_must_wait_for_another_process_waits_in_a_thread(tmp_path: Path, backend: Backend) -> None:
    # As when another process repairs the index of the WAL after a crash.
    path = tmp_path / FILE

    async def test(store: SqliteStore) -> None:
        await store.put("a", b"1", ttl_s=60)
        found: list[bytes | None] = []

        async def read() -> None:
            found.append(await store.get("a"))

        with subprocess.Popen(
            [sys.executable, "-c", HOLD_THE_INDEX, f"{path}-shm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await until_waiting(store, 0)
                assert found == []
                holder.stdin.close()
        assert found == [b"1"]
        assert await store.get("a") == b"1"

    using(path, test, backend=backend)


# One deadline for each who waits

BUSY_TIMEOUT_S = 0.4
MUCH_LATER_S = 0.35


def test_all_who_wait_for_another_process_give_up_together_and_so_does_who_closes(
    tmp_path: Path, backend: Backend
) -> None:
    put(tmp_path / FILE, a=b"1")

    async def test(store: SqliteStore) -> None:
        await store.open()
        took_s: list[float] = []

        async def write(number: int) -> None:
            began_s = time.monotonic()
            with pytest.raises(StateError, match="another process keeps it locked"):
                await store.put(f"key{number}", b"1", ttl_s=60)
            took_s.append(time.monotonic() - began_s)

        async def close() -> None:
            began_s = time.monotonic()
            await store.close()
            took_s.append(time.monotonic() - began_s)

        with written_by_another(tmp_path / FILE):
            async with anyio.create_task_group() as tasks:
                for number in range(6):
                    tasks.start_soon(write, number)
                await until_waiting(store, 5)
                tasks.start_soon(close)
        assert len(took_s) == 7
        assert min(took_s) > 0
        assert max(took_s) <= BUSY_TIMEOUT_S + MUCH_LATER_S
        assert await store.get("a") == b"1"
        await store.put("a", b"2", ttl_s=60)

    using(tmp_path / FILE, test, backend=backend, busy_timeout_s=BUSY_TIMEOUT_S)


def test_who_asks_while_another_waits_has_its_whole_time_and_no_more(tmp_path: Path, backend: Backend) -> None:
    put(tmp_path / FILE, a=b"1")

    async def test(store: SqliteStore) -> None:
        await store.open()
        took_s: list[float] = []

        async def write() -> None:
            began_s = time.monotonic()
            with pytest.raises(StateError):
                await store.put("a", b"2", ttl_s=60)
            took_s.append(time.monotonic() - began_s)
            if len(took_s) == 1:
                tasks.start_soon(write)

        with written_by_another(tmp_path / FILE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(write)
        assert all(BUSY_TIMEOUT_S * 0.9 <= one <= BUSY_TIMEOUT_S + MUCH_LATER_S for one in took_s)

    using(tmp_path / FILE, test, backend=backend, busy_timeout_s=BUSY_TIMEOUT_S)


def test_a_write_that_gets_the_lock_in_time_is_done(tmp_path: Path, backend: Backend) -> None:
    put(tmp_path / FILE, a=b"1")

    async def test(store: SqliteStore) -> None:
        await store.open()

        async def write(number: int) -> None:
            await store.put(f"key{number}", b"1", ttl_s=60)

        with written_by_another(tmp_path / FILE) as let_go:
            async with anyio.create_task_group() as tasks:
                for number in range(6):
                    tasks.start_soon(write, number)
                await until_waiting(store, 5)
                let_go()
        assert [await store.get(f"key{number}") for number in range(6)] == [b"1"] * 6

    using(tmp_path / FILE, test, backend=backend)
