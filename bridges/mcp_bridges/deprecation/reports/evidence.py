"""The evidence of a time in the ledger. Rule: read once, in one state of the file, and summed by SQLite.

So a year of a thousand clients costs memory for its clients and features, not for its days.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from mcp_bridges.deprecation.ledger.schema import MESSAGE, opened_for_reading
from mcp_bridges.gate.features import revision_feature
from mcp_bridges.gate.identity import Identity
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS, MODERN_REVISIONS, Era

_USES: Final = """
    SELECT client, feature, revision, sum(calls), sum(refused), sum(would_refuse), min(first_seen), max(last_seen)
    FROM use WHERE day BETWEEN ? AND ? GROUP BY client, feature, revision"""
_MESSAGES: Final = """
    SELECT day, revision, sum(calls) FROM use WHERE day BETWEEN ? AND ? AND feature = ? GROUP BY day, revision"""
_WATCHED: Final = "SELECT count(*), coalesce(sum(lost), 0) FROM watched WHERE day BETWEEN ? AND ?"
_NETWORKS: Final = "SELECT client, network, calls, last_seen FROM network ORDER BY last_seen DESC, network"
_CLIENTS: Final = """
    SELECT id, principal, name, version, user_agent, transport, network, first_seen, last_seen, modern_seen
    FROM client"""

TREND_PARTS: Final = 30
"""The most bars of a sparkline: a day each in a month, more days each in a longer time."""


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """A network that a client has called from, over all the time that the ledger keeps; times in Unix seconds."""

    name: str
    calls: int
    last_s: float


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """One client. Times in Unix seconds, over all the time that the ledger keeps."""

    key: str
    identity: Identity
    networks: tuple[Network, ...]
    """The latest first."""
    first_s: float
    last_s: float
    modern_s: float | None
    """When it last sent a modern request, None where it never did."""


class Used(msgspec.Struct, kw_only=True):
    """The use of a feature by a client, in the time that was asked for."""

    calls: int = 0
    """All of them, the refused ones too."""
    refused: int = 0
    would_refuse: int = 0
    """Those that a dry run would have refused."""
    first_s: float
    last_s: float
    trend: list[int]
    """The calls in each part of the time."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence of what was seen from `since` to `until`, both included."""

    since: date
    until: date
    clients: Mapping[str, Client]
    """By their keys."""
    used: Mapping[str, Mapping[str, Used]]
    """By feature, then by client key: legacy messages under MESSAGE, and each revision under its own feature id."""
    by_era: Mapping[date, Mapping[Era, int]]
    """The messages of each day."""
    watched_since: date | None
    """The first day that the ledger knows of, None for an empty one."""
    watched_days: int
    """How many of the asked days it knows."""
    lost_calls: int
    """Calls that could not be counted by client."""

    @property
    def days(self) -> int:
        """The number of days that were asked for."""
        return (self.until - self.since).days + 1

    @property
    def is_covered(self) -> bool:
        """Whether nobody seen means that nobody was there: watched from the first day on, and most of the time.

        A server may be off at night and on Sundays, but one that was off for a month proves nothing.
        """
        return (
            self.watched_since is not None and self.watched_since <= self.since and self.watched_days * 2 >= self.days
        )

    def users_of(self, feature: str) -> Mapping[str, Used]:
        """The uses of `feature`, by client key."""
        return self.used.get(feature, {})


def read_evidence(path: Path, *, since: date, until: date) -> Evidence:
    """Read the ledger at `path`. Blocks: for a worker thread, or a command. Raises LedgerUnusable."""
    span = (since.isoformat(), until.isoformat())
    with opened_for_reading(path) as connection:
        ((first_day,),) = connection.execute("SELECT min(day) FROM watched").fetchall()
        ((watched_days, lost_calls),) = connection.execute(_WATCHED, span).fetchall()
        return Evidence(
            since=since,
            until=until,
            clients={client.key: client for client in _clients(connection)},
            used=_used(connection, since, until),
            by_era=_by_era(connection, span),
            watched_since=None if first_day is None else date.fromisoformat(first_day),
            watched_days=watched_days,
            lost_calls=lost_calls,
        )


class _Row(NamedTuple):
    client: str
    feature: str
    revision: str
    calls: int
    refused: int
    would_refuse: int
    first_s: float
    last_s: float


def _used(connection: sqlite3.Connection, since: date, until: date) -> dict[str, dict[str, Used]]:
    """The uses, summed by SQLite for each part of the trend: a row of Python a day would take a minute for a year."""
    days = (until - since).days + 1
    days_a_part = -(-days // TREND_PARTS)
    starts = range(0, days, days_a_part)
    found: dict[str, dict[str, Used]] = {}
    for part, start in enumerate(starts):
        first = since + timedelta(start)
        last = min(first + timedelta(days_a_part - 1), until)
        for row in connection.execute(_USES, (first.isoformat(), last.isoformat())):
            _add(found, _Row(*row), part, len(starts))
    return found


def _add(found: dict[str, dict[str, Used]], row: _Row, part: int, parts: int) -> None:
    if row.feature == MESSAGE and row.revision in MODERN_REVISIONS:
        return
    _count(found.setdefault(row.feature, {}), row, part, parts)
    if row.feature == MESSAGE and row.revision in LEGACY_REVISIONS:
        _count(found.setdefault(revision_feature(row.revision), {}), row, part, parts)


def _count(users: dict[str, Used], row: _Row, part: int, parts: int) -> None:
    used = users.get(row.client)
    if used is None:
        used = users[row.client] = Used(first_s=row.first_s, last_s=row.last_s, trend=[0] * parts)
    used.calls += row.calls
    used.refused += row.refused
    used.would_refuse += row.would_refuse
    used.first_s = min(used.first_s, row.first_s)
    used.last_s = max(used.last_s, row.last_s)
    used.trend[part] += row.calls


def _by_era(connection: sqlite3.Connection, span: tuple[str, str]) -> dict[date, dict[Era, int]]:
    found: dict[date, dict[Era, int]] = {}
    for day, revision, calls in connection.execute(_MESSAGES, (*span, MESSAGE)):
        eras = found.setdefault(date.fromisoformat(day), dict.fromkeys(Era, 0))
        eras[Era.MODERN if revision in MODERN_REVISIONS else Era.LEGACY] += calls
    return found


def _clients(connection: sqlite3.Connection) -> Iterator[Client]:
    networks: dict[str, list[Network]] = {}
    for client, name, calls, last_s in connection.execute(_NETWORKS):
        networks.setdefault(client, []).append(Network(name=name, calls=calls, last_s=last_s))
    for key, *facts, first_s, last_s, modern_s in connection.execute(_CLIENTS):
        yield Client(
            key=key,
            identity=Identity(*facts),
            networks=tuple(networks.get(key, ())),
            first_s=first_s,
            last_s=last_s,
            modern_s=modern_s,
        )
