"""Whatever the name, the value or the text of a statement: it is handled, and what is handled stays what it was."""

import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mcp_plugins.sqlite.access.database import Database
from mcp_plugins.sqlite.access.refusals import StatementRefused
from mcp_plugins.sqlite.access.schema import quoted
from mcp_plugins.sqlite.access.values import from_sqlite, to_sqlite
from mcp_plugins.sqlite.resources import table_uri
from mcp_plugins.sqlite.settings import SqliteSettings
from mcp_runtime.core.catalog.uri_templates import UriTemplate

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda name: not name.lower().startswith("sqlite_")
)
INTEGERS = st.integers(min_value=-(2**63), max_value=2**63 - 1)
VALUES = st.one_of(st.none(), INTEGERS, st.floats(allow_nan=False), TEXT, st.binary())

# Pieces that a statement is made of, and pieces that break out of one.
WORDS = ["SELECT", "DELETE FROM", "t", "x", "FROM", "WITH q AS (", "PRAGMA", "ATTACH", "writable_schema", "INSERT INTO"]
SIGNS = ["*", ",", "(", ")", "'", '"', "[", "]", "`", ";", "--", "/*", "*/", "?", ":p", "$", "@", "1", "=", "\n"]


@contextmanager
def database(script: str) -> Generator[Database]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "test.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
        yield Database(path=path, settings=SqliteSettings(query_time_limit_s=2.0))


@given(name=NAMES, column=NAMES)
def test_any_name_can_be_that_of_a_table_and_of_a_column(name: str, column: str) -> None:
    with database(f"CREATE TABLE {quoted(name)} ({quoted(column)} DATE)") as made:
        description = made.describe(name)
        assert description.name == name
        assert [part.name for part in description.columns] == [column]
        assert [part.type for part in made.query(f"SELECT * FROM {quoted(name)}").columns] == ["DATE"]
        assert made.preview(name).first_rows is not None


# The runtime lets no variable of a template climb out of its place: such a table is reached by the tools alone.
@given(name=NAMES.filter(lambda name: not {"/", "\\"} & set(name) and name != ".."))
def test_the_address_of_a_table_leads_back_to_it(name: str) -> None:
    assert UriTemplate("sqlite://tables/{table}").match(table_uri(name)) == {"table": name}


@given(value=VALUES)
def test_any_value_becomes_json_and_comes_back_as_itself(value: float | str | bytes | None) -> None:
    assert to_sqlite([from_sqlite(value)]) == [value]


@given(pieces=st.lists(st.sampled_from(WORDS + SIGNS), max_size=15))
def test_no_statement_made_of_any_pieces_changes_anything_or_fails_unexpectedly(pieces: list[str]) -> None:
    with database("CREATE TABLE t (x); INSERT INTO t VALUES (1)") as made:
        before = made.path.read_bytes()
        with suppress(StatementRefused):
            made.query(" ".join(pieces))
        assert made.path.read_bytes() == before
