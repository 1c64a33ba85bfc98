"""The call rate: how often one client may call tools, or ask for completions.

Rule: past it a client is told when to come back, and no crowd of others makes it forgotten.

Spec: 2026-07-28/server/tools#security-considerations
"""

import math
import time
from collections.abc import Callable
from typing import Final

_MAX_CLIENTS: Final = 10_000
"""Clients counted each for itself; what comes beside so many shares one rate until one of them has a full bucket."""
_SWEEP_PAUSE_S: Final = 1.0
"""Least time between two looks at all buckets, which take a millisecond or two."""
_OTHERS: Final = ""
"""The key of all those for whom there is no bucket."""


class CallRate:
    """A token bucket for each client: `per_minute` calls, all of them at once or spread; 0 means unlimited.

    A client without a key is not counted. `now` gives seconds of a monotonic clock.
    """

    def __init__(self, per_minute: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}
        """The tokens of each client when it was seen last, and when that was."""
        self._swept_at = -math.inf

    def wait_s(self, client: str | None) -> int:
        """Count one call of `client`: 0 where it may go on, else whole seconds until it may."""
        if client is None or self._per_minute == 0:
            return 0
        now = self._now()
        if client not in self._buckets and not self._has_room(now):
            client = _OTHERS
        tokens = self._tokens(self._buckets.get(client, (float(self._per_minute), now)), now)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - 1 if allowed else tokens, now)
        return 0 if allowed else max(1, math.ceil((1 - tokens) * 60 / self._per_minute))

    def _tokens(self, bucket: tuple[float, float], now: float) -> float:
        tokens, seen = bucket
        return min(float(self._per_minute), tokens + (now - seen) * self._per_minute / 60)

    def _has_room(self, now: float) -> bool:
        """Whether one more client can have a bucket. Those that are full again are dropped, and nothing with them."""
        if len(self._buckets) >= _MAX_CLIENTS and now - self._swept_at >= _SWEEP_PAUSE_S:
            self._swept_at = now
            full = self._per_minute
            self._buckets = {key: one for key, one in self._buckets.items() if self._tokens(one, now) < full}
        return len(self._buckets) < _MAX_CLIENTS
