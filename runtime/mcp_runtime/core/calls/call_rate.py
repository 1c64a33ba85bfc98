"""The call rate: how often one client may call tools. Rule: past it a client is told when to come back.

Spec: 2026-07-28/server/tools#security-considerations
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_MAX_CLIENTS: Final = 10_000
"""Clients remembered at once; past it the one seen longest ago starts with a full bucket again."""


class CallRate:
    """A token bucket for each client: `per_minute` calls, all of them at once or spread; 0 means unlimited.

    `now` gives seconds of a monotonic clock.
    """

    def __init__(self, per_minute: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str) -> int:
        """Count one call of `client`: 0 where it may go on, else whole seconds until it may."""
        if self._per_minute == 0:
            return 0
        now = self._now()
        tokens, seen = self._buckets.pop(client, (float(self._per_minute), now))
        tokens = min(float(self._per_minute), tokens + (now - seen) * self._per_minute / 60)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > _MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - tokens) * 60 / self._per_minute))
