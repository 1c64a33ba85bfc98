"""The memory engine: a store and a bus for one process. Rule: bounded, and gone with the process.

Both belong to the event loop that uses them: no thread but its own may call them. Nothing here waits for anything but
a reader for its next message, so each call is atomic among tasks.
"""

import heapq
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

import anyio
import msgspec

_SPARE_DEADLINES: Final = 64
"""Below it the queue of deadlines is not worth the sweep."""


class _Entry(msgspec.Struct, frozen=True):
    value: bytes
    expires_at: float
    number: int


class MemoryStore:
    """A Store of at most `max_entries` values, whose keys and values are at most `max_bytes` long together.

    Past a bound what has expired goes first, then what was put longest ago; a value that is too long by itself is
    forgotten at once. `now` gives seconds of a monotonic clock. A call is O(1) amortised where values live equally
    long, and O(log n) at worst.
    """

    def __init__(self, *, max_entries: int, max_bytes: int, now: Callable[[], float] = time.monotonic) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._now = now
        self._bytes = 0
        self._numbers = count()
        # Ordered by when it was put. A plain dict would walk over what it has removed to find its first.
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        # Soonest first. One whose number is not its entry's any more is ignored.
        self._deadlines: list[tuple[float, int, str]] = []

    def __len__(self) -> int:
        self._forget_expired()
        return len(self._entries)

    async def get(self, key: str) -> bytes | None:
        """As the port says."""
        return self._value(key)

    async def put(self, key: str, value: bytes, *, ttl_s: float) -> None:
        """As the port says."""
        self._put(key, value, ttl_s)

    async def swap(self, key: str, value: bytes, *, expected: bytes | None, ttl_s: float) -> bool:
        """As the port says."""
        if self._value(key) != expected:
            return False
        self._put(key, value, ttl_s)
        return True

    async def delete(self, key: str) -> None:
        """As the port says."""
        self._forget(key)
        self._sweep_deadlines()

    def _value(self, key: str) -> bytes | None:
        self._forget_expired()
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    def _put(self, key: str, value: bytes, ttl_s: float) -> None:
        self._forget(key)
        entry = _Entry(value, self._now() + ttl_s, next(self._numbers))
        size = len(key) + len(value)
        if size <= self._max_bytes:
            self._entries[key] = entry
            self._bytes += size
            heapq.heappush(self._deadlines, (entry.expires_at, entry.number, key))
        self._forget_expired()
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self._forget(next(iter(self._entries)))
        self._sweep_deadlines()

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(key) + len(entry.value)

    def _forget_expired(self) -> None:
        now = self._now()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number, key = heapq.heappop(self._deadlines)
            entry = self._entries.get(key)
            if entry is not None and entry.number == number:
                self._forget(key)

    def _sweep_deadlines(self) -> None:
        """Drop deadlines of values that are gone, before they outnumber the others."""
        if len(self._deadlines) > 2 * len(self._entries) + _SPARE_DEADLINES:
            self._deadlines = [(entry.expires_at, entry.number, key) for key, entry in self._entries.items()]
            heapq.heapify(self._deadlines)


class _Subscriber:
    """What one subscriber has not read yet. A class, not a generator: a cancelled generator would be over."""

    def __init__(self, max_pending: int) -> None:
        self._max_pending = max_pending
        self._pending: deque[bytes] = deque()
        self._wake = anyio.Event()
        self._closed = False

    def offer(self, message: bytes) -> bool:
        if len(self._pending) >= self._max_pending:
            return False
        self._pending.append(message)
        self._wake.set()
        return True

    def close(self) -> None:
        self._closed = True
        self._pending.clear()
        self._wake.set()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._pending:
            if self._closed:
                raise StopAsyncIteration
            if self._wake.is_set():
                self._wake = anyio.Event()
            await self._wake.wait()
        # Nothing can be cancelled between here and the reader, so what was taken is delivered.
        return self._pending.popleft()


class MemoryBus:
    """A Bus among the tasks of one event loop. `publish` never waits; who left its block hears no more."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[_Subscriber, None]] = {}

    async def publish(self, channel: str, message: bytes) -> int:
        """As the port says."""
        return sum(subscriber.offer(message) for subscriber in self._channels.get(channel, ()))

    @asynccontextmanager
    async def subscribe(self, channel: str, *, max_pending: int) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """As the port says. The iteration ends only once the block is left, with it what was still pending."""
        subscriber = _Subscriber(max_pending)
        self._channels.setdefault(channel, {})[subscriber] = None
        try:
            yield subscriber
        finally:
            subscriber.close()
            subscribers = self._channels[channel]
            del subscribers[subscriber]
            if not subscribers:
                del self._channels[channel]
