"""The state port: a store, a bus, and the error of kept state that cannot be used.

Rule: whoever keeps something beyond a request keeps it through these two, and knows no engine.

A Store holds small values under keys for a time; a Bus carries messages to whoever listens right now.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from mcp_runtime.config import ConfigError


class Store(Protocol):
    """Values under keys, each for `ttl_s` seconds. An engine may be bounded, and then forgets the oldest first."""

    async def get(self, key: str) -> bytes | None:
        """The value, None where there is none or its time is over."""
        ...

    async def put(self, key: str, value: bytes, *, ttl_s: float) -> None:
        """Set the value, whatever was there."""
        ...

    async def swap(self, key: str, value: bytes, *, expected: bytes | None, ttl_s: float) -> bool:
        """Set the value only where it is `expected` now (None: where there is none); whether that was so."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the value, if there is one."""
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
