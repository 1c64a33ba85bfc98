"""A ledger in a test: time stands still until it is told otherwise, and what it logs is kept."""

import logging
import os
import resource
import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, cast

from mcp_bridges.deprecation.ledger.ledger import Ledger
from mcp_bridges.deprecation.reports.evidence import Evidence, read_evidence
from mcp_bridges.gate.port import LegacyClient, Sighting
from mcp_runtime.telemetry.labels import TransportName

NOBODY: Final = 65534
START: Final = date(2026, 8, 1)


def seconds(day: date, hour: float = 12.0) -> float:
    """Unix seconds of an hour of a day, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + hour * 3600


@dataclass
class Clock:
    """Wall time that passes only by assignment."""

    at_s: float = field(default_factory=lambda: seconds(START))

    def __call__(self) -> float:
        return self.at_s

    @property
    def today(self) -> date:
        return datetime.fromtimestamp(self.at_s, UTC).date()


class Log:
    """Keeps what it is told, as (level, event, fields)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, Any]]] = []

    def __call__(self) -> Any:
        return self

    def info(self, event: str, **fields: Any) -> None:
        self.told.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.told.append(("warning", event, fields))

    def log(self, level: int, event: str, **fields: Any) -> None:
        self.told.append((logging.getLevelName(level).lower(), event, fields))

    def error(self, event: str, **fields: Any) -> None:
        self.told.append(("error", event, fields))

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.told]


@dataclass
class Fixture:
    """A ledger with its clock and log."""

    path: Path
    clock: Clock = field(default_factory=Clock)
    log: Log = field(default_factory=Log)

    def ledger(self, **options: Any) -> Ledger:
        return Ledger(self.path, now=self.clock, log=self.log, **options)

    def evidence(self, since: date = START, until: date | None = None) -> Evidence:
        return read_evidence(self.path, since=since, until=until or self.clock.today)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return cast("list[tuple[Any, ...]]", connection.execute(query).fetchall())

    def total(self) -> int:
        """All legacy and modern messages."""
        ((found,),) = self.rows("SELECT coalesce(sum(calls), 0) FROM use WHERE feature = '*'")
        return int(found)


def client(name: str = "acme", *, transport: TransportName = "streamable_http", **facts: Any) -> LegacyClient:
    """A client with everything about it shown."""
    shown = {"version": "1.0", "user_agent": f"{name}/1.0", "peer": "192.0.2.7"}
    return LegacyClient(transport=transport, name=name, **{**shown, **facts})


def sighting(
    who: LegacyClient | None = None, *features: str, revision: str | None = "2025-06-18", method: str = "tools/call"
) -> Sighting:
    """One use of the past."""
    return Sighting(
        client=who or client(), revision=revision, features=features or ("transport.session_id",), method=method
    )


@contextmanager
def without_privileges() -> Generator[Path]:
    """A folder of somebody who is not root, and the block run as that somebody: permissions mean nothing to root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() != 0:
            yield folder
            return
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(0)


@contextmanager
def files_no_longer_than(size_bytes: int) -> Generator[None]:
    """In the block a file of this process cannot grow past `size_bytes`: as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
