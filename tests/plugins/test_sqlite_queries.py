"""A query returns typed rows, cut where the operator's limits say, and errors that help."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from mcp_plugins.sqlite.access.database import Database, QueryResult, ResultColumn
from mcp_plugins.sqlite.access.refusals import StatementRefused
from mcp_plugins.sqlite.access.values import Blob, InfiniteReal, LargeInteger, Value
from mcp_plugins.sqlite.settings import SqliteSettings

from .conftest import MakeDatabase


def types(result: QueryResult) -> list[str | None]:
    return [column.type for column in result.columns]


def test_rows_are_lists_in_the_order_of_the_columns(shop: Database) -> None:
    result = shop.query("SELECT id, status FROM orders ORDER BY id LIMIT 2")
    assert result.columns == [ResultColumn(name="id", type="INTEGER"), ResultColumn(name="status", type="TEXT")]
    assert [row[0] for row in result.rows] == [1, 2]
    assert result.truncated is None


def test_a_column_has_the_type_its_table_declares_even_under_another_name(odd: Database) -> None:
    result = odd.query("SELECT day AS when_, label, id + 1, count(*) OVER (), picture FROM typed")
    assert types(result) == ["DATE", "VARCHAR(40)", None, None, "BLOB"]


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT label FROM typed WHERE id = ?", [1]),
        ("SELECT label FROM typed WHERE id = ?2 OR id = ?1", [1, 1]),
        ("SELECT label FROM typed WHERE id = :id AND label <> ':id ? ''quoted' /* ? */ -- ?", {"id": 1}),
        ('SELECT label FROM typed AS "a?b" WHERE "a?b".id = $id', {"$id": 1}),
        ("WITH t AS (SELECT * FROM typed WHERE id = @id) SELECT label FROM t", {"@id": 1}),
    ],
)
def test_types_are_found_for_queries_with_parameters(odd: Database, sql: str, parameters: list[Value]) -> None:
    result = odd.query(sql, parameters)
    assert result.rows == [["first"]]
    assert types(result) == ["VARCHAR(40)"]


@pytest.mark.parametrize("sql", ["PRAGMA table_info(typed)", "EXPLAIN QUERY PLAN SELECT * FROM typed", "VALUES (1)"])
def test_a_result_without_a_table_has_names_and_no_types(odd: Database, sql: str) -> None:
    result = odd.query(sql)
    assert result.rows
    assert set(types(result)) == {None}


def test_columns_of_the_same_name_are_all_there(odd: Database) -> None:
    result = odd.query("SELECT 1 AS a, 2 AS a, 3 AS a")
    assert [column.name for column in result.columns] == ["a", "a", "a"]
    assert result.rows == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("NULL", None),
        ("1", 1),
        ("1.5", 1.5),
        ("'text'", "text"),
        ("''", ""),
        ("x'00ff'", Blob(base64="AP8=")),
        ("9007199254740991", 9007199254740991),
        ("9007199254740992", LargeInteger(integer="9007199254740992")),
        ("-9223372036854775808", LargeInteger(integer="-9223372036854775808")),
        ("9e999", InfiniteReal(real="Infinity")),
        ("-9e999", InfiniteReal(real="-Infinity")),
        ("0.0 * 9e999", None),
        ("date('2024-02-29', '+1 year')", "2025-03-01"),
        ("CAST(x'ff41' AS TEXT)", "�A"),
    ],
)
def test_every_sqlite_value_has_a_json_form(shop: Database, expression: str, expected: Value) -> None:
    assert shop.query(f"SELECT {expression}").rows == [[expected]]


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        -1,
        1.5,
        "",
        "naïve ☃ 𝄞",
        "a\x00b",
        Blob(base64="AP8="),
        LargeInteger(integer="9007199254740993"),
        InfiniteReal(real="Infinity"),
        InfiniteReal(real="-Infinity"),
    ],
)
def test_a_value_that_came_out_can_go_in_again(shop: Database, value: Value) -> None:
    assert shop.query("SELECT ?", [value]).rows == [[value]]
    assert shop.query("SELECT :v", {"v": value}).rows == [[value]]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (2**63, "64 bit"),
        (LargeInteger(integer="9223372036854775808"), "64 bit"),
        (LargeInteger(integer="ten"), "decimal digits"),
        (Blob(base64="%%%"), "base64"),
        ("\ud800", "Unicode"),
    ],
)
def test_a_parameter_that_sqlite_cannot_hold_is_named(shop: Database, value: Value, problem: str) -> None:
    with pytest.raises(StatementRefused, match=f"Parameter 2 .*{problem}"):
        shop.query("SELECT ?, ?", [1, value])


@pytest.mark.parametrize(
    ("sql", "parameters", "problem"),
    [
        ("SELEC 1", None, 'near "SELEC": syntax error'),
        ("SELECT * FROM nowhere", None, "no such table: nowhere"),
        ("SELECT ghost FROM orders", None, "no such column: ghost"),
        ("SELECT ?", None, "number of bindings"),
        ("SELECT :a", {"b": 1}, "binding"),
        ("SELECT json('{')", None, "malformed JSON"),
    ],
)
def test_what_sqlite_finds_wrong_is_passed_on(shop: Database, sql: str, parameters: list[Value], problem: str) -> None:
    with pytest.raises(StatementRefused, match=problem):
        shop.query(sql, parameters)


def test_rows_past_the_limit_are_cut_and_the_result_says_so(sample_file: Path) -> None:
    database = Database(path=sample_file, settings=SqliteSettings(max_rows=3))
    cut = database.query("SELECT id FROM orders ORDER BY id")
    assert (cut.rows, cut.truncated) == ([[1], [2], [3]], "max_rows")
    whole = database.query("SELECT id FROM orders ORDER BY id LIMIT 3")
    assert (whole.rows, whole.truncated) == ([[1], [2], [3]], None)


def test_bytes_past_the_limit_are_cut_and_the_result_says_so(sample_file: Path) -> None:
    database = Database(path=sample_file, settings=SqliteSettings(max_result_bytes=1000))
    result = database.query("SELECT hex(zeroblob(200)) FROM orders")
    assert (len(result.rows), result.truncated) == (2, "max_result_bytes")


def test_a_first_row_that_does_not_fit_is_an_error_with_advice(sample_file: Path) -> None:
    database = Database(path=sample_file, settings=SqliteSettings(max_result_bytes=1000))
    with pytest.raises(StatementRefused, match=r"first row alone.*substr\(\)"):
        database.query("SELECT hex(zeroblob(2000))")


def test_an_endless_result_is_cut_at_the_row_limit_without_computing_the_rest(shop: Database) -> None:
    result = shop.query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n")
    assert (len(result.rows), result.truncated) == (200, "max_rows")


def test_a_stored_value_over_the_limit_can_be_measured_but_not_read(make_database: MakeDatabase) -> None:
    database = make_database("CREATE TABLE t (id, b BLOB); INSERT INTO t VALUES (1, zeroblob(2000000))")
    assert database.query("SELECT id, length(b) FROM t").rows == [[1, 2_000_000]]
    with pytest.raises(StatementRefused, match=r"max_value_bytes.*length\(\)"):
        database.query("SELECT b FROM t")


def test_a_wal_database_is_read_with_what_was_written_last(make_database: MakeDatabase) -> None:
    database = make_database("PRAGMA journal_mode = WAL; CREATE TABLE t (x)")
    assert database.query("SELECT count(*) FROM t").rows == [[0]]
    with closing(sqlite3.connect(database.path)) as other:
        other.execute("INSERT INTO t VALUES (1)")
        other.commit()
        assert database.query("SELECT count(*) FROM t").rows == [[1]]


def test_a_database_that_another_program_has_locked_is_said_to_be_locked(make_database: MakeDatabase) -> None:
    database = make_database("CREATE TABLE t (x)", busy_timeout_s=0.05)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StatementRefused, match="locked by another program"):
            database.query("SELECT * FROM t")


def test_many_threads_query_at_once(shop: Database) -> None:
    results: list[list[list[Value]]] = []

    def ask() -> None:
        for _ in range(5):
            results.append(shop.query("SELECT count(*) FROM orders").rows)  # noqa: PERF401 - as a thread would

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[[320]]] * 80


def test_no_connection_stays_open(shop: Database) -> None:
    shop.query("SELECT 1")
    with pytest.raises(StatementRefused):
        shop.query("SELECT ghost")
    descriptors = [link.resolve() for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert shop.path.resolve() not in descriptors


@pytest.mark.parametrize(
    "wrong", [{"max_rows": 0}, {"query_time_limit_s": 0}, {"max_memory_bytes": -1}, {"busy_timeout_s": -0.1}]
)
def test_a_setting_that_would_let_nothing_through_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SqliteSettings(**wrong)  # type: ignore[arg-type]  # that is the point
