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
from typing import Final, TypeVar

import anyio
import msgspec

from mcp_runtime.config.limits import Limits
from mcp_runtime.platform.shares import Shares
from mcp_runtime.state.port import ENDED, NoRoomError

K = TypeVar("K")
D = TypeVar("D", bound=dict[str, None])

_SPARE_DEADLINES: Final = 64
"""Below it the queue of deadlines is not worth the sweep."""


class _Entry(msgspec.Struct, frozen=True):
    value: bytes
    expires_at: float
    number: int
    owner: str | None
    size: int
    group: str | None


class _Ends:
    """Keys that were ended, at most `places.total`. Each is kept until its time is over, whatever comes."""

    def __init__(self, max_ends: int) -> None:
        self.places = Shares(max_ends)
        self.keys: dict[str, str | None] = {}
        """With the owner of each."""
        self._deadlines: list[tuple[float, str]] = []

    def add(self, key: str, owner: str | None, expires_at: float) -> bool:
        if key in self.keys:
            return True
        if not self.places.take(owner):
            return False
        self.keys[key] = owner
        heapq.heappush(self._deadlines, (expires_at, key))
        return True

    def forget_expired(self, now: float) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            self.places.give_back(self.keys.pop(heapq.heappop(self._deadlines)[1]))


class MemoryStore:
    """A Store of at most `max_entries` values, whose keys and values are at most `max_bytes` long together.

    Past a bound what has expired goes first, then what the same owner put longest ago; a value that is too long by
    itself is forgotten at once. At most `max_ends` keys are ended. `now` gives seconds of a monotonic clock. A call is
    O(1) amortised where values live equally long, and O(log n) at worst.
    """

    def __init__(
        self,
        *,
        max_entries: int,
        max_bytes: int,
        max_ends: int = Limits().max_ended_sessions,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places = Shares(max_entries)
        self._room = Shares(max_bytes)
        self._ends = _Ends(max_ends)
        self._now = now
        self._numbers = count()
        self._entries: dict[str, _Entry] = {}
        # Ordered by when it was put. A plain dict would walk over what it has removed to find its first.
        self._by_owner: dict[str | None, OrderedDict[str, None]] = {}
        self._groups: dict[str, dict[str, None]] = {}
        # Soonest first. One whose number is not its entry's any more is ignored.
        self._deadlines: list[tuple[float, int, str]] = []

    def __len__(self) -> int:
        self._forget_expired()
        return len(self._entries)

    @property
    def _bytes(self) -> int:
        return self._room.held

    async def get(self, key: str) -> bytes | None:
        """As the port says."""
        return self._value(key)

    async def put(self, key: str, value: bytes, *, ttl_s: float, owner: str | None = None) -> None:
        """As the port says."""
        self._put(key, value, ttl_s, owner)

    async def swap(
        self, key: str, value: bytes, *, expected: bytes | None, ttl_s: float, owner: str | None = None
    ) -> bool:
        """As the port says."""
        if self._value(key) != expected:
            return False
        if not self._fits(key, value, owner):
            raise NoRoomError
        self._put(key, value, ttl_s, owner)
        return True

    async def delete(self, key: str) -> None:
        """As the port says."""
        self._forget(key)
        self._sweep_deadlines()

    async def delete_group(self, group: str) -> None:
        """As the port says."""
        for key in list(self._groups.get(group, ())):
            self._forget(key)
        self._sweep_deadlines()

    async def end(self, key: str, *, ttl_s: float, owner: str | None) -> bool:
        """As the port says."""
        self._forget_expired()
        if not self._ends.add(key, owner, self._now() + ttl_s):
            return False
        self._forget(key)
        self._sweep_deadlines()
        return True

    async def can_end(self, owner: str | None) -> bool:
        """As the port says."""
        self._forget_expired()
        return self._ends.places.has_room(owner)

    def _value(self, key: str) -> bytes | None:
        self._forget_expired()
        entry = self._entries.get(key)
        if entry is not None:
            return entry.value
        return ENDED if key in self._ends.keys else None

    def _put(self, key: str, value: bytes, ttl_s: float, owner: str | None) -> None:
        self._forget(key)
        self._forget_expired()
        if self._fits(key, value, owner):
            size = len(key) + len(value)
            self._make_room(owner, size)
            entry = _Entry(value, self._now() + ttl_s, next(self._numbers), owner, size, _group_of(key))
            self._entries[key] = entry
            self._by_owner.setdefault(owner, OrderedDict())[key] = None
            if entry.group is not None:
                self._groups.setdefault(entry.group, {})[key] = None
            heapq.heappush(self._deadlines, (entry.expires_at, entry.number, key))
        self._sweep_deadlines()

    def _fits(self, key: str, value: bytes, owner: str | None) -> bool:
        """Whether there is room for the value once all else of this owner's is gone."""
        return self._places.most_for(owner) >= 1 and self._room.most_for(owner) >= len(key) + len(value)

    def _make_room(self, owner: str | None, size: int) -> None:
        """Take a place and `size` bytes for this owner, whose oldest go for them."""
        while not self._places.take(owner):
            self._forget_oldest(owner)
        while not self._room.take(owner, size):
            self._forget_oldest(owner)

    def _forget_oldest(self, owner: str | None) -> None:
        self._forget(next(iter(self._by_owner[owner])))

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._places.give_back(entry.owner)
        self._room.give_back(entry.owner, entry.size)
        _drop(self._by_owner, entry.owner, key)
        if entry.group is not None:
            _drop(self._groups, entry.group, key)

    def _forget_expired(self) -> None:
        now = self._now()
        self._ends.forget_expired(now)
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


def _group_of(key: str) -> str | None:
    head, _, rest = key.partition("/")
    name, slash, _ = rest.partition("/")
    return f"{head}/{name}" if slash else None


def _drop(sets: dict[K, D], name: K, key: str) -> None:
    """Take `key` out of the set of this name, which goes with its last one."""
    found = sets[name]
    del found[key]
    if not found:
        del sets[name]


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
