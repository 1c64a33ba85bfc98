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


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSettings:
    """Settings of the plugin `sqlite`. Raises ValueError, the key first, for what cannot be served.

    database: the SQLite file; a relative path is relative to the configuration file. Without one, a sample shop is
        served, written below the state directory on the first start.
    allow_writes: serve the tool `execute`, which changes the database after the user confirmed each statement.
    max_rows: rows a result carries at most; the rest is cut, and the result says so.
    query_time_limit_s: a statement that runs longer is stopped.
    max_result_bytes: size of a result's rows as JSON; what does not fit is cut, and the result says so.
    max_value_bytes: length of one string or blob, stored or computed; longer ones can be measured, but not read.
        SQLite stops a statement between two steps, not inside one, so this also bounds how long one step may take.
    max_memory_bytes: memory that SQLite may use. The limit is one for the whole process, and the lowest one counts.
    busy_timeout_s: how long to wait for a lock that another process holds.
    """

    database: Path | None = None
    allow_writes: bool = False
    max_rows: int = 200
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
        for key in ("max_rows", "query_time_limit_s", "max_result_bytes", "max_value_bytes", "max_memory_bytes"):
            if getattr(self, key) <= 0:
                raise ValueError(f"{key} must be greater than 0")
        if self.busy_timeout_s < 0:
            raise ValueError("busy_timeout_s must be 0 or more")


def _refuse_unusable(database: Path) -> None:
    """Raise ValueError for a file that cannot be served, so that the operator hears of it before any client does."""
    try:
        with database.open("rb") as file:
            start = file.read(len(MAGIC))
    except OSError as error:
        raise ValueError(f"database {database} cannot be read: {error.strerror}") from error
    if start not in {MAGIC, b""}:
        raise ValueError(f"database {database} is no SQLite database")
