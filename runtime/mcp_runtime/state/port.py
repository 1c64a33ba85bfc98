"""The state port: stores, a bus, and the errors of kept state.

Rule: whoever keeps something beyond a request keeps it through these, and knows no engine.

A Store holds small values under keys for a time; a Bus carries messages to whoever listens right now. Values have an
owner, the client that they are kept for: where an engine is full, a client pushes out what is its own, and no other's.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, Protocol

from mcp_runtime.config import ConfigError

ENDED: Final = b"\0"
"""The value of a key that was ended. Nobody puts it."""


class NoRoomError(Exception):
    """An engine is full with what it keeps for others, or the value is too long by itself: it is not kept."""


class Store(Protocol):
    """Values under keys, each for `ttl_s` seconds.

    An engine may be bounded, by number and bytes. One owner (a client's key, as `platform.shares` has it) may hold half
    of what the others leave; past that the engine forgets what is oldest of the same owner. Those without a key hold
    together what there is.
    """

    async def get(self, key: str) -> bytes | None:
        """The value, None where there is none or its time is over."""
        ...

    async def put(self, key: str, value: bytes, *, ttl_s: float, owner: str | None = None) -> None:
        """Set the value, whatever was there. One that there is no room for is forgotten at once."""
        ...

    async def swap(
        self, key: str, value: bytes, *, expected: bytes | None, ttl_s: float, owner: str | None = None
    ) -> bool:
        """Set the value only where it is `expected` now (None: where there is none); whether that was so.

        Raises NoRoomError, and then what was there stays.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove the value, if there is one."""
        ...


class GroupStore(Store, Protocol):
    """A Store whose keys belong together up to their second "/": `a/b/c` and `a/b/d/e` are of the group `a/b`."""

    async def delete_group(self, group: str) -> None:
        """Remove all values of the group."""
        ...


class EndingStore(Store, Protocol):
    """A Store whose keys can end, which outlives their values. No end is forgotten before its time to make room."""

    async def end(self, key: str, *, ttl_s: float, owner: str | None) -> bool:
        """Forget the value; for `ttl_s` seconds it is `ENDED`. False, and nothing is done, where there is no room."""
        ...

    async def can_end(self, owner: str | None) -> bool:
        """Whether there is room for another end of this owner's."""
        ...


class Bus(Protocol):
    """Messages by channel, to subscribers of this moment, in the order they were published in."""

    async def publish(self, channel: str, message: bytes) -> int:
        """Hand `message` to the channel's subscribers: how many took it. One with no room left does not."""
        ...

    def subscribe(self, channel: str, *, max_pending: int) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The channel's messages from the moment the block is entered on; at most `max_pending` wait to be read."""
        ...


class StateError(ConfigError):
    """The error of kept state that cannot be used: a full disk, a file that is damaged, locked or not ours.

    As with every ConfigError, `problem` and `fix` are clauses without a full stop.
    """

    def __init__(self, path: Path, problem: str, fix: str) -> None:
        super().__init__(str(path), "state.directory", problem, fix)


class WouldWait(Exception):
    """An engine's word that reading now would hold up the event loop; a thread may wait instead."""
