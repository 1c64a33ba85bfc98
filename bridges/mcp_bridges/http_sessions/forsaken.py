"""Forsaken calls: those whose client lost its connection and could come back. Rule: nobody listens, for so long only.

A lost connection is no cancellation. But a call that nobody comes back to holds its place until it ends, which may be
never; so it goes on for as long as what it says could still be replayed to somebody, and is then abandoned. Whoever
follows its stream again, at whichever process, is heard of over the bus.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
from msgspec import Struct

from mcp_bridges.calls.legacy_call import LegacyCall
from mcp_runtime.telemetry.log.log import get_logger

_LOOKS: Final = 4
"""At least so often somebody is looked for before a call is given up: who is just reading does not answer."""


class _Forsaken(Struct):
    call: LegacyCall
    is_heard: Callable[[], Awaitable[bool]]
    """Whether anybody follows its stream."""
    unheard_since: float
    next_look: float


class ForsakenCalls:
    """The forsaken calls of this process, each abandoned once nobody listened for `patience_s` seconds."""

    def __init__(self, *, patience_s: float) -> None:
        self._patience_s = patience_s
        self._every_s = patience_s / _LOOKS
        self._calls: dict[LegacyCall, _Forsaken] = {}
        self._came = anyio.Event()

    def enter(self, call: LegacyCall, is_heard: Callable[[], Awaitable[bool]]) -> None:
        """The client of `call` has left."""
        now = anyio.current_time()
        self._calls[call] = _Forsaken(call, is_heard, now, now + self._every_s)
        self._came.set()

    def leave(self, call: LegacyCall) -> None:
        """The call has ended. Harmless for one that never entered."""
        self._calls.pop(call, None)

    async def watch(self) -> None:
        """Look after them, forever."""
        while True:
            while not self._calls:
                self._came = anyio.Event()
                await self._came.wait()
            # All wait equally long, so the first in the dict is the first to be looked at.
            first = next(iter(self._calls.values()))
            await anyio.sleep_until(first.next_look)
            if self._calls.pop(first.call, None) is not None:
                await self._look_at(first)

    async def _look_at(self, forsaken: _Forsaken) -> None:
        now = anyio.current_time()
        # Entered again before anything is waited for: the call may end meanwhile.
        forsaken.next_look = now + self._every_s
        self._calls[forsaken.call] = forsaken
        if await forsaken.is_heard():
            forsaken.unheard_since = now
        elif now - forsaken.unheard_since >= self._patience_s:
            self.leave(forsaken.call)
            get_logger().info("forsaken_call_cancelled", method=forsaken.call.request.method)
            forsaken.call.abandon()
