"""The settings: what the operator decides about the database.

Rule: every number that bounds a statement is a setting with its unit.

The table `[plugin.sqlite]` of the configuration is converted into `SqliteSettings`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .sample import sample_path

# What every SQLite file begins with, but for one that nothing was ever written to: that one is empty.
MAGIC: Final = b"SQLite format 3\0"

_ABOVE_ZERO: Final = (
    "max_question_characters",
    "max_question_lines",
    "max_rows",
    "max_queries",
    "max_parameters",
    "query_time_limit_s",
    "max_result_bytes",
    "max_value_bytes",
    "max_memory_bytes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSettings:
    """Settings of the plugin `sqlite`. Raises ValueError, the key first, for what cannot be served.

    database: the SQLite file; a relative path is relative to the configuration file. Without one, a sample shop is
        served, written below the state directory on the first start.
    allow_writes: serve the tool `execute`, which changes the database after the user confirmed each statement.
    max_question_characters: characters of the text that shows a statement to the user; a longer one is refused.
    max_question_lines: lines of the statement in it; runs of empty lines count as one.
    max_rows: rows a result carries at most; the rest is cut, and the result says so.
    max_queries: statements at work at a time, each in a process of its own, started when it is needed; others wait.
    max_waiting_queries: statements that wait at most; further ones are told that the database is busy.
    max_parameters: values for the placeholders of one statement, and placeholders in it.
    query_time_limit_s: a statement that runs longer is stopped; where SQLite does not stop it in half a second more,
        its process is killed.
    max_result_bytes: size of a result's rows as JSON; what does not fit is cut, and the result says so.
    max_value_bytes: length of one string or blob, stored or computed; longer ones can be measured, but not read.
    max_memory_bytes: memory that SQLite may use for one statement at a time, in the process that runs it.
    busy_timeout_s: how long to wait for a lock that another process holds.
    """

    database: Path | None = None
    allow_writes: bool = False
    max_question_characters: int = 8_000
    max_question_lines: int = 100
    max_rows: int = 200
    max_queries: int = 4
    max_waiting_queries: int = 64
    max_parameters: int = 1_000
    query_time_limit_s: float = 5.0
    max_result_bytes: int = 262_144
    max_value_bytes: int = 1_000_000
    max_memory_bytes: int = 268_435_456
    busy_timeout_s: float = 2.0

    def __post_init__(self) -> None:
        if self.database is None:
            sample_path(os.environ)
        else:
            _refuse_unusable(self.database)
        for key in _ABOVE_ZERO:
            if getattr(self, key) <= 0:
                raise ValueError(f"{key} must be greater than 0")
        for key in ("busy_timeout_s", "max_waiting_queries"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key} must be 0 or more")


def _refuse_unusable(database: Path) -> None:
    """Raise ValueError for a file that cannot be served, so that the operator hears of it before any client does."""
    try:
        with database.open("rb") as file:
            start = file.read(len(MAGIC))
    except OSError as error:
        raise ValueError(f"database {database} cannot be read: {error.strerror}") from error
    if start not in {MAGIC, b""}:
        raise ValueError(f"database {database} is no SQLite database")
