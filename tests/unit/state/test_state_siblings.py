"""A database meets no sibling but its own: whatever was removed, restored, replaced or killed, the file stays intact."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_runtime.state import siblings
from mcp_runtime.state.port import StateError
from mcp_runtime.state.sqlite import SqliteStore
from mcp_runtime.state.sqlite_file import is_sound
from tests.bridges.deprecation.ledgers import Log
from tests.support.clocks import Backend, run
from tests.support.state_files import FILE, Clock, connected, get, put, using, value_of


@pytest.fixture(params=["trio", "asyncio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    backend: Backend = request.param
    return backend


def integrity(path: Path) -> str:
    with connected(path) as connection:
        counted = connection.execute("SELECT entries = (SELECT count(*) FROM entries) FROM size").fetchone()
        assert counted == (1,)
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def told(path: Path, test: Callable[[SqliteStore], Any], backend: Backend = "trio") -> list[tuple[str, dict[str, Any]]]:
    """The events that `test` makes a store log."""
    log = Log()

    async def with_store() -> None:
        store = SqliteStore(path, max_entries=100_000, now=Clock(), log=log)
        try:
            await test(store)
        finally:
            await store.close()

    run(backend, with_store, clock="real")
    return [(event, fields) for _, event, fields in log.told]


async def open_it(store: SqliteStore) -> None:
    await store.open()


def crashed(path: Path, number: int, *, old: Path | None = None) -> None:
    """The files of a process that was killed: a database, of `number` puts before and after its last checkpoint."""
    workshop = path.parent / "workshop"
    put(workshop / FILE, **{f"before{one}": os.urandom(300) for one in range(number)})
    if old is not None:
        shutil.copy(workshop / FILE, old)
    with connected(workshop / FILE) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA synchronous = OFF")
        for stage in ("middle", "after"):
            for one in range(number):
                row = (f"{stage}{one}", os.urandom(300), 1e12)
                connection.execute("INSERT INTO entries (key, value, expires_at) VALUES (?, ?, ?)", row)
            if stage == "middle":
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for file in workshop.iterdir():
            shutil.copy(file, path.parent / file.name.replace(FILE, path.name))
    shutil.rmtree(workshop)


def aside_of(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir() if one.name.startswith(f"{path.name}.2"))


# A file that was removed


@pytest.mark.parametrize("number", [1, 40, 400])
def test_a_new_file_never_meets_what_a_killed_process_left_of_the_old_one(tmp_path: Path, number: int) -> None:
    path = tmp_path / FILE
    crashed(path, number)
    path.unlink()

    async def test(store: SqliteStore) -> None:
        await store.put("new", b"1", ttl_s=60)

    ((event, fields),) = told(path, test)
    assert event == "state_siblings_put_aside"
    assert [Path(one).name for one in fields["files"]] == aside_of(path)
    assert integrity(path) == "ok"
    assert (value_of(path, "new"), value_of(path, "after0")) == (b"1", None)


def test_removed_while_it_is_open_what_is_put_from_then_on_is_kept_and_the_log_says_what_is_lost(
    tmp_path: Path, backend: Backend
) -> None:
    path = tmp_path / FILE

    async def test(store: SqliteStore) -> None:
        for number in range(5):
            await store.put(f"old{number}", b"1", ttl_s=60)
        path.unlink()
        await store.put("a", b"1", ttl_s=60)
        assert (await store.get("a"), await store.get("old0")) == (b"1", None)
        await store.put("b", b"2", ttl_s=60)

    events = told(path, test, backend)
    assert [event for event, _ in events] == ["state_file_replaced", "state_siblings_put_aside"]
    assert events[0][1] == {"path": str(path), "found": "nothing", "lost_entries": 5}
    assert (get(path, "a"), get(path, "b"), integrity(path)) == (b"1", b"2", "ok")


def test_removed_while_it_is_open_a_read_or_a_deletion_makes_no_file(tmp_path: Path, backend: Backend) -> None:
    path = tmp_path / FILE

    async def test(store: SqliteStore) -> None:
        await store.put("a", b"1", ttl_s=60)
        path.unlink()
        assert await store.get("a") is None
        await store.delete("a")
        assert not await store.swap("a", b"2", expected=b"1", ttl_s=60)
        assert not path.exists()

    assert [event for event, _ in told(path, test, backend)] == ["state_file_replaced", "state_siblings_put_aside"]


def test_removed_with_its_directory_it_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "state" / FILE

    async def test(store: SqliteStore) -> None:
        await store.put("a", b"1", ttl_s=60)
        shutil.rmtree(path.parent)
        await store.put("b", b"1", ttl_s=60)

    assert [event for event, _ in told(path, test)] == ["state_file_replaced"]
    assert (get(path, "b"), integrity(path)) == (b"1", "ok")


def test_two_stores_whose_file_is_removed_meet_again_in_one_new_file(tmp_path: Path, backend: Backend) -> None:
    path = tmp_path / FILE

    async def test(store: SqliteStore) -> None:
        other = SqliteStore(path, max_entries=1000, now=Clock(), log=Log())
        for turn in range(3):
            await store.put(f"a{turn}", b"1", ttl_s=60)
            assert await other.get(f"a{turn}") == b"1"
            await other.put(f"b{turn}", b"2", ttl_s=60)
            path.unlink()
        await other.put("last", b"3", ttl_s=60)
        assert await store.get("last") == b"3"
        await other.close()
        await store.put("really last", b"4", ttl_s=60)

    assert [event for event, _ in told(path, test, backend)][-1] == "state_file_replaced"
    assert (get(path, "last"), get(path, "really last"), integrity(path)) == (b"3", b"4", "ok")


class RemovedWhileWritten(SqliteStore):
    """Somebody removes the file when it has been written to, and before that is told."""

    times = 1

    def _work(self, work: Any, until_s: float) -> Any:
        done = super()._work(work, until_s)
        if self.times:
            self.times -= 1
            self._path.unlink()
        return done


@pytest.mark.parametrize("times", [1, 2])
def test_what_was_written_to_a_file_that_is_gone_when_it_is_told_is_written_once_more(
    tmp_path: Path, times: int
) -> None:
    log = Log()

    async def test() -> None:
        store = RemovedWhileWritten(tmp_path / FILE, max_entries=10, now=Clock(), log=log)
        store.times = times
        await store.put("a", b"1", ttl_s=60)
        assert await store.get("a") == b"1"
        await store.close()

    run("trio", test, clock="real")
    assert log.events.count("state_file_replaced") == times
    assert get(tmp_path / FILE, "a") == b"1"


def test_a_file_that_goes_again_and_again_is_the_operators_error(tmp_path: Path) -> None:
    async def test() -> None:
        store = RemovedWhileWritten(tmp_path / FILE, max_entries=10, now=Clock(), log=Log())
        store.times = 100
        with pytest.raises(StateError, match="replaced faster than it can be opened"):
            await store.put("a", b"1", ttl_s=60)
        await store.close()

    run("trio", test, clock="real")


# A file that was replaced


@pytest.mark.parametrize("number", [1, 40, 400])
@pytest.mark.parametrize("how", ["in its place", "moved there"])
def test_a_restored_copy_beside_the_siblings_of_another_is_intact(tmp_path: Path, number: int, how: str) -> None:
    path = tmp_path / FILE
    crashed(path, number, old=tmp_path / "backup")
    if how == "moved there":
        (tmp_path / "backup").rename(path)
    else:
        shutil.copy(tmp_path / "backup", path)

    async def test(store: SqliteStore) -> None:
        await store.open()
        assert await store.get("before0") is not None
        await store.put("new", b"1", ttl_s=60)

    events = told(path, test)
    assert integrity(path) == "ok"
    assert value_of(path, "new") == b"1"
    # Where what the siblings have makes a whole with the copy, they are no strangers, and nothing is lost.
    assert (value_of(path, "after0") is None) == bool(events)
    assert [event for event, _ in events] == ["state_siblings_put_aside"] * bool(aside_of(path))


def test_an_intact_pair_that_was_copied_together_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / FILE
    crashed(path, 40)
    assert told(path, open_it) == []
    assert value_of(path, "after39") is not None
    assert aside_of(path) == []


@pytest.mark.parametrize("junk", [b"x" * 100_000, bytes(100_000)])
def test_junk_beside_a_file_does_no_harm(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / FILE
    put(path, a=b"1")
    for suffix in siblings.SUFFIXES:
        (tmp_path / f"{FILE}{suffix}").write_bytes(junk)

    async def test(store: SqliteStore) -> None:
        await store.put("b", b"1", ttl_s=60)

    told(path, test)
    assert (get(path, "a"), get(path, "b"), integrity(path)) == (b"1", b"1", "ok")


def test_another_file_in_its_place_while_it_is_open_is_noticed_and_used(tmp_path: Path, backend: Backend) -> None:
    path, older = tmp_path / FILE, tmp_path / "older"
    put(older, theirs=b"1")

    async def test(store: SqliteStore) -> None:
        for number in range(50):
            await store.put(f"ours{number}", os.urandom(300), ttl_s=60)
        older.rename(path)
        assert (await store.get("theirs"), await store.get("ours0")) == (b"1", None)
        await store.put("new", b"2", ttl_s=60)

    events = told(path, test, backend)
    assert events[0] == ("state_file_replaced", {"path": str(path), "found": "another file", "lost_entries": 50})
    assert (get(path, "theirs"), get(path, "new"), integrity(path)) == (b"1", b"2", "ok")


def test_a_file_that_was_cut_short_while_it_was_open_is_left_alone_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / FILE
    put(path, **{f"key{number}": b"x" * 500 for number in range(50)})

    async def test(store: SqliteStore) -> None:
        await store.put("a", b"1", ttl_s=60)
        os.truncate(path, 4096)
        uses: list[Callable[[], Awaitable[object]]] = [
            lambda: store.get("a"),
            lambda: store.put("b", b"1", ttl_s=60),
            lambda: store.delete("a"),
        ]
        for use in uses:
            with pytest.raises(
                StateError, match=r"overwritten or cut short while it was in use.*mcp-runtime state check"
            ):
                await use()

    told(path, test)


def test_siblings_that_a_process_works_with_are_left_to_it_and_met_by_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / FILE
    holder = f"""
import sqlite3, sys
connection = sqlite3.connect({str(path)!r}, isolation_level=None)
connection.execute("INSERT INTO entries (key, value, expires_at) VALUES ('theirs', x'31', 1e12)")
print("open", flush=True)
sys.stdin.readline()
connection.execute("INSERT INTO entries (key, value, expires_at) VALUES ('theirs too', x'31', 1e12)")
"""
    put(tmp_path / "older", ours=b"1")
    put(path, before=b"1")
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        (tmp_path / "older").rename(path)
        events = told(path, open_it)
        process.stdin.close()
        assert process.wait(20) == 0
    assert [event for event, _ in events] == ["state_siblings_put_aside"]
    assert (integrity(path), value_of(path, "ours"), value_of(path, "theirs")) == ("ok", b"1", None)


# Names


def test_a_hard_link_is_refused_for_under_its_other_name_it_has_other_siblings(tmp_path: Path) -> None:
    path = tmp_path / FILE
    put(path, a=b"1")
    os.link(path, tmp_path / "other.db")
    with pytest.raises(StateError, match="it is a hard link, and the file has 2 names"):
        get(path, "a")
    shutil.copy(path, tmp_path / "copy")
    (tmp_path / "copy").rename(path)
    assert get(path, "a") == b"1"


def test_the_first_name_that_a_killed_process_left_does_not_stand_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / FILE
    put(path, a=b"1")
    os.link(path, tmp_path / f".{FILE}.abcdefgh")
    assert get(path, "a") == b"1"
    assert [one.name for one in tmp_path.iterdir()] == [FILE]


def test_behind_a_symbolic_link_the_siblings_are_those_of_the_file_itself(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    crashed(tmp_path / "far" / FILE, 40, old=tmp_path / "backup")
    shutil.copy(tmp_path / "backup", tmp_path / "far" / FILE)
    (tmp_path / FILE).symlink_to(tmp_path / "far" / FILE)
    assert [event for event, _ in told(tmp_path / FILE, open_it)] == ["state_siblings_put_aside"]
    assert integrity(tmp_path / FILE) == "ok"


# Turns


def test_who_waits_for_the_turn_gives_up_in_time(tmp_path: Path) -> None:
    with siblings.turn(tmp_path / FILE, until_s=0):
        began_s = time.monotonic()
        with pytest.raises(TimeoutError), siblings.turn(tmp_path / FILE, until_s=began_s + 0.05):
            pytest.fail("two have it")
        assert 0.05 <= time.monotonic() - began_s < 1
    with siblings.turn(tmp_path / FILE, until_s=0):
        pass


def test_who_cannot_have_the_turn_says_that_the_file_is_locked(tmp_path: Path) -> None:
    async def test(store: SqliteStore) -> None:
        with siblings.turn(tmp_path / FILE, until_s=0), pytest.raises(StateError, match="another process keeps it"):
            await store.put("a", b"1", ttl_s=60)
        await store.put("a", b"1", ttl_s=60)

    using(tmp_path / FILE, test, busy_timeout_s=0.05)


def test_threads_that_make_the_file_at_once_beside_strays_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / FILE
    crashed(path, 40)
    path.unlink()
    barrier, failures = threading.Barrier(4), list[BaseException]()

    def make(number: int) -> None:
        barrier.wait()
        try:
            put(path, **{f"key{number}": b"1"})
        except BaseException as error:  # noqa: BLE001  # to be raised in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [value_of(path, f"key{number}") for number in range(4)] == [b"1"] * 4
    assert integrity(path) == "ok"


def test_what_is_sound_counts_right(tmp_path: Path) -> None:
    path = tmp_path / FILE
    put(path, a=b"1")
    assert is_sound(path)
    with connected(path) as connection:
        connection.execute("UPDATE size SET entries = 7")
    assert not is_sound(path)
    with connected(tmp_path / "theirs") as connection:
        connection.execute("CREATE TABLE theirs (a)")
    assert is_sound(tmp_path / "theirs")
    (tmp_path / "directory").mkdir()
    with pytest.raises(sqlite3.OperationalError):
        is_sound(tmp_path / "directory")
