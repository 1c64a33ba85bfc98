"""The event loop at hand: its clock, and its cancel scopes.

Rule: what every request pays for is the loop's own, without a wrapper, and which loop it is is found out once.

anyio's scope on trio wraps trio's and costs twice as much; the two do the same, and mix.
"""

from collections.abc import Callable
from typing import cast

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


def soon_from_thread() -> Callable[[Callable[[], object]], object]:
    """A function with which any thread has the loop of this task call something soon. It waits for nothing.

    Raises RuntimeError once the loop has ended.
    """
    if current_async_library() == "trio":
        return trio.lowlevel.current_trio_token().run_sync_soon
    import asyncio

    return asyncio.get_running_loop().call_soon_threadsafe
