"""The database: runs statements against one SQLite file. Rule: this file knows databases, and nothing of MCP.

Three fences stand around a query, each enough alone: the file is opened read-only, `query_only` is on, and the
authorizer refuses everything but reading. Time, memory, rows and bytes are bounded by the settings.
"""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from mcp_plugins.sqlite.settings import SqliteSettings

from . import schema
from .authorizer import Authorizer
from .column_types import declared_types
from .connection import opened, reached, refusals, time_limit
from .refusals import StatementRefused
from .schema import TableDescription, TableSummary
from .values import Parameters, SqliteValue, Value, from_sqlite, json_bytes, to_sqlite

# A description is asked for often, and its row count is a courtesy: a second shows it for about 10 million rows.
ROW_COUNT_LIMIT_S: Final = 1.0

# What a table's resource shows of its rows: enough to see what the columns mean.
PREVIEW_ROWS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultColumn:
    """A result's column. `type` is the type that the table declares for it; null when it is computed."""

    name: str
    type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """Rows, each a list in the order of `columns`. `truncated` names the limit that cut the rest off, or is null."""

    columns: list[ResultColumn]
    rows: list[list[Value]]
    truncated: Literal["max_rows", "max_result_bytes"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePlan:
    """The plan of a statement: its kinds of write, such as "DELETE", and the tables whose rows it touches."""

    operations: list[str]
    tables: list[str]
    changes_schema: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteResult:
    """What a statement changed.

    `rows_affected` does not count what triggers and foreign keys changed in turn, but `tables` names their tables too.
    `last_row_id` is null unless a row was inserted; `returned` are the rows of a RETURNING clause, or null.
    """

    rows_affected: int
    last_row_id: int | None
    tables: list[str]
    changed_schema: bool
    returned: QueryResult | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePreview:
    """A table and its first rows; null when they are too large to show."""

    table: TableDescription
    first_rows: QueryResult | None


@contextmanager
def no_hard_limit(limit_s: float) -> Generator[None]:
    """A limit that ends nothing, for a process that must go on."""
    del limit_s
    yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One SQLite file, and what the operator allows with it. Safe to use from any number of threads at once.

    Every method raises StatementRefused when the statement is at fault, TableUnknown for a table that is not there, and
    DatabaseUnavailable when the file is. Methods block. SQLite stops a statement between two loops of its program only,
    so a hostile one can go on for long: `hard_limit` is entered with the seconds that a statement has, and may end the
    process. `check` alone is for a process that does more than this, as the limit of memory is the process's too.
    """

    path: Path
    settings: SqliteSettings
    hard_limit: Callable[[float], AbstractContextManager[None]] = no_hard_limit

    def check(self) -> None:
        """Show that the database can be used. Raises DatabaseUnavailable with the reason."""
        with reached(self.path, self.settings, mode="ro"):
            pass

    def tables(self) -> list[TableSummary]:
        """List the tables and views, by name."""
        with self._reading() as connection:
            return schema.read_tables(connection)

    def describe(self, table: str) -> TableDescription:
        """Describe one table or view: columns, keys, indexes, the number of its rows."""
        with self._reading() as connection:
            return self._describe(connection, table)

    def preview(self, table: str) -> TablePreview:
        """Describe one table or view, with its first rows."""
        with self._reading() as connection:
            description = self._describe(connection, table)
            return TablePreview(table=description, first_rows=self._first_rows(connection, description))

    def schema_sql(self) -> str:
        """Return the statements that created tables, indexes, views and triggers, as one SQL script."""
        with self._reading() as connection:
            rows = connection.execute(
                """
                SELECT sql FROM main.sqlite_schema WHERE sql IS NOT NULL
                ORDER BY type = 'index', type = 'trigger', rowid
                """
            )
            return "".join(f"{sql};\n\n" for (sql,) in rows)

    def query(self, sql: str, parameters: Parameters | None = None) -> QueryResult:
        """Run one statement that only reads, and return its rows."""
        values = self._values(parameters)
        _refuse_unsendable(sql)
        with opened(self.path, self.settings, mode="ro") as connection, self._bounded(connection):
            types = declared_types(connection, sql)
            connection.execute("PRAGMA query_only = ON")
            with _authorized(connection, Authorizer(may_write=False)):
                cursor = connection.execute(sql, values)
                columns = _result_columns(cursor, types)
                if not columns:
                    raise StatementRefused("There is no statement that returns rows.")
                return self._fetch(cursor, columns)

    def plan(self, sql: str, parameters: Parameters | None = None) -> WritePlan:
        """Compile one statement that writes, without running it, and say what it would change."""
        values = self._values(parameters)
        _refuse_unsendable(sql)
        authorizer = Authorizer(may_write=True)
        with opened(self.path, self.settings, mode="ro") as connection, self._bounded(connection):
            connection.execute("PRAGMA query_only = ON")
            with _authorized(connection, authorizer):
                connection.execute(f"EXPLAIN {sql}", values).fetchall()
        if not authorizer.operations:
            raise StatementRefused("This statement changes nothing: use a query for it.")
        return _plan(authorizer)

    def execute(self, sql: str, parameters: Parameters | None = None) -> ExecuteResult:
        """Run one statement that writes, in a transaction of its own: all of it happens, or nothing.

        The caller has asked whoever must be asked; see `plan`.
        """
        values = self._values(parameters)
        _refuse_unsendable(sql)
        authorizer = Authorizer(may_write=True)
        with opened(self.path, self.settings, mode="rw") as connection, self._bounded(connection):
            connection.execute("BEGIN IMMEDIATE")
            try:
                with _authorized(connection, authorizer):
                    returned = self._fetch_returned(connection.execute(sql, values))
                # `Cursor.rowcount` knows nothing of a statement that begins with WITH.
                rows_affected, last_row_id = connection.execute("SELECT changes(), last_insert_rowid()").fetchone()
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        plan = _plan(authorizer)
        return ExecuteResult(
            rows_affected=rows_affected,
            last_row_id=last_row_id or None,
            tables=plan.tables,
            changed_schema=plan.changes_schema,
            returned=returned,
        )

    def _values(self, parameters: Parameters | None) -> list[SqliteValue] | dict[str, SqliteValue]:
        most = self.settings.max_parameters
        if parameters is not None and len(parameters) > most:
            raise StatementRefused(
                f"There are {len(parameters)} parameters, and {most} are the most (max_parameters). "
                "Put a list into one parameter, as JSON, and read it with json_each()."
            )
        return to_sqlite(parameters)

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with opened(self.path, self.settings, mode="ro") as connection, self._bounded(connection):
            connection.execute("PRAGMA query_only = ON")
            yield connection

    @contextmanager
    def _bounded(self, connection: sqlite3.Connection) -> Generator[None]:
        limit_s = self.settings.query_time_limit_s
        with refusals(self.settings), self.hard_limit(limit_s), time_limit(connection, limit_s):
            yield

    def _describe(self, connection: sqlite3.Connection, table: str) -> TableDescription:
        name, kind = schema.find_table(connection, table)
        return TableDescription(
            name=name,
            kind=kind,
            columns=schema.read_columns(connection, name),
            foreign_keys=schema.read_foreign_keys(connection, name),
            indexes=schema.read_indexes(connection, name),
            row_count=self._count_rows(name),
            sql=schema.read_create_statement(connection, name),
        )

    def _first_rows(self, connection: sqlite3.Connection, table: TableDescription) -> QueryResult | None:
        select = f"SELECT * FROM main.{schema.quoted(table.name)} LIMIT {PREVIEW_ROWS}"  # noqa: S608 - quoted
        columns = [ResultColumn(name=column.name, type=column.type) for column in table.columns]
        try:
            return self._fetch(connection.execute(select), columns)
        except (StatementRefused, sqlite3.DataError):
            return None

    def _count_rows(self, table: str) -> int | None:
        # On a connection of its own: its shorter time limit must not end the description's.
        limit_s = min(ROW_COUNT_LIMIT_S, self.settings.query_time_limit_s)
        with opened(self.path, self.settings, mode="ro") as connection:
            try:
                with time_limit(connection, limit_s):
                    count = connection.execute(f"SELECT count(*) FROM main.{schema.quoted(table)}")  # noqa: S608 - quoted
                    return int(count.fetchone()[0])
            except (sqlite3.Error, MemoryError):
                return None

    def _fetch(self, cursor: sqlite3.Cursor, columns: list[ResultColumn]) -> QueryResult:
        rows: list[list[Value]] = []
        # A name can be as long as a statement, and `*` repeats it in every column.
        room_bytes = self.settings.max_result_bytes - sum(json_bytes(column.name) for column in columns)
        for raw in cursor:
            if len(rows) >= self.settings.max_rows:
                return QueryResult(columns=columns, rows=rows, truncated="max_rows")
            row = [from_sqlite(value) for value in raw]
            room_bytes -= sum(map(json_bytes, row)) + 2
            if room_bytes < 0:
                return self._full(columns, rows)
            rows.append(row)
        return QueryResult(columns=columns, rows=rows, truncated=None)

    def _full(self, columns: list[ResultColumn], rows: list[list[Value]]) -> QueryResult:
        if not rows:
            raise StatementRefused(
                f"The first row alone is larger than {self.settings.max_result_bytes} bytes (max_result_bytes). "
                "Select fewer columns, or a part of them with substr()."
            )
        return QueryResult(columns=columns, rows=rows, truncated="max_result_bytes")

    def _fetch_returned(self, cursor: sqlite3.Cursor) -> QueryResult | None:
        columns = _result_columns(cursor, [])
        if not columns:
            return None
        returned = self._fetch(cursor, columns)
        cursor.fetchall()  # RETURNING hands out rows before the statement is through
        return returned


@contextmanager
def _authorized(connection: sqlite3.Connection, authorizer: Authorizer) -> Generator[None]:
    """Show every statement in this block to the authorizer. Its reason replaces SQLite's bare "not authorized"."""
    connection.set_authorizer(authorizer)
    try:
        yield
    except sqlite3.DatabaseError as error:
        if authorizer.refusal is None:
            raise
        raise StatementRefused(authorizer.refusal) from error
    finally:
        connection.set_authorizer(None)


def _refuse_unsendable(sql: str) -> None:
    try:
        sql.encode("utf-8")
    except UnicodeEncodeError as error:
        raise StatementRefused("The statement is not valid Unicode text.") from error
    if "\0" in sql:
        raise StatementRefused("The statement holds a NUL character.")


def _result_columns(cursor: sqlite3.Cursor, types: list[str | None]) -> list[ResultColumn]:
    names: list[str] = [part[0] for part in cursor.description or ()]
    known = types if len(types) == len(names) else [None] * len(names)
    return [ResultColumn(name=name, type=declared) for name, declared in zip(names, known, strict=True)]


def _plan(authorizer: Authorizer) -> WritePlan:
    return WritePlan(
        operations=sorted(authorizer.operations),
        tables=sorted(authorizer.tables_written),
        changes_schema=authorizer.writes_schema,
    )
