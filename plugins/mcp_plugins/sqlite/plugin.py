"""The `Plugin`, and its tools that read. Rule: this file speaks MCP, `access` speaks SQL, and neither does both.

The functions wait in the event loop, for `workers` that run the statements.
"""

import os
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from anyio.to_thread import run_sync

from mcp_runtime import Plugin, ToolAnnotations, ToolError

from .access.database import Database, QueryResult
from .access.refusals import StatementRefused
from .access.schema import TableDescription, TableSummary
from .access.values import Parameters
from .sample import ensure_sample, sample_path
from .settings import SqliteSettings
from .workers.statements import Statements

plugin = Plugin(
    "sqlite",
    settings=SqliteSettings,
    instructions=(
        "A SQLite database. Call list_tables first, describe_table for each table you need, and then query with one "
        "SELECT that joins, filters and aggregates in SQL. Pass values as parameters, not inside the SQL text."
    ),
)

READS: Final = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables and views of the database."""

    tables: list[TableSummary]


_serving: list[Statements] = []
"""The database as it is served now; the last one, where one process serves it twice."""


@plugin.lifespan
async def serve_database() -> AsyncGenerator[None]:
    """Check the database before anyone asks for it, and end the workers when nobody does any more."""
    database = await run_sync(_database)
    await run_sync(database.check)
    statements = Statements(database.path, database.settings)
    _serving.append(statements)
    try:
        yield
    finally:
        _serving.remove(statements)
        await statements.close()


def _database() -> Database:
    """The configured database; the sample, written if it is not there yet, when none is configured."""
    settings = plugin.settings
    if settings.database is not None:
        return Database(path=settings.database, settings=settings)
    path = sample_path(os.environ)
    ensure_sample(path)
    return Database(path=path, settings=settings)


def database() -> Statements:
    """The database that is served."""
    return _serving[-1]


@contextmanager
def refusals_told() -> Generator[None]:
    """Tell the model what is wrong with its statement. What is wrong with the database is for the operator's log."""
    try:
        yield
    except StatementRefused as refused:
        raise ToolError(str(refused)) from refused


@plugin.tool(title="List tables", annotations=READS)
async def list_tables() -> Tables:
    """List the tables and views of the database with the names of their columns. Start here."""
    with refusals_told():
        return Tables(tables=await database().tables())


@plugin.tool(title="Describe a table", annotations=READS)
async def describe_table(table: str) -> TableDescription:
    """Describe one table or view: column types, defaults, primary and foreign keys, indexes, and how many rows it has.

    Call this before writing a query, to join on the right keys and to compare values of the right type.

    Args:
        table: Name of a table or view, in any case.
    """
    with refusals_told():
        return await database().describe(table)


@plugin.tool(title="Query the database", annotations=READS)
async def query(sql: str, parameters: Parameters | None = None) -> QueryResult:
    """Run one SQL statement that only reads: SELECT, WITH ... SELECT, VALUES, EXPLAIN QUERY PLAN or a reading PRAGMA.

    Rows come back as lists in the order of the columns, with each column's declared type. Long results are cut: then
    `truncated` is set, so aggregate in SQL, or page with ORDER BY and LIMIT ... OFFSET. A statement that takes too long
    is stopped. SQLite has no date type: dates are text such as 2025-03-01, and date() and strftime() work on them.
    Blobs are objects {"base64": ...}; integers beyond 2**53 are objects {"integer": "..."}.

    Args:
        sql: One statement in SQLite's dialect, with ?, ?1 or :name where a value belongs.
        parameters: Values for the placeholders: a list for ? and ?1, an object for :name.
    """
    with refusals_told():
        return await database().query(sql, parameters)
