"""Resources: the tables to read; and a prompt to begin with. Rule: a table's address is its name, percent-encoded."""

from typing import Final
from urllib.parse import quote

from mcp_runtime import Completions, EmbeddedResource, TextContent, TextResourceContents

from .access.database import TablePreview
from .access.refusals import TableUnknown
from .plugin import database, plugin, refusals_told

SCHEMA_URI: Final = "sqlite://schema"
TABLE_TEMPLATE: Final = "sqlite://tables/{table}"


def table_uri(table: str) -> str:
    """The address of a table."""
    return TABLE_TEMPLATE.replace("{table}", quote(table, safe=""))


@plugin.resource(SCHEMA_URI, name="schema", title="Database schema", mime_type="application/sql")
async def read_schema() -> str:
    """The statements that created the tables, indexes, views and triggers, as one SQL script."""
    with refusals_told():
        return await database().schema_sql()


@plugin.resource(TABLE_TEMPLATE, name="table", title="Table", mime_type="application/json")
async def read_table(table: str) -> TablePreview | None:
    """One table or view as JSON: its columns, keys, indexes and row count, and its first rows."""
    with refusals_told():
        try:
            return await database().preview(table)
        except TableUnknown:
            return None


@plugin.prompt(title="Explore the database")
async def explore_database(question: str, table: str | None = None) -> list[TextContent | EmbeddedResource]:
    """Answer a question from the database, with its schema at hand.

    Args:
        question: What you would like to know.
        table: The table to begin with, if you know it.
    """
    task = (
        f"Answer this question from the SQLite database: {question}\n\n"
        "Look at the schema above. Use describe_table where keys or types are unclear, then query. Compute in SQL "
        "rather than by hand, and check a surprising number with a second query. Say which tables the answer rests "
        "on, and what the data cannot tell."
    )
    if table:
        task += f"\n\nBegin with the table {table!r}."
    with refusals_told():
        schema = TextResourceContents(SCHEMA_URI, await database().schema_sql(), "application/sql")
    return [EmbeddedResource(schema), TextContent(task)]


@plugin.completion(resource=TABLE_TEMPLATE, argument="table")
@plugin.completion(prompt="explore_database", argument="table")
async def complete_table(value: str) -> Completions:
    """Suggest table names: first those that begin as typed, then those that contain it."""
    typed = value.lower()
    with refusals_told():
        names = [table.name for table in await database().tables()]
    found = [name for name in names if typed in name.lower()]
    found.sort(key=lambda name: not name.lower().startswith(typed))
    return Completions(values=found, total=len(found))
