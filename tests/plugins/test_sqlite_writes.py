"""A statement that writes is planned before it runs, and happens as a whole or not at all."""

import sqlite3
from contextlib import closing

import pytest

from mcp_plugins.sqlite.access.database import Database, WritePlan
from mcp_plugins.sqlite.access.refusals import StatementRefused
from mcp_plugins.sqlite.access.values import Value

from .conftest import MakeDatabase
from .test_sqlite_fences import PRAGMAS


def count(database: Database, table: str) -> Value:
    return database.query(f"SELECT count(*) FROM {table}").rows[0][0]


@pytest.mark.parametrize(
    ("sql", "operations", "tables", "changes_schema"),
    [
        ("INSERT INTO parent VALUES (5, 5)", ["INSERT"], ["parent"], False),
        ("UPDATE parent SET a = 2", ["UPDATE"], ["parent"], False),
        ("DELETE FROM typed", ["DELETE", "INSERT", "UPDATE"], ["audit", "child", "typed"], False),
        ("WITH x AS (SELECT 1) DELETE FROM audit", ["DELETE"], ["audit"], False),
        ("CREATE TABLE fresh (x)", ["CREATE TABLE"], [], True),
        ("ALTER TABLE audit ADD COLUMN at DATE", ["ALTER TABLE"], [], True),
        ("CREATE INDEX i ON parent (b)", ["CREATE INDEX", "REINDEX"], [], True),
    ],
)
def test_a_plan_names_what_would_change_and_changes_nothing(
    odd: Database, sql: str, operations: list[str], tables: list[str], *, changes_schema: bool
) -> None:
    before = odd.path.read_bytes()
    assert odd.plan(sql) == WritePlan(operations=operations, tables=tables, changes_schema=changes_schema)
    assert odd.path.read_bytes() == before


@pytest.mark.parametrize(
    "sql", ["SELECT 1", "PRAGMA table_info(typed)", "", "-- nothing", "VALUES (1)", "EXPLAIN DELETE FROM audit"]
)
def test_a_statement_that_changes_nothing_has_no_plan(odd: Database, sql: str) -> None:
    with pytest.raises(StatementRefused):
        odd.plan(sql)


REFUSED = [
    *PRAGMAS,
    "ATTACH '/tmp/x.db' AS x",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "CREATE TEMP TABLE t (x)",
    "CREATE VIRTUAL TABLE t USING csv(filename = '/etc/passwd')",
    "INSERT INTO audit SELECT load_extension('/tmp/x')",
    "UPDATE sqlite_schema SET sql = ''",
    "DELETE FROM audit; DELETE FROM typed",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_even_where_writes_are_allowed_a_statement_stays_inside_the_database(odd: Database, sql: str) -> None:
    with pytest.raises(StatementRefused):
        odd.plan(sql)
    before = odd.query("SELECT count(*) FROM typed").rows
    with pytest.raises(StatementRefused):
        odd.execute(sql)
    assert odd.query("SELECT count(*) FROM typed").rows == before


def test_an_insert_tells_its_row(odd: Database) -> None:
    result = odd.execute("INSERT INTO typed (label, day) VALUES (?, ?)", ["third", "2025-03-01"])
    assert (result.rows_affected, result.last_row_id, result.tables) == (1, 3, ["typed"])
    assert odd.query("SELECT label FROM typed WHERE id = 3").rows == [["third"]]


def test_a_statement_that_begins_with_with_counts_its_rows(odd: Database) -> None:
    result = odd.execute("WITH x(id) AS (VALUES (1), (2)) DELETE FROM child WHERE id IN (SELECT id FROM x)")
    assert (result.rows_affected, result.last_row_id) == (2, None)


def test_rows_changed_by_triggers_are_not_counted_but_their_tables_are_named(odd: Database) -> None:
    result = odd.execute("DELETE FROM typed WHERE id = 1")
    assert result.rows_affected == 1
    assert result.tables == ["audit", "child", "typed"]
    assert odd.query("SELECT what FROM audit").rows == [["deleted first"]]


def test_foreign_keys_are_enforced_and_the_whole_statement_is_undone(odd: Database) -> None:
    with pytest.raises(StatementRefused, match="FOREIGN KEY constraint failed"):
        odd.execute("INSERT INTO child (a, b) VALUES (1, 1), (9, 9)")
    assert count(odd, "child") == 2


def test_a_statement_stopped_for_time_changes_nothing(make_database: MakeDatabase) -> None:
    database = make_database("CREATE TABLE t (x)", query_time_limit_s=0.1)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO t SELECT i FROM n"
    with pytest.raises(StatementRefused, match="stopped after"):
        database.execute(endless)
    assert count(database, "t") == 0


def test_returned_rows_are_cut_but_every_row_is_changed(make_database: MakeDatabase) -> None:
    database = make_database("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3), (4)", max_rows=2)
    result = database.execute("UPDATE t SET x = x * 10 RETURNING x")
    assert result.returned is not None
    assert (result.returned.rows, result.returned.truncated) == ([[10], [20]], "max_rows")
    assert result.rows_affected == 4
    assert database.query("SELECT min(x) FROM t").rows == [[10]]


def test_a_table_can_be_made_and_dropped(odd: Database) -> None:
    assert odd.execute("CREATE TABLE fresh (x)").changed_schema
    assert "fresh" in [table.name for table in odd.tables()]
    assert odd.execute("DROP TABLE fresh").changed_schema
    assert "fresh" not in [table.name for table in odd.tables()]


@pytest.mark.parametrize("module", ["fts5", "FTS5", "Fts5"])
def test_full_text_tables_can_be_made_and_written(odd: Database, module: str) -> None:
    odd.execute(f"CREATE VIRTUAL TABLE search USING {module}(body)")
    odd.execute("INSERT INTO search VALUES ('coffee beans')")
    assert odd.query("SELECT body FROM search WHERE search MATCH 'coffee'").rows == [["coffee beans"]]


def test_a_write_waits_for_a_lock_and_then_says_so(make_database: MakeDatabase) -> None:
    database = make_database("CREATE TABLE t (x)", busy_timeout_s=0.05)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StatementRefused, match=r"locked.*Nothing was changed"):
            database.execute("INSERT INTO t VALUES (1)")
    assert count(database, "t") == 0
