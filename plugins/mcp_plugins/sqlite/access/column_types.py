"""The declared types of a query's columns. Rule: a type is the database's own word or None, never a guess.

Python's `sqlite3` does not tell a result's declared types. A temporary view of the query does, without running it.
"""

import re
import sqlite3
from typing import Final

_VIEW: Final = "mcp_runtime_result_columns"

# Strings, quoted names and comments first, so that a parameter is only found outside of them.
_PARAMETER: Final = re.compile(
    r"""('(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]* | /\*.*?\*/)
        | \?\d* | [:@$][A-Za-z_]\w*""",
    re.VERBOSE | re.DOTALL,
)


def declared_types(connection: sqlite3.Connection, sql: str) -> list[str | None]:
    """Return the declared type of each result column of a SELECT, such as "VARCHAR(40)"; None for an expression.

    Returns an empty list for what cannot be a view: a PRAGMA, EXPLAIN, or a statement with an error. The statement
    is compiled and not run; the connection must still be allowed to write temporary objects.
    """
    # A view takes no parameters. What they are bound to changes values, never the declared type of a column.
    without_parameters = _PARAMETER.sub(lambda found: found[1] or "NULL", sql)
    try:
        connection.execute(f"CREATE TEMP VIEW {_VIEW} AS {without_parameters}")
    except (sqlite3.Error, sqlite3.Warning):
        return []
    try:
        columns = connection.execute(f"PRAGMA temp.table_info({_VIEW})").fetchall()
    except sqlite3.Error:
        return []
    finally:
        connection.execute(f"DROP VIEW temp.{_VIEW}")
    return [column[2] or None for column in columns]
