"""What was put is there after a restart, after a kill, and for other processes at once."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from mcp_runtime.state import sqlite_file, sqlite_schema
from mcp_runtime.state.sqlite import SqliteStore
from tests.support.clocks import Backend, run
from tests.support.state_files import FILE, Clock, connected, get, put, using, value_of


@pytest.fixture(params=["trio", "asyncio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    backend: Backend = request.param
    return backend


# What is kept, and where


def test_what_was_put_is_there_after_a_restart(tmp_path: Path, backend: Backend) -> None:
    async def before(store: SqliteStore) -> None:
        await store.put("a", b"1", ttl_s=60)
        assert await store.swap("b", b"2", expected=None, ttl_s=60)
        await store.put("c", b"3", ttl_s=60)
        await store.delete("c")

    async def after(store: SqliteStore) -> None:
        await store.open()
        assert [await store.get(key) for key in "abc"] == [b"1", b"2", None]

    using(tmp_path / FILE, before, backend=backend)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    using(tmp_path / FILE, after, backend=backend)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_files_are_for_their_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    directory = tmp_path / "a" / "state"

    async def test(store: SqliteStore) -> None:
        await store.put("a", b"1", ttl_s=60)
        files = sorted(directory.iterdir())
        assert [file.name for file in files] == [FILE, f"{FILE}-shm", f"{FILE}-wal"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

    before = os.umask(umask)
    try:
        using(directory / FILE, test)
    finally:
        os.umask(before)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_who_keeps_nothing_writes_nothing(tmp_path: Path, backend: Backend) -> None:
    async def test(store: SqliteStore) -> None:
        await store.open()
        assert await store.get("a") is None
        assert not await store.swap("a", b"1", expected=b"0", ttl_s=60)
        await store.delete("a")

    using(tmp_path / "state" / FILE, test, backend=backend)
    assert list(tmp_path.iterdir()) == []


def test_any_path_will_do(tmp_path: Path) -> None:
    path = tmp_path / "100% of #1?mode=memory&a=caf\u00e9" / FILE
    put(path, a=b"1")
    assert path.is_file()
    assert get(path, "a") == b"1"


def test_a_store_that_found_no_file_sees_what_another_one_puts(tmp_path: Path, backend: Backend) -> None:
    async def test(store: SqliteStore) -> None:
        assert await store.get("a") is None
        other = SqliteStore(tmp_path / FILE, max_entries=1000, now=Clock())
        await other.put("a", b"1", ttl_s=60)
        assert await store.get("a") == b"1"
        await store.put("a", b"2", ttl_s=60)
        assert await other.get("a") == b"2"
        await other.close()
        assert await store.get("a") == b"2"

    using(tmp_path / FILE, test, backend=backend)


def test_tasks_whose_first_use_comes_at_once_open_one_file(tmp_path: Path, backend: Backend) -> None:
    put(tmp_path / FILE, a=b"1")
    files: set[sqlite_file.StateFile | None] = set()

    async def test(store: SqliteStore) -> None:
        async def use() -> None:
            assert await store.get("a") == b"1"
            files.add(store._file)

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(use)
        await store.open()
        files.add(store._file)

    using(tmp_path / FILE, test, backend=backend)
    assert len(files) == 1


def test_closing_twice_or_without_use_is_harmless_and_another_use_opens_again(tmp_path: Path, backend: Backend) -> None:
    async def test(store: SqliteStore) -> None:
        await store.close()
        await store.put("a", b"1", ttl_s=60)
        await store.close()
        await store.close()
        assert await store.get("a") == b"1"

    using(tmp_path / FILE, test, backend=backend)


def test_expired_rows_leave_the_file_with_the_next_put(tmp_path: Path) -> None:
    async def test() -> None:
        clock = Clock()
        store = SqliteStore(tmp_path / FILE, max_entries=1000, now=clock)
        for number in range(20):
            await store.put(str(number), b"x", ttl_s=number + 1)
        clock.now_s += 15
        await store.put("new", b"x", ttl_s=60)
        with connected(tmp_path / FILE) as connection:
            assert connection.execute("SELECT count(*) FROM entries").fetchone() == (6,)
            assert connection.execute("SELECT entries FROM size").fetchone() == (6,)
        await store.close()

    run("trio", test, clock="real")


def test_a_smaller_bound_after_a_restart_is_kept_with_the_next_put(tmp_path: Path) -> None:
    put(tmp_path / FILE, a=b"1", b=b"1", c=b"1", d=b"1")

    async def test(store: SqliteStore) -> None:
        await store.put("e", b"1", ttl_s=60)
        assert [await store.get(key) for key in "abcde"] == [None, None, None, b"1", b"1"]

    using(tmp_path / FILE, test, max_entries=2)


@pytest.mark.parametrize(
    ("sql", "indexes"),
    [
        (sqlite_file._GET, ["PRIMARY KEY (key=?)", "entries_1 (key=?)"]),
        (sqlite_file._REMOVE, ["entries_1 (key=?)"]),
        (sqlite_file._PURGE, ["entries_by_expiry (expires_at<?)"]),
        (sqlite_file._PURGE_ENDS, ["ends_by_expiry (expires_at<?)"]),
        (sqlite_file._REMOVE_OLDEST, ["(rowid=?)", "entries_by_owner (owner=?)"]),
        (sqlite_schema._OWN, ["PRIMARY KEY (owner=?)"]),
    ],
)
def test_no_query_walks_over_all_rows(tmp_path: Path, sql: str, indexes: list[str]) -> None:
    put(tmp_path / FILE, a=b"1")
    with connected(tmp_path / FILE) as connection:
        values = {"key": "a", "now": 0.0} if ":key" in sql else ("a", 0.0)[: sql.count("?")]
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    steps = [row[3] for row in plan if row[3].startswith(("SEARCH", "SCAN"))]
    assert [step.rpartition(index)[1] for step, index in zip(steps, indexes, strict=True)] == indexes, steps
    assert all(step.startswith("SEARCH") for step in steps)


def test_sqlite_is_imported_with_the_first_use_of_a_file(tmp_path: Path) -> None:
    code = """
import sys, trio
from pathlib import Path
from mcp_runtime.state.sqlite import SqliteStore
async def main():
    store = SqliteStore(Path(sys.argv[1]), max_entries=1)
    await store.open()
    await store.get("a")
    print("sqlite3" in sys.modules)
    await store.put("a", b"1", ttl_s=60)
    print("sqlite3" in sys.modules)
    await store.close()
trio.run(main)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / FILE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


# Other processes

PROCESS = """
import sys
from pathlib import Path
import trio
from mcp_runtime.state.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]), max_entries=100_000)
    print("ready", flush=True)
    sys.stdin.readline()
    {body}
    await store.close()

trio.run(main)
"""

COUNT = """
    for _ in range(100):
        counted = False
        while not counted:
            found = await store.get("n")
            counted = await store.swap("n", b"%d" % (int(found or b"0") + 1), expected=found, ttl_s=600)
"""

PUT_FOR_EVER = """
    number = 0
    while True:
        await store.put(str(number), b"x" * 1000, ttl_s=600)
        print(number, flush=True)
        number += 1
"""


@contextmanager
def process(path: Path, body: str) -> "Generator[subprocess.Popen[str]]":
    """A process that will run `body` once it gets a line."""
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS.format(body=body.strip()), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def start_at_once(*processes: "subprocess.Popen[str]") -> None:
    for each in processes:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()


def test_two_processes_that_make_the_file_at_once_and_count_by_swapping_lose_no_count(tmp_path: Path) -> None:
    path = tmp_path / "state" / FILE
    with process(path, COUNT) as one, process(path, COUNT) as other:
        start_at_once(one, other)
        assert (one.wait(timeout=60), other.wait(timeout=60)) == (0, 0)
    assert value_of(path, "n") == b"200"
    assert [file.name for file in path.parent.iterdir()] == [FILE]


def test_what_was_put_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with process(path, PUT_FOR_EVER) as killed:
        start_at_once(killed)
        assert killed.stdout is not None
        while killed.stdout.readline() != "300\n":
            pass
        killed.kill()
        last = int((killed.stdout.read().split() or ["300"])[-1])
        assert killed.wait(timeout=20) == -signal.SIGKILL
    assert (tmp_path / f"{FILE}-wal").stat().st_size > 0
    put(path, after=b"1")
    with connected(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        # One put may have been done and not been told.
        assert connection.execute("SELECT entries FROM size").fetchone()[0] - 1 in {last + 1, last + 2}
    assert [value_of(path, str(number)) for number in range(last + 1)] == [b"x" * 1000] * (last + 1)
