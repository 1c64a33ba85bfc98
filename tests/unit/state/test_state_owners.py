"""Whose room it is: in each engine a client pushes out what is its own, and ends of keys are never forgotten for room."""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

import pytest

from mcp_runtime.state import sqlite_file
from mcp_runtime.state.checkup import KeptFile, Measure, look_at
from mcp_runtime.state.memory import MemoryStore
from mcp_runtime.state.port import ENDED, EndingStore, NoRoomError
from mcp_runtime.state.sqlite import SqliteStore
from tests.support.captured_log import captured_log
from tests.support.clocks import run
from tests.support.state_files import FILE, Clock, connected

Engine = Literal["memory", "sqlite"]
ENGINES: Final[Sequence[Engine]] = ("memory", "sqlite")
Test = Callable[[EndingStore, Clock], Awaitable[None]]


@pytest.fixture(params=ENGINES)
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    """Runs a test on a store with bounds of the test's own."""

    def on_it(test: Test, *, max_entries: int = 100, max_bytes: int = 1_000_000, max_ends: int = 100) -> None:
        async def with_store() -> None:
            clock = Clock()
            if request.param == "memory":
                memory = MemoryStore(max_entries=max_entries, max_bytes=max_bytes, max_ends=max_ends, now=clock)
                await test(memory, clock)
                return
            store = SqliteStore(
                tmp_path / FILE, max_entries=max_entries, max_bytes=max_bytes, max_ends=max_ends, now=clock
            )
            try:
                await test(store, clock)
            finally:
                await store.close()

        run("trio", with_store, clock="real")

    return on_it


On = Callable[..., None]


async def kept(store: EndingStore, keys: str) -> str:
    return "".join([key for key in keys if await store.get(key) is not None])


def test_a_client_pushes_out_what_is_its_own_and_no_more_than_half_is(on: On) -> None:
    async def test(store: EndingStore, _: Clock) -> None:
        await store.put("o", b"1", ttl_s=60, owner="other")
        await store.put("n", b"1", ttl_s=60)
        for key in "abcdef":
            await store.put(key, b"1", ttl_s=60, owner="client")
        assert await kept(store, "onabcdef") == "onef"  # 2 of the 4 that the others leave
        for key in "xyz":
            await store.put(key, b"1", ttl_s=60)
        assert await kept(store, "onxyzef") == "oxyzef"

    on(test, max_entries=6)


def test_a_long_value_pushes_out_as_many_of_its_owner_as_it_takes(on: On) -> None:
    async def test(store: EndingStore, _: Clock) -> None:
        await store.put("o", b"x" * 1000, ttl_s=60, owner="other")
        for key in "abcd":
            await store.put(key, b"x" * 1000, ttl_s=60, owner="client")
        assert await kept(store, "oabcd") == "oabcd"
        await store.put("e", b"x" * 3500, ttl_s=60, owner="client")
        assert await kept(store, "oabcde") == "ode"

    on(test, max_bytes=12_000)


def test_a_change_that_there_is_no_room_for_is_refused_and_what_was_there_stays(on: On) -> None:
    async def test(store: EndingStore, _: Clock) -> None:
        await store.put("a", b"1", ttl_s=60, owner="client")
        await store.put("b", b"1", ttl_s=60, owner="client")
        with pytest.raises(NoRoomError):
            await store.swap("a", b"x" * 2000, expected=b"1", ttl_s=60, owner="client")
        assert (await store.get("a"), await store.get("b")) == (b"1", b"1")
        await store.put("a", b"x" * 2000, ttl_s=60, owner="client")
        assert (await store.get("a"), await store.get("b")) == (None, b"1")

    on(test, max_bytes=3000)


def test_where_others_hold_all_there_is_a_newcomer_is_refused_and_nobody_loses_anything(on: On) -> None:
    async def test(store: EndingStore, _: Clock) -> None:
        for key in "abc":
            await store.put(key, b"1", ttl_s=60)
        with pytest.raises(NoRoomError):
            await store.swap("d", b"1", expected=None, ttl_s=60, owner="client")
        assert await kept(store, "abcd") == "abc"

    on(test, max_entries=3)


def test_an_end_forgets_the_value_and_is_known_for_its_own_time(on: On) -> None:
    async def test(store: EndingStore, clock: Clock) -> None:
        await store.put("a", b"1", ttl_s=60)
        assert await store.end("a", ttl_s=100, owner=None)
        assert await store.get("a") == ENDED
        assert not await store.swap("a", b"2", expected=b"1", ttl_s=60)
        assert not await store.swap("a", b"2", expected=None, ttl_s=60)
        clock.now_s += 99.75
        assert await store.get("a") == ENDED
        clock.now_s += 0.25
        assert await store.get("a") is None

    on(test)


def test_no_end_is_forgotten_for_another_and_each_counts_once(on: On) -> None:
    async def test(store: EndingStore, clock: Clock) -> None:
        assert await store.can_end("client")
        for key in "abaa":
            assert await store.end(key, ttl_s=60, owner="client")
        assert not await store.can_end("client")
        assert not await store.end("c", ttl_s=60, owner="client")
        assert await store.can_end("other")
        assert await store.end("d", ttl_s=30, owner="other")
        assert await store.end("e", ttl_s=60, owner=None)
        assert not await store.can_end(None)
        assert not await store.end("f", ttl_s=60, owner=None)
        assert [await store.get(key) for key in "abcdef"] == [ENDED, ENDED, None, ENDED, ENDED, None]
        clock.now_s += 30
        assert await store.can_end(None)  # also where nothing was written since
        assert await store.end("f", ttl_s=60, owner=None)

    on(test, max_ends=4)


def test_any_number_of_ends_leaves_values_where_they_are(on: On) -> None:
    async def test(store: EndingStore, _: Clock) -> None:
        await store.put("v", b"1", ttl_s=600)
        for number in range(50):
            await store.put(f"s/{number}", b"1", ttl_s=60, owner="client")
            assert await store.end(f"s/{number}", ttl_s=60, owner="client")
        assert await store.get("v") == b"1"
        assert await store.get("s/0") == ENDED

    on(test, max_entries=2)


async def test_the_values_of_a_group_go_together_and_no_others() -> None:
    store = MemoryStore(max_entries=100, max_bytes=1_000_000)
    keys = ("r/a/1", "r/a/1/1", "r/b/1", "r/ab/1", "r/a", "r")
    for key in keys:
        await store.put(key, b"1", ttl_s=60)
    await store.delete("r/a/1")
    await store.delete_group("r/a")
    await store.delete_group("never")
    assert [key for key in keys if await store.get(key)] == ["r/b/1", "r/ab/1", "r/a", "r"]
    await store.delete_group("r/b")
    await store.delete_group("r/ab")
    assert store._groups == {}


# The file

_OF_VERSION_1: Final = """
PRAGMA journal_mode = WAL;
CREATE TABLE entries (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value BLOB NOT NULL, expires_at REAL NOT NULL);
CREATE INDEX entries_by_expiry ON entries (expires_at);
CREATE TABLE size (entries INTEGER NOT NULL);
INSERT INTO size VALUES (0);
CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN UPDATE size SET entries = entries + 1; END;
CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN UPDATE size SET entries = entries - 1; END;
INSERT INTO entries VALUES (1, 'session/a', CAST('{"uris":["note://a"]}' AS BLOB), 2e6);
INSERT INTO entries VALUES (2, 'session/b', CAST('{"ended":true}' AS BLOB), 2e6);
PRAGMA application_id = 0x4D435052;
PRAGMA user_version = 1;
"""


def of_version_1(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_OF_VERSION_1)
    return path


def counted(connection: sqlite3.Connection) -> bool:
    """Whether what is counted is what there is."""
    own = connection.execute("SELECT sum(entries), sum(bytes), sum(ends) FROM owners").fetchone()
    held = connection.execute("SELECT entries, bytes, ends FROM size").fetchone()
    found = connection.execute("SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM ends)").fetchone()
    return bool(tuple(one or 0 for one in own) == held and (held[0], held[2]) == found)


def test_a_file_of_the_release_before_keeps_what_it_has_and_its_ends_are_ends(tmp_path: Path) -> None:
    path = of_version_1(tmp_path / FILE)

    async def test() -> None:
        one, other = (SqliteStore(path, max_entries=10, now=Clock()) for _ in range(2))
        for store in (one, other):
            assert await store.get("session/a") == b'{"uris":["note://a"]}'
            assert await store.get("session/b") == ENDED
        await one.put("session/c", b"1", ttl_s=60, owner="client")
        assert await other.end("session/a", ttl_s=60, owner="client")
        for store in (one, other):
            await store.close()

    run("trio", test, clock="real")
    with connected(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT entries, ends FROM size").fetchone() == (1, 2)
        assert counted(connection)


def test_a_checkup_says_how_full_a_file_is_once_it_counts_that(tmp_path: Path) -> None:
    path = of_version_1(tmp_path / FILE)
    kept_file = KeptFile(
        path=path,
        schema_version=2,
        application_id=0x4D435052,
        counted="sessions",
        counting="SELECT entries FROM size",
        lost="",
        reset_command="",
        measures=(Measure(query="SELECT ends FROM size", counted="ended sessions", bound=9),),
    )
    found = look_at(kept_file)
    assert (found.schema_version, found.count, list(found.measured)) == (1, 2, [])

    async def test() -> None:
        store = SqliteStore(path, max_entries=10, now=Clock())
        assert await store.get("session/b") == ENDED
        await store.close()

    run("trio", test, clock="real")
    found = look_at(kept_file)
    assert (found.schema_version, found.count, list(found.measured)) == (2, 1, [1])


def test_a_process_of_the_release_before_that_has_the_file_open_is_counted_with(tmp_path: Path) -> None:
    path = of_version_1(tmp_path / FILE)

    async def test() -> None:
        store = SqliteStore(path, max_entries=10, now=Clock())
        with connected(path) as older:
            await store.put("a", b"1", ttl_s=60)
            older.execute("INSERT INTO entries (key, value, expires_at) VALUES ('b', x'32', 2e6)")
            older.execute("DELETE FROM entries WHERE key = 'a'")
            assert counted(older)
        assert await store.get("b") == b"2"
        await store.close()

    run("trio", test, clock="real")


def test_what_is_counted_of_a_file_is_what_there_is_whatever_happened(tmp_path: Path) -> None:
    async def test() -> None:
        clock = Clock()
        store = SqliteStore(tmp_path / FILE, max_entries=8, max_bytes=4000, max_ends=4, now=clock)
        for number in range(60):
            owner = (None, "a", "b")[number % 3]
            await store.put(f"k\u00e9y{number % 11}", b"x" * (number * 7 % 300), ttl_s=5 + number % 9, owner=owner)
            if number % 5 == 0:
                await store.end(f"k\u00e9y{number % 7}", ttl_s=9, owner=owner)
            clock.now_s += 1
            with connected(tmp_path / FILE) as connection:
                assert counted(connection)
        assert sqlite_file.is_sound(tmp_path / FILE)
        await store.close()

    run("trio", test, clock="real")


def test_a_file_that_miscounts_its_ends_is_not_sound(tmp_path: Path) -> None:
    async def test() -> None:
        store = SqliteStore(tmp_path / FILE, max_entries=8, now=Clock())
        await store.end("a", ttl_s=60, owner=None)
        await store.close()

    run("trio", test, clock="real")
    assert sqlite_file.is_sound(tmp_path / FILE)
    with connected(tmp_path / FILE) as connection:
        connection.execute("UPDATE size SET ends = 7")
    assert not sqlite_file.is_sound(tmp_path / FILE)


def test_the_file_and_what_is_beside_it_stay_short_and_the_operator_hears_of_it_once_in_a_while(tmp_path: Path) -> None:
    path = tmp_path / FILE

    async def test() -> None:
        clock = Clock()
        store = SqliteStore(path, max_entries=10_000, max_bytes=200_000, max_ends=10, now=clock)
        with captured_log() as events:
            for number in range(300):
                await store.put(str(number), b"x" * 30_000, ttl_s=600)
            assert path.stat().st_size < 400_000
            assert path.with_name(f"{FILE}-wal").stat().st_size < 5_000_000
            assert [event["event"] for event in events()] == ["state_full"]
            clock.now_s += 60
            await store.put("more", b"x" * 30_000, ttl_s=600)
            assert [event["pushed_out"] > 100 for event in events()] == [False, True]
        await store.close()

    run("trio", test, clock="real")
