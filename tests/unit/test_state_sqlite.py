"""What was put is there after a restart, a kill and beside other processes; a file that is unusable says what to do."""

import asyncio
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from mcp_runtime.state import sqlite_file
from mcp_runtime.state.errors import StateError
from mcp_runtime.state.sqlite import SqliteStore
from tests.support.clocks import Backend, run

NOBODY = 65_534
FILE = "state.db"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


Test = Callable[[SqliteStore], Awaitable[None]]


def using(
    path: Path, test: Test, *, backend: Backend = "trio", max_entries: int = 1000, busy_timeout_s: float = 5.0
) -> None:
    """Run `test` on a store of its own, and close it."""

    async def with_store() -> None:
        store = SqliteStore(path, max_entries=max_entries, busy_timeout_s=busy_timeout_s, now=Clock())
        try:
            await test(store)
        finally:
            await store.close()

    run(backend, with_store, clock="real")


def put(path: Path, **values: bytes) -> None:
    async def test(store: SqliteStore) -> None:
        for key, value in values.items():
            await store.put(key, value, ttl_s=60)

    using(path, test)


def get(path: Path, key: str) -> bytes | None:
    found: list[bytes | None] = []

    async def test(store: SqliteStore) -> None:
        found.append(await store.get(key))

    using(path, test)
    return found[0]


def refusals(path: Path) -> list[StateError]:
    """What each way to use the file says, in the order open, get, put, swap, delete."""
    errors: list[StateError] = []

    async def test(store: SqliteStore) -> None:
        ways: list[Callable[[], Awaitable[object]]] = [
            store.open,
            lambda: store.get("a"),
            lambda: store.put("a", b"1", ttl_s=60),
            lambda: store.swap("a", b"1", expected=b"0", ttl_s=60),
            lambda: store.delete("a"),
        ]
        for way in ways:
            with pytest.raises(StateError) as refused:
                await way()
            errors.append(refused.value)

    using(path, test)
    return errors


@pytest.fixture(params=["trio", "asyncio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    backend: Backend = request.param
    return backend


@pytest.fixture
def public() -> Generator[Path]:
    """A directory that another user may look into, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@contextmanager
def as_an_ordinary_user() -> Generator[None]:
    """Permissions mean nothing to root, so be somebody else for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def connected(path: Path) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        yield connection


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
    ("sql", "index"),
    [
        (sqlite_file._GET, "sqlite_autoindex_entries_1 (key=?)"),
        (sqlite_file._REMOVE, "sqlite_autoindex_entries_1 (key=?)"),
        (sqlite_file._PURGE, "entries_by_expiry (expires_at<?)"),
    ],
)
def test_no_query_walks_over_all_rows(tmp_path: Path, sql: str, index: str) -> None:
    put(tmp_path / FILE, a=b"1")
    with connected(tmp_path / FILE) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", ("a", 0.0)[: sql.count("?")]).fetchall()
    assert [row[3].partition("INDEX ")[2] for row in plan] == [index]


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


def value_of(path: Path, key: str) -> bytes | None:
    """The value, whenever it was put."""
    with connected(path) as connection:
        row = connection.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


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


# What is wrong with the file


def test_a_directory_that_may_not_be_written_is_the_operators_error(public: Path) -> None:
    async def test(store: SqliteStore) -> None:
        assert await store.get("a") is None
        with pytest.raises(StateError) as refused:
            await store.put("a", b"1", ttl_s=60)
        assert str(refused.value) == (
            f"{public / FILE}: state.directory: it cannot be kept: Permission denied. Fix: make it and its directory "
            "writable for the user that the server runs as, or set state.directory."
        )

    with as_an_ordinary_user():
        using(public / FILE, test)
    assert list(public.iterdir()) == []


def test_a_directory_that_may_not_be_read_is_the_operators_error(public: Path) -> None:
    (public / "state").mkdir(mode=0o000)
    with as_an_ordinary_user():
        errors = refusals(public / "state" / FILE)
    assert {error.problem.partition(": ")[2] for error in errors} == {"Permission denied"}


def test_a_directory_that_is_a_file_is_the_operators_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("x")
    errors = refusals(tmp_path / "state" / FILE)
    assert {error.problem.partition(": ")[2] for error in errors} == {"Not a directory"}
    assert all("set state.directory" in error.fix for error in errors)


def test_a_file_that_may_not_be_written_is_read_and_not_written(public: Path) -> None:
    path = public / FILE
    with connected(path) as keeps_the_wal:
        keeps_the_wal.executescript(sqlite_file._SCHEMA)
        keeps_the_wal.execute(f"PRAGMA application_id = {sqlite_file.APPLICATION_ID}")
        keeps_the_wal.execute("INSERT INTO entries VALUES (1, 'a', x'31', 1e12)")
        for file in public.iterdir():
            file.chmod(0o644)

        async def test(store: SqliteStore) -> None:
            assert await store.get("a") == b"1"
            with pytest.raises(StateError, match="it cannot be opened for writing"):
                await store.put("a", b"2", ttl_s=60)

        with as_an_ordinary_user():
            using(path, test)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE
    content = b"no database at all " * 500
    path.write_bytes(content)
    errors = refusals(path)
    assert {error.problem for error in errors} == {"it is damaged, or no SQLite database"}
    assert "restore a copy" in errors[0].fix
    assert path.read_bytes() == content


def test_a_database_with_damaged_pages_is_refused_by_every_use(tmp_path: Path) -> None:
    path = tmp_path / FILE
    put(path, **{f"key{number}": b"x" * 500 for number in range(100)})
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    errors = refusals_in_use(path)
    assert {error.problem for error in errors} == {"it is damaged, or no SQLite database"}


def refusals_in_use(path: Path) -> list[StateError]:
    """As `refusals`, of a file that can be opened."""
    errors: list[StateError] = []

    async def test(store: SqliteStore) -> None:
        await store.open()
        ways: list[Callable[[], Awaitable[object]]] = [
            lambda: store.get("a"),
            lambda: store.put("a", b"1", ttl_s=60),
            lambda: store.delete("a"),
        ]
        for way in ways:
            with pytest.raises(StateError) as refused:
                await way()
            errors.append(refused.value)

    using(path, test)
    return errors


def test_what_sqlite_says_and_no_table_explains_is_passed_on(tmp_path: Path) -> None:
    put(tmp_path / FILE, a=b"1")
    with connected(tmp_path / FILE) as connection:
        connection.execute("DROP TABLE entries")
    errors = refusals_in_use(tmp_path / FILE)
    assert {error.problem for error in errors} == {"SQLite reports: no such table: entries"}


def test_somebody_elses_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with connected(tmp_path / FILE) as connection:
        connection.execute("CREATE TABLE entries (theirs)")
    before = (tmp_path / FILE).read_bytes()
    assert {error.problem for error in refusals(tmp_path / FILE)} == {"it is not a file that mcp-runtime made"}
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"x"])
def test_a_file_too_short_to_tell_what_it_is_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert {error.fix for error in refusals(tmp_path / FILE)} == {"move it away, or set state.directory"}
    assert (tmp_path / FILE).read_bytes() == content


def test_a_file_of_a_newer_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    put(tmp_path / FILE, a=b"1")
    with connected(tmp_path / FILE) as connection:
        connection.execute("PRAGMA user_version = 2")
    errors = refusals(tmp_path / FILE)
    expected = (
        f"{tmp_path / FILE}: state.directory: its schema has version 2 and was made by a newer mcp-runtime; this one "
        "knows 1. Fix: run the newer release, or set state.directory."
    )
    assert {str(error) for error in errors} == {expected}
    assert value_of(tmp_path / FILE, "a") == b"1"


def test_a_full_disk_is_the_operators_error_and_what_was_kept_stays(tmp_path: Path) -> None:
    async def test(store: SqliteStore) -> None:
        await store.put("a", b"1", ttl_s=60)
        assert store._file is not None
        store._file._writer.execute("PRAGMA max_page_count = 10")
        with pytest.raises(StateError, match="its disk is full"):
            await store.put("a", b"x" * 100_000, ttl_s=60)
        assert await store.get("a") == b"1"
        await store.put("b", b"small enough", ttl_s=60)
        assert await store.get("b") == b"small enough"

    using(tmp_path / FILE, test)


# Locks


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
