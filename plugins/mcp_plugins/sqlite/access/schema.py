"""The schema of the database: descriptions of tables.

Rule: a table's name reaches SQL as a parameter, or quoted after it was found there.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final, Literal, cast

from .refusals import TableUnknown

TableKind = Literal["table", "view", "virtual"]

# Enough for a reader to see what is there; a database with more has a naming scheme that these show.
NAMES_IN_A_REFUSAL: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSummary:
    """One table or view, with the names of its columns; none for a view that no longer works."""

    name: str
    kind: TableKind
    columns: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDescription:
    """A column. `primary_key` is its place in the primary key, from 1, or null; `default` is an SQL expression."""

    name: str
    type: str | None
    nullable: bool
    default: str | None
    primary_key: int | None
    generated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """`columns` refer to `referenced_columns` of `referenced_table`; an empty list there means its primary key."""

    columns: list[str]
    referenced_table: str
    referenced_columns: list[str]
    on_delete: str
    on_update: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDescription:
    """An index. A column that is an expression stands as null; `partial` means that a WHERE clause limits it."""

    name: str
    columns: list[str | None]
    unique: bool
    partial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDescription:
    """All there is to know before a query. `row_count` is null when counting took too long; `sql` created the table."""

    name: str
    kind: TableKind
    columns: list[ColumnDescription]
    foreign_keys: list[ForeignKey]
    indexes: list[IndexDescription]
    row_count: int | None
    sql: str | None


def quoted(name: str) -> str:
    """Return the name as an SQL identifier, whatever characters it holds."""
    return '"' + name.replace('"', '""') + '"'


def read_tables(connection: sqlite3.Connection) -> list[TableSummary]:
    """List tables and views by name. SQLite's own tables and the shadow tables of virtual ones are left out."""
    rows = connection.execute(
        """
        SELECT name, type FROM pragma_table_list
        WHERE schema = 'main' AND type <> 'shadow' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
        ORDER BY name
        """
    ).fetchall()
    return [
        TableSummary(name=name, kind=kind, columns=[column.name for column in read_columns(connection, name)])
        for name, kind in rows
    ]


def find_table(connection: sqlite3.Connection, table: str) -> tuple[str, TableKind]:
    """Return the table's name as the schema spells it, and its kind. Raises TableUnknown."""
    found = connection.execute(
        "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE NOCASE", [table]
    ).fetchone()
    if found is None:
        raise TableUnknown(unknown_table_text(table, (summary.name for summary in read_tables(connection))))
    return cast("tuple[str, TableKind]", found)


def unknown_table_text(table: str, known: Iterable[str]) -> str:
    """Say that there is no such table, and which there are."""
    names = list(known)
    listed = ", ".join(names[:NAMES_IN_A_REFUSAL]) or "none"
    more = f" and {len(names) - NAMES_IN_A_REFUSAL} more" if len(names) > NAMES_IN_A_REFUSAL else ""
    return f"There is no table {table!r}. Tables: {listed}{more}."


def read_columns(connection: sqlite3.Connection, table: str) -> list[ColumnDescription]:
    """Describe the columns of an existing table or view, in their order; none of a view that no longer works."""
    select = (
        """SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?, 'main') WHERE hidden <> 1"""
    )
    try:
        rows = connection.execute(select, [table]).fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        return []  # a view of a table that was dropped, or a virtual table without its module
    return [
        ColumnDescription(
            name=name,
            type=declared or None,
            nullable=not not_null,
            default=default,
            primary_key=place or None,
            generated=hidden > 1,
        )
        for name, declared, not_null, default, place, hidden in rows
    ]


def read_foreign_keys(connection: sqlite3.Connection, table: str) -> list[ForeignKey]:
    """Describe the foreign keys of an existing table, in the order they were declared."""
    rows = connection.execute(
        """
        SELECT id, "table", on_delete, on_update, "from", "to" FROM pragma_foreign_key_list(?, 'main')
        ORDER BY id DESC, seq
        """,
        [table],
    )
    keys: list[ForeignKey] = []
    for (_, referenced, on_delete, on_update), parts in groupby(rows, key=itemgetter(0, 1, 2, 3)):
        pairs = [(part[4], part[5]) for part in parts]
        keys.append(
            ForeignKey(
                columns=[here for here, _ in pairs],
                referenced_table=referenced,
                referenced_columns=[there for _, there in pairs if there is not None],
                on_delete=on_delete,
                on_update=on_update,
            )
        )
    return keys


def read_indexes(connection: sqlite3.Connection, table: str) -> list[IndexDescription]:
    """Describe the indexes of an existing table by name, those that a constraint made among them."""
    rows = connection.execute(
        """
        SELECT i.name, i."unique", i.partial, c.name
        FROM pragma_index_list(?, 'main') AS i JOIN pragma_index_info(i.name, 'main') AS c
        ORDER BY i.name, c.seqno
        """,
        [table],
    )
    return [
        IndexDescription(name=name, columns=[part[3] for part in parts], unique=bool(unique), partial=bool(partial))
        for (name, unique, partial), parts in groupby(rows, key=itemgetter(0, 1, 2))
    ]


def read_create_statement(connection: sqlite3.Connection, table: str) -> str | None:
    """Return the SQL that created an existing table or view; None for the schema's own."""
    found = connection.execute(
        "SELECT sql FROM main.sqlite_schema WHERE type IN ('table', 'view') AND name = ?", [table]
    ).fetchone()
    return None if found is None else cast("str | None", found[0])
