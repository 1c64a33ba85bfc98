"""The authorizer: says what a statement may do, while SQLite compiles it.

Rule: an action that no table here names is refused.

SQLite asks this authorizer once for every table, column, function and pragma that a statement touches, whatever syntax
it hides behind: a `DELETE` inside a CTE asks like a plain one. Source: https://www.sqlite.org/c3ref/set_authorizer.html
"""

import sqlite3
from typing import Final

READS: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})

ROW_WRITES: Final = {
    sqlite3.SQLITE_INSERT: "INSERT",
    sqlite3.SQLITE_UPDATE: "UPDATE",
    sqlite3.SQLITE_DELETE: "DELETE",
}

SCHEMA_WRITES: Final = {
    sqlite3.SQLITE_CREATE_TABLE: "CREATE TABLE",
    sqlite3.SQLITE_CREATE_INDEX: "CREATE INDEX",
    sqlite3.SQLITE_CREATE_VIEW: "CREATE VIEW",
    sqlite3.SQLITE_CREATE_TRIGGER: "CREATE TRIGGER",
    sqlite3.SQLITE_CREATE_VTABLE: "CREATE VIRTUAL TABLE",
    sqlite3.SQLITE_DROP_TABLE: "DROP TABLE",
    sqlite3.SQLITE_DROP_INDEX: "DROP INDEX",
    sqlite3.SQLITE_DROP_VIEW: "DROP VIEW",
    sqlite3.SQLITE_DROP_TRIGGER: "DROP TRIGGER",
    sqlite3.SQLITE_DROP_VTABLE: "DROP TABLE",
    sqlite3.SQLITE_ALTER_TABLE: "ALTER TABLE",
    sqlite3.SQLITE_REINDEX: "REINDEX",
    sqlite3.SQLITE_ANALYZE: "ANALYZE",
}

NEVER: Final = {
    sqlite3.SQLITE_ATTACH: "opening another database file",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_TRANSACTION: "BEGIN, COMMIT and ROLLBACK: every statement runs in a transaction of its own",
    sqlite3.SQLITE_SAVEPOINT: "SAVEPOINT: every statement runs in a transaction of its own",
    sqlite3.SQLITE_CREATE_TEMP_TABLE: "CREATE TEMP TABLE: it would be gone with the statement",
    sqlite3.SQLITE_CREATE_TEMP_INDEX: "CREATE INDEX on a temporary table",
    sqlite3.SQLITE_CREATE_TEMP_VIEW: "CREATE TEMP VIEW: it would be gone with the statement",
    sqlite3.SQLITE_CREATE_TEMP_TRIGGER: "CREATE TEMP TRIGGER: it would be gone with the statement",
    sqlite3.SQLITE_DROP_TEMP_TABLE: "DROP of a temporary table",
    sqlite3.SQLITE_DROP_TEMP_INDEX: "DROP of a temporary index",
    sqlite3.SQLITE_DROP_TEMP_VIEW: "DROP of a temporary view",
    sqlite3.SQLITE_DROP_TEMP_TRIGGER: "DROP of a temporary trigger",
}

# They only read, with or without an argument. `database_list` is missing: it tells where the file lies on the server.
PRAGMAS: Final = frozenset(
    {
        "foreign_key_check",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)

# They read without an argument, and write with one.
PRAGMAS_WITHOUT_ARGUMENT: Final = frozenset(
    {
        "application_id",
        "collation_list",
        "compile_options",
        "data_version",
        "encoding",
        "freelist_count",
        "function_list",
        "journal_mode",
        "page_count",
        "page_size",
        "pragma_list",
        "schema_version",
        "user_version",
    }
)

# `load_extension` runs native code from a file, `fts3_tokenizer` takes a pointer; the others exist in SQLite's shell.
FUNCTIONS_REFUSED: Final = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})

# Virtual tables that keep their rows inside the database. Others may read files or other processes.
VIRTUAL_TABLE_MODULES: Final = frozenset({"fts3", "fts4", "fts5", "geopoly", "rtree", "rtree_i32"})


class Authorizer:
    """An authorizer for `Connection.set_authorizer`, good for one statement.

    `refusal` is why the statement was refused, or None. `operations` are the kinds of write it asked for, such as
    "DELETE"; `tables_written` the tables whose rows it changes; `writes_schema` whether it changes the schema.
    """

    def __init__(self, *, may_write: bool) -> None:
        self.refusal: str | None = None
        self.operations: set[str] = set()
        self.tables_written: set[str] = set()
        self.writes_schema = False
        self._may_write = may_write

    def __call__(
        self, action: int, first: str | None, second: str | None, database: str | None, source: str | None, /
    ) -> int:
        """Return SQLITE_OK or SQLITE_DENY; on the first denial, keep the reason in `refusal`."""
        del database, source
        reason = self._refuse(action, first or "", second)
        if reason is None:
            return sqlite3.SQLITE_OK
        self.refusal = self.refusal or reason
        return sqlite3.SQLITE_DENY

    def _refuse(self, action: int, first: str, second: str | None) -> str | None:
        if action in READS:
            return None
        if action == sqlite3.SQLITE_FUNCTION:
            return _refuse_function(second or "")
        if action == sqlite3.SQLITE_PRAGMA:
            return _refuse_pragma(first.lower(), second)
        if action in ROW_WRITES:
            return self._refuse_row_write(ROW_WRITES[action], first)
        if action in SCHEMA_WRITES:
            return self._refuse_schema_write(action, second)
        return "Not allowed here: " + NEVER.get(action, f"SQLite's action {action}")

    def _refuse_row_write(self, operation: str, table: str) -> str | None:
        if not self._may_write:
            return f"Only reading is allowed here, and this statement would {operation} rows of {table!r}."
        # The schema's own rows are written by CREATE and DROP, which are recorded under their names.
        if not table.lower().startswith("sqlite_"):
            self.operations.add(operation)
            self.tables_written.add(table)
        return None

    def _refuse_schema_write(self, action: int, module: str | None) -> str | None:
        operation = SCHEMA_WRITES[action]
        if not self._may_write:
            return f"Only reading is allowed here, and this statement would {operation}."
        if action == sqlite3.SQLITE_CREATE_VTABLE and (module or "").lower() not in VIRTUAL_TABLE_MODULES:
            return f"Not allowed here: a virtual table of the module {module!r}"
        self.operations.add(operation)
        self.writes_schema = True
        return None


def _refuse_function(name: str) -> str | None:
    return f"Not allowed here: the function {name}()" if name.lower() in FUNCTIONS_REFUSED else None


def _refuse_pragma(name: str, argument: str | None) -> str | None:
    if name in PRAGMAS or (name in PRAGMAS_WITHOUT_ARGUMENT and argument is None):
        return None
    return f"Not allowed here: PRAGMA {name}" + ("" if argument is None else " with an argument")
