"""A year of traffic: 120 clients that move over in different months. Rule: the same seed gives the same year.

`Resident.moves` is the first day on which it speaks 2026-07-28 only; until then it uses its features at least once in
seven days. What a report should say of any day follows from that, without asking the ledger.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from mcp_bridges.gate.port import LegacyClient
from mcp_runtime.telemetry.labels import TransportName
from tests.bridges.deprecation.ledgers import client

FIRST_DAY: Final = date(2026, 8, 1)
DAYS: Final = 365
SEED: Final = 20260728
QUIET_AT_MOST_DAYS: Final = 7
STAY: Final = frozenset({0, 4, 5, 9})
"""On HTTP+SSE and on stdio; all others have moved when the year ends."""

_KINDS: Final[tuple[tuple[TransportName, str, tuple[str, ...]], ...]] = (
    ("http_sse", "2024-11-05", ("transport.http_sse", "protocol.handshake")),
    ("streamable_http", "2025-03-26", ("protocol.handshake", "transport.session_id", "jsonrpc.batch")),
    ("streamable_http", "2025-06-18", ("protocol.handshake", "transport.session_id", "transport.get_stream")),
    ("streamable_http", "2025-11-25", ("protocol.handshake", "transport.session_id", "feature.sampling")),
    ("stdio", "2025-11-25", ("protocol.handshake", "logging.set_level")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """One of the 120."""

    client: LegacyClient
    revision: str
    features: tuple[str, ...]
    moves: date
    weekday: int

    def uses(self, feature: str) -> bool:
        return feature in self.features or feature == f"revision.{self.revision}"

    def last_used(self) -> date:
        """The last day on which it is sure to have used its features; it may have used them later, before it moved."""
        day = self.moves - timedelta(1)
        return day - timedelta((day.weekday() - self.weekday) % 7)


def residents() -> tuple[Resident, ...]:
    """All of them. Those of STAY never move, the others do so from the second month on."""
    chance = random.Random(SEED)
    found: list[Resident] = []
    for n in range(120):
        transport, revision, features = _KINDS[n % len(_KINDS)]
        moves = FIRST_DAY + timedelta(DAYS * 10) if n in STAY else FIRST_DAY + timedelta(chance.randrange(31, 330))
        who = client(f"agent-{n:03}", transport=transport, peer=f"10.{n // 10}.0.{n}")
        found.append(
            Resident(client=who, revision=revision, features=features, moves=moves, weekday=chance.randrange(7))
        )
    return tuple(found)


def traffic(everybody: tuple[Resident, ...]) -> Iterator[tuple[date, Resident, int]]:
    """Day by day, who calls and how often; on a day after it moved, in 2026-07-28."""
    chance = random.Random(SEED + 1)
    for day in (FIRST_DAY + timedelta(n) for n in range(DAYS)):
        for one in everybody:
            if day.weekday() == one.weekday or chance.random() < 0.2:
                yield day, one, chance.randrange(1, 6)


def month_ends() -> list[date]:
    """The last day of each month of the year."""
    days = [FIRST_DAY + timedelta(n) for n in range(DAYS)]
    return [day for day in days if (day + timedelta(1)).month != day.month]
