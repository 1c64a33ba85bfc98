"""A SQLite store under test, and its file seen from outside. Rule: real time, for its work is done in threads."""

import sqlite3
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from mcp_runtime.state.sqlite import SqliteStore
from tests.support.clocks import Backend, run

FILE: Final = "state.db"


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


@contextmanager
def connected(path: Path) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        yield connection


def value_of(path: Path, key: str) -> bytes | None:
    """The value, whenever it was put."""
    with connected(path) as connection:
        row = connection.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]
