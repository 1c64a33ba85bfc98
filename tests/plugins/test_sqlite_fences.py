"""A query reads, and nothing else, whatever it is made to look like; and it cannot take the server with it."""

import hashlib
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from mcp_plugins.sqlite.access.database import Database
from mcp_plugins.sqlite.access.refusals import DatabaseUnavailable, StatementRefused
from mcp_plugins.sqlite.settings import SqliteSettings

from .conftest import MakeDatabase

WRITES = [
    "DELETE FROM typed",
    "UPDATE typed SET label = 'x'",
    "INSERT INTO typed (label) VALUES ('x')",
    "REPLACE INTO typed (id, label) VALUES (1, 'x')",
    "INSERT INTO typed (id, label) VALUES (1, 'x') ON CONFLICT DO UPDATE SET label = 'y'",
    "WITH x AS (SELECT 1 AS id) DELETE FROM typed WHERE id IN (SELECT id FROM x)",
    "WITH x AS (SELECT 1) INSERT INTO typed (label) SELECT 'x' FROM x RETURNING id",
    "/* harmless */ -- really\n DELETE FROM typed",
    "DROP TABLE typed",
    "CREATE TABLE t (x)",
    "CREATE TABLE t AS SELECT * FROM typed",
    "CREATE TEMP TABLE t (x)",
    "CREATE TEMP VIEW t AS SELECT 1",
    "CREATE TEMP TRIGGER t AFTER INSERT ON typed BEGIN DELETE FROM typed; END",
    "CREATE INDEX i ON typed (id)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE VIRTUAL TABLE v USING fts5(x)",
    "ALTER TABLE typed RENAME TO other",
    "REINDEX",
    "ANALYZE",
    "VACUUM",
    "BEGIN",
    "BEGIN EXCLUSIVE",
    "COMMIT",
    "SAVEPOINT s",
    "INSERT INTO notes (notes) VALUES ('rebuild')",
    "UPDATE sqlite_schema SET sql = 'x'",
    "DELETE FROM sqlite_sequence",
]

PRAGMAS = [
    "PRAGMA writable_schema = ON",
    "PRAGMA query_only = OFF",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA journal_mode(wal)",
    "PRAGMA user_version = 7",
    "PRAGMA trusted_schema = ON",
    "PRAGMA hard_heap_limit = 0",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA mmap_size = 1000000000",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA optimize",
    "PRAGMA incremental_vacuum",
    "PRAGMA database_list",
    "SELECT * FROM pragma_database_list",
]


def digest(database: Database) -> str:
    return hashlib.sha256(database.path.read_bytes()).hexdigest()


@pytest.mark.parametrize("sql", WRITES + PRAGMAS)
def test_a_query_that_would_change_something_is_refused_and_changes_nothing(odd: Database, sql: str) -> None:
    before = digest(odd)
    with pytest.raises(StatementRefused):
        odd.query(sql)
    assert digest(odd) == before


def test_a_refused_write_says_what_it_would_have_done(odd: Database) -> None:
    with pytest.raises(StatementRefused, match=r"Only reading is allowed here.*DELETE rows of 'typed'"):
        odd.query("WITH x AS (SELECT 1 AS id) DELETE FROM typed WHERE id IN (SELECT id FROM x)")


def test_another_file_cannot_be_attached(odd: Database, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with pytest.raises(StatementRefused, match="another database file"):
        odd.query(f"ATTACH '{other}' AS other")
    assert not other.exists()


def test_a_copy_of_the_database_cannot_be_written_to_a_file(odd: Database, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with pytest.raises(StatementRefused):
        odd.query(f"VACUUM INTO '{copy}'")
    assert not copy.exists()


@pytest.mark.parametrize(
    "function", ["load_extension('/tmp/x')", "readfile('/etc/passwd')", "writefile('/tmp/x', 'y')"]
)
def test_functions_that_reach_outside_are_refused(odd: Database, function: str) -> None:
    with pytest.raises(StatementRefused, match=r"Not allowed|no such function"):
        odd.query(f"SELECT {function}")


@pytest.mark.parametrize(
    "sql", ["SELECT 1; SELECT 2", "SELECT 1; DROP TABLE typed", "SELECT 1;;", "SELECT ';'; DELETE FROM x"]
)
def test_only_one_statement_runs(odd: Database, sql: str) -> None:
    with pytest.raises(StatementRefused, match="one statement"):
        odd.query(sql)


@pytest.mark.parametrize("sql", ["", "   ", "-- nothing", "/* nothing */", ";"])
def test_no_statement_is_said_to_be_none(odd: Database, sql: str) -> None:
    with pytest.raises(StatementRefused):
        odd.query(sql)


@pytest.mark.parametrize("sql", ["SELECT 1\0", "SELECT '\ud800'"])
def test_a_statement_that_is_no_text_is_refused(odd: Database, sql: str) -> None:
    with pytest.raises(StatementRefused):
        odd.query(sql)


@pytest.mark.parametrize("end", [";", "  ; ", "; -- the end", "\n"])
def test_what_may_follow_a_statement_is_allowed(odd: Database, end: str) -> None:
    assert odd.query("SELECT 1" + end).rows == [[1]]


def test_a_parameter_is_never_sql(odd: Database) -> None:
    hostile = "'; DROP TABLE typed; --"
    assert odd.query("SELECT label FROM typed WHERE label = ?", [hostile]).rows == []
    assert odd.query("SELECT :it", {"it": hostile}).rows == [[hostile]]


ENDLESS = [
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n WHERE i = 0",
    "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e",
]


@pytest.mark.parametrize("sql", ENDLESS)
def test_an_endless_statement_is_stopped_with_advice(sample_file: Path, sql: str) -> None:
    database = Database(path=sample_file, settings=SqliteSettings(query_time_limit_s=0.1))
    started = time.monotonic()
    with pytest.raises(StatementRefused, match=r"stopped after 0\.1 s .*query_time_limit_s"):
        database.query(sql)
    assert time.monotonic() - started < 2


BOMBS = [
    "SELECT zeroblob(1000000000)",
    "SELECT length(zeroblob(1000000000))",
    "SELECT hex(randomblob(2000000))",
    "SELECT replace(hex(zeroblob(100000)), '0', hex(zeroblob(100000)))",
    "SELECT group_concat(hex(zeroblob(100000))) FROM orders",
    "WITH RECURSIVE n(i, s) AS (SELECT 1, 'x' UNION ALL SELECT i + 1, s || s FROM n) SELECT max(length(s)) FROM n",
    "SELECT json_group_array(hex(zeroblob(100000))) FROM orders",
]


@pytest.mark.parametrize("sql", BOMBS)
def test_a_value_over_the_limit_is_refused_before_it_is_built(shop: Database, sql: str) -> None:
    with pytest.raises(StatementRefused, match="max_value_bytes"):
        shop.query(sql)


def test_padding_to_a_gigabyte_gives_nothing(shop: Database) -> None:
    assert shop.query("SELECT printf('%1000000000d', 1)").rows == [[None]]


HOARDS = [
    "SELECT count(*) FROM (SELECT randomblob(900000) AS b FROM orders, orders ORDER BY b)",
    "WITH RECURSIVE n(i, b) AS (SELECT 1, zeroblob(900000) UNION SELECT i + 1, b FROM n) SELECT sum(i) FROM n",
    "SELECT " + ", ".join(["randomblob(900000)"] * 500),
    # The reader of each level names the one below twice, so 2**30 copies would be compiled.
    "WITH a0(x) AS (SELECT 1)"
    + "".join(f", a{i + 1}(x) AS (SELECT p.x FROM a{i} AS p, a{i} AS q)" for i in range(30))
    + " SELECT * FROM a30",
]


@pytest.mark.parametrize("sql", HOARDS, ids=["sort", "distinct", "wide row", "nested views"])
def test_a_statement_that_hoards_memory_is_stopped(sample_file: Path, sql: str) -> None:
    settings = SqliteSettings(max_memory_bytes=64_000_000, query_time_limit_s=5.0)
    with pytest.raises(StatementRefused, match=r"max_memory_bytes|stopped after"):
        Database(path=sample_file, settings=settings).query(sql)


def test_a_pattern_that_takes_ages_to_match_is_refused(shop: Database) -> None:
    with pytest.raises(StatementRefused, match="LIKE or GLOB pattern too complex"):
        shop.query("SELECT 1 WHERE hex(zeroblob(40000)) LIKE ?", ["%0" * 2000])


def test_a_statement_longer_than_any_person_writes_is_refused(shop: Database) -> None:
    with pytest.raises(StatementRefused):
        shop.query("SELECT 1" + " " * 200_000)


def test_more_parameters_than_may_be_are_refused_with_another_way(sample_file: Path) -> None:
    database = Database(path=sample_file, settings=SqliteSettings(max_parameters=3))
    assert database.query("SELECT ?, ?, ?", [1, 2, 3]).rows == [[1, 2, 3]]
    assert database.query("SELECT :a", {"a": 1, "b": 2, "c": 3}).rows == [[1]]
    for parameters in ([1, 2, 3, 4], {"a": 1, "b": 2, "c": 3, "d": 4}):
        with pytest.raises(StatementRefused, match=r"4 parameters, and 3 are the most \(max_parameters\).*json_each"):
            database.query("SELECT 1", parameters)
    with pytest.raises(StatementRefused, match="variable"):
        database.query("SELECT ?4", [1, 2, 3])
    assert database.query("SELECT value FROM json_each(?)", ["[1,2,3,4]"]).rows == [[1], [2], [3], [4]]


@pytest.mark.parametrize(
    ("key", "least"),
    [
        ("max_queries", 1),
        ("max_waiting_queries", 0),
        ("max_parameters", 1),
        ("max_question_characters", 1),
        ("max_question_lines", 1),
        ("max_memory_bytes", 1),
    ],
)
def test_a_bound_below_its_least_is_the_operators_error(key: str, least: int) -> None:
    SqliteSettings(**{key: least})  # type: ignore[arg-type]  # numbers all
    with pytest.raises(ValueError, match=f"{key} must be"):
        SqliteSettings(**{key: least - 1})  # type: ignore[arg-type]  # numbers all


def test_names_of_columns_count_as_part_of_a_result(sample_file: Path) -> None:
    long = "n" * 1_000
    sql = f'WITH a AS (SELECT 1 AS "{long}") SELECT ' + ", ".join(["a.*"] * 100) + " FROM a"
    room = Database(path=sample_file, settings=SqliteSettings(max_result_bytes=110_000))
    assert room.query(sql).rows == [[1] * 100]
    with pytest.raises(StatementRefused, match="max_result_bytes"):
        Database(path=sample_file, settings=SqliteSettings(max_result_bytes=90_000)).query(sql)


def test_checking_a_database_bounds_no_memory_of_the_process(sample_file: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        before = connection.execute("PRAGMA hard_heap_limit").fetchall()
        Database(path=sample_file, settings=SqliteSettings(max_memory_bytes=1_000_000)).check()
        assert connection.execute("PRAGMA hard_heap_limit").fetchall() == before


def test_a_view_that_calls_a_dangerous_function_is_not_trusted(make_database: MakeDatabase) -> None:
    database = make_database("CREATE VIEW v AS SELECT load_extension('/tmp/x')")
    with pytest.raises(StatementRefused):
        database.query("SELECT * FROM v")


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    database = Database(path=tmp_path / "missing.db", settings=SqliteSettings())
    with pytest.raises(DatabaseUnavailable, match="unable to open database file"):
        database.check()
    with pytest.raises(DatabaseUnavailable):
        database.query("SELECT 1")
    assert not database.path.exists()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear reader, this is no database. " * 100)
    with pytest.raises(DatabaseUnavailable, match=r"letter\.db: file is not a database"):
        Database(path=path, settings=SqliteSettings()).check()
