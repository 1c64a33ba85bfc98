"""Cancel scopes and clock of the event loop at hand.

Rule: what every request pays for is the loop's own, without a wrapper, and which loop it is is found out once.

anyio's scope on trio wraps trio's and costs twice as much; the two do the same, and mix.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Any, cast

import anyio
import trio
from msgspec import Struct
from sniffio import current_async_library


class Loop(Struct, frozen=True):
    """An event loop: its clock, in seconds, and what makes a cancel scope to enter in a task of it."""

    now: Callable[[], float] = anyio.current_time
    new_scope: Callable[[], anyio.CancelScope] = anyio.CancelScope


ANY_LOOP = Loop()
"""Whichever runs: it is looked up at every call."""


def loop_at_hand() -> Loop:
    """The loop that runs this task."""
    if current_async_library() == "trio":
        # Not trio.current_time, which looks it up each time.
        return Loop(
            trio.lowlevel.current_clock().current_time, cast("Callable[[], anyio.CancelScope]", trio.CancelScope)
        )
    import asyncio  # which servers on trio need not load

    return Loop(asyncio.get_running_loop().time)


def new_scope() -> anyio.CancelScope:
    """A cancel scope to enter in this task."""
    return loop_at_hand().new_scope()


class LentScope(Struct, eq=False):
    """The cancel scope that a connection is served in, lent to an application for one request.

    To enter a scope of one's own for each request costs an eighth of a small call. Whoever borrows this one sets
    `conclude`: once the request is cut off by `cancel` or `deadline`, the application is left, and the server calls
    that to answer. Given back, it does nothing any more.
    """

    scope: Any
    conclude: Callable[[], Awaitable[None]] | None = None
    is_touched: bool = False

    @property
    def deadline(self) -> float:
        """When the request is cut off, in loop seconds."""
        return math.inf if self.scope is None else float(self.scope.deadline)

    @deadline.setter
    def deadline(self, value: float) -> None:
        if self.scope is not None:
            self.is_touched = True
            self.scope.deadline = value

    def cancel(self) -> None:
        """Cut the request off."""
        if self.scope is not None:
            self.is_touched = True
            self.scope.cancel()

    async def give_back(self) -> None:
        """From here on the request is not cut off; where it was to be, it is here."""
        if self.is_touched and self.scope.cancel_called:
            await trio.lowlevel.checkpoint()
        self.end()

    def end(self) -> None:
        """Give it back, cut off or not."""
        if self.is_touched:
            self.scope.deadline = math.inf
        self.scope = self.conclude = None
        self.is_touched = False
