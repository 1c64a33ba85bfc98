"""A state file that cannot be used is the operator's error: it names the file and what to do, and is left alone."""

import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mcp_runtime.state import sqlite_schema
from mcp_runtime.state.port import StateError
from mcp_runtime.state.sqlite import SqliteStore
from tests.support.state_files import FILE, connected, put, using, value_of

NOBODY = 65_534


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
        sqlite_schema.make(keeps_the_wal)
        keeps_the_wal.execute(f"PRAGMA application_id = {sqlite_schema.APPLICATION_ID}")
        keeps_the_wal.execute("INSERT INTO entries VALUES (1, 'a', x'31', 1e12, '')")
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
        connection.execute("PRAGMA user_version = 3")
    errors = refusals(tmp_path / FILE)
    expected = (
        f"{tmp_path / FILE}: state.directory: its schema has version 3 and was made by a newer mcp-runtime; this one "
        "knows 2. Fix: run the newer release, or set state.directory."
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
