"""Statements run in workers: a bounded number, started when needed, used again, and killed when nothing else helps."""

import os
import pickle
import signal
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import trio

from mcp_plugins.sqlite.access.database import QueryResult, ResultColumn
from mcp_plugins.sqlite.access.refusals import DatabaseUnavailable, StatementRefused, TableUnknown
from mcp_plugins.sqlite.access.values import Blob, InfiniteReal, LargeInteger
from mcp_plugins.sqlite.sample import write_sample
from mcp_plugins.sqlite.settings import SqliteSettings
from mcp_plugins.sqlite.workers import fixes
from mcp_plugins.sqlite.workers.frames import HEADER, packed, unpacked
from mcp_plugins.sqlite.workers.statements import Statements
from tests.support.captured_log import captured_log

LETTERS = ["a" * 100_000, "a" * 50_000]
HOG = "SELECT " + ",".join(f"instr(?1, ?2 || 'n{i}')" for i in range(90))
HOGGING_WRITE = "INSERT INTO notes SELECT " + " + ".join(f"instr(?1, ?2 || 'n{i}')" for i in range(90))
Serve = Callable[..., Any]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Serve a copy of the sample shop, with a table of notes."""

    @asynccontextmanager
    async def served(**settings: Any) -> AsyncGenerator[Statements]:
        path = tmp_path / "shop.db"
        write_sample(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE notes (x)")
        statements = Statements(path, SqliteSettings(database=path, **settings))
        try:
            yield statements
        finally:
            await statements.close()

    return served


def children() -> set[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        found |= set(map(int, (task / "children").read_text().split()))
    return found


async def count(statements: Statements, table: str = "notes") -> Any:
    return (await statements.query(f"SELECT count(*) FROM {table}", None)).rows[0][0]


async def until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not holds():  # noqa: ASYNC110 - nobody announces what another process does
            await trio.sleep(0.005)


async def test_a_worker_starts_with_the_first_statement_serves_all_and_ends_with_the_server(serve: Serve) -> None:
    before = children()
    async with serve() as statements:
        assert children() == before
        assert await count(statements, "orders") == 320
        mine = children() - before
        assert len(mine) == 1
        assert (await statements.tables())[0].name == "customers"
        assert (await statements.describe("ORDERS")).row_count == 320
        assert (await statements.preview("orders")).first_rows is not None
        assert (await statements.schema_sql()).startswith("CREATE TABLE customers")
        assert (await statements.plan("DELETE FROM notes", None)).tables == ["notes"]
        assert (await statements.execute("INSERT INTO notes VALUES (?)", [1])).rows_affected == 1
        assert children() - before == mine
    assert children() == before


async def test_every_value_comes_through_both_ways(serve: Serve) -> None:
    given = [
        None,
        1,
        1.5,
        "x\ud7ff",
        Blob(base64="AP8="),
        LargeInteger(integer=str(2**60)),
        InfiniteReal(real="-Infinity"),
    ]
    async with serve() as statements:
        result = await statements.query("SELECT ?, ?, ?, ?, ?, ?, ?", given)
    assert result.rows == [given]


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [
        (lambda it: it.query("SELECT ghost", None), StatementRefused, "no such column"),
        (lambda it: it.describe("nothing"), TableUnknown, "There is no table 'nothing'"),
        (lambda it: it.query(7, None), RuntimeError, "Traceback"),
    ],
)
async def test_an_error_is_the_one_of_the_database(serve: Serve, ask: Any, error: type[Exception], says: str) -> None:
    async with serve() as statements:
        with pytest.raises(error, match=says):
            await ask(statements)
        assert await count(statements) == 0


async def test_a_file_that_went_away_is_the_operators_error(serve: Serve, tmp_path: Path) -> None:
    async with serve() as statements:
        assert await count(statements) == 0
        await trio.Path(tmp_path / "shop.db").unlink()
        with pytest.raises(DatabaseUnavailable):
            await count(statements)


async def test_no_more_statements_are_at_work_than_may_be_and_no_more_wait(serve: Serve) -> None:
    before = children()
    answers: list[str] = []
    async with serve(max_queries=2, max_waiting_queries=1, query_time_limit_s=0.1) as statements:

        async def ask() -> None:
            with pytest.raises(StatementRefused) as refused:
                await statements.query(HOG, LETTERS)
            answers.append(str(refused.value))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
            await until(lambda: len(children() - before) == 2)
            with pytest.raises(StatementRefused, match=r"busy: 2 statements are at work, and 1 wait already"):
                await statements.query("SELECT 1", None)
        assert [answer[:25] for answer in answers] == ["The statement was stopped"] * 3
        assert await count(statements) == 0


async def test_a_caller_that_leaves_the_queue_makes_room_for_another(serve: Serve) -> None:
    before = children()
    async with serve(max_queries=1, max_waiting_queries=1) as statements, trio.open_nursery() as nursery:
        nursery.start_soon(statements.query, HOG, LETTERS)
        await until(lambda: len(children() - before) == 1)
        for _ in range(3):
            with trio.move_on_after(0.01) as left:
                await statements.query("SELECT 1", None)
            assert left.cancelled_caught
        nursery.cancel_scope.cancel()
    assert children() == before


async def test_a_cancelled_caller_stops_its_statement_and_nothing_is_left_of_it(serve: Serve) -> None:
    before = children()
    async with serve(allow_writes=True, query_time_limit_s=300) as statements:
        for method, sql in ((statements.query, HOG), (statements.execute, HOGGING_WRITE)):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(method, sql, LETTERS)
                await until(lambda: len(children() - before) == 1)
                nursery.cancel_scope.cancel()
            assert children() == before
        assert await count(statements) == 0


async def test_a_write_that_runs_out_of_time_says_what_became_of_it(serve: Serve) -> None:
    async with serve(allow_writes=True, query_time_limit_s=0.1) as statements:
        with pytest.raises(StatementRefused, match=r"stopped.*It changed nothing, unless"):
            await statements.execute(HOGGING_WRITE, LETTERS)
        assert await count(statements) == 0


async def test_what_a_killed_writer_left_is_undone_before_anyone_reads(serve: Serve, tmp_path: Path) -> None:
    many = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO notes SELECT zeroblob(900) FROM n"
    )
    before = children()
    async with serve(allow_writes=True, query_time_limit_s=300) as statements:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(statements.execute, many, None)
            # Past SQLite's cache of pages: then there are changes in the file, and a journal of what was there.
            await until(lambda: (tmp_path / "shop.db").stat().st_size > 6_000_000)
            nursery.cancel_scope.cancel()
        assert children() == before
        assert (tmp_path / "shop.db-journal").stat().st_size > 0
        assert await count(statements) == 0


async def test_a_worker_that_the_system_killed_is_replaced(serve: Serve) -> None:
    before = children()
    async with serve() as statements:
        assert await count(statements) == 0
        (worker,) = children() - before
        os.kill(worker, signal.SIGKILL)
        os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
        assert await count(statements) == 0
        assert children() - before != {worker}


async def test_a_worker_killed_at_work_is_told_to_the_client_and_to_the_operator(serve: Serve) -> None:
    before = children()
    async with serve(query_time_limit_s=300) as statements:

        async def ask() -> None:
            with pytest.raises(StatementRefused, match="ended the process that ran it"):
                await statements.query(HOG, LETTERS)

        with captured_log() as events:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await until(lambda: len(children() - before) == 1)
                (worker,) = children() - before
                os.kill(worker, signal.SIGSEGV)
        died = [event for event in events() if event["event"] == "sqlite_worker_died"]
        assert [(event["level"], event["ending"]) for event in died] == [("error", "SIGSEGV")]
        assert await count(statements) == 0


async def test_an_answer_that_is_larger_than_a_result_may_be_is_refused(serve: Serve, tmp_path: Path) -> None:
    async with serve(max_result_bytes=1_000) as statements:
        with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
            connection.execute(f"CREATE VIEW long AS SELECT '{'x' * 990_000}'")
        assert len(await statements.schema_sql()) > 990_000
        with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
            connection.execute(f"CREATE VIEW longer AS SELECT '{'x' * 990_000}'")
        with pytest.raises(StatementRefused, match="max_result_bytes"):
            await statements.schema_sql()


def test_a_frame_holds_values_and_makes_nothing_else() -> None:
    result = QueryResult(columns=[ResultColumn(name="x", type=None)], rows=[[Blob(base64="")]], truncated=None)
    assert unpacked(packed(("result", result))[HEADER.size :]) == ("result", result)


class Hostile:
    def __reduce__(self) -> Any:
        return os.getenv, ("HOME",)


@pytest.mark.parametrize(
    "value", [Hostile(), ValueError(), sqlite3.connect, object()], ids=lambda it: type(it).__name__
)
def test_a_frame_of_anything_else_is_refused(value: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="does not belong in a frame"):
        unpacked(packed(("result", value))[HEADER.size :])


@pytest.mark.parametrize(("version", "missing"), [((3, 37, 0), True), ((3, 50, 1), True), ((3, 50, 2), False)])
def test_an_sqlite_without_the_known_fixes_is_told_of_once(version: tuple[int, int, int], *, missing: bool) -> None:
    with captured_log() as events:
        fixes.warn_of_missing_fixes.cache_clear()
        fixes.warn_of_missing_fixes(version)
        fixes.warn_of_missing_fixes(version)
    told = [event for event in events() if event["event"] == "sqlite_may_lack_fixes"]
    expected = {"level": "warning", "version": ".".join(map(str, version)), "fixed_in": "3.50.2"}
    assert [{name: event[name] for name in expected} for event in told] == [expected] * missing
