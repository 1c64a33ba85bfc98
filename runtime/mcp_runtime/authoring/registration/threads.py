"""The worker threads for plain functions. Rule: a thread counts for its client until it ends.

Its call may be over long before. A client past its share waits behind its own calls, and not before others'. Whoever
waits takes turns by client: one that has a hundred calls waiting gets one thread, then the next client does.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import anyio
import anyio.to_thread

from mcp_runtime.platform.loops import soon_from_thread
from mcp_runtime.platform.shares import Shares

_Outcome = tuple[Any, BaseException | None]


class Threads:
    """At most `total` worker threads at once, each with a client that it is for. Everything happens on one loop."""

    def __init__(self, total: int) -> None:
        self._shares = Shares(total)
        self._waiting: dict[str | None, deque[anyio.Event]] = {}
        """Who waits for a thread, by client, in the order of their turns."""
        # That of anyio forgets a thread on asyncio as soon as nobody waits for it.
        self._unlimited = anyio.CapacityLimiter(float("inf"))

    @property
    def at_work(self) -> int:
        """Threads that have not ended, with those that nobody waits for any more."""
        return self._shares.held

    async def run(self, client: str | None, fn: Callable[..., Any], *values: Any) -> Any:
        """Run `fn` in a thread that counts for `client`, and return or raise as it does.

        Cancelled, it leaves the thread to finish.
        """
        if not self._shares.take(client):
            await self._turn_of(client)
        work = _Work(fn, values)
        try:
            value, error = await anyio.to_thread.run_sync(work.run, abandon_on_cancel=True, limiter=self._unlimited)
        except BaseException:
            soon = soon_from_thread()
            if not work.abandon(lambda: soon(lambda: self._give_back(client))):
                self._give_back(client)
            raise
        self._give_back(client)
        # asyncio takes some errors out of a thread for its own, a GeneratorExit for one: so they travel as values.
        if error is None:
            return value
        try:
            raise error
        finally:
            del error  # It holds this frame.

    async def _turn_of(self, client: str | None) -> None:
        turn = anyio.Event()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # The thread was given to it in the same moment.
                self._give_back(client)
            else:
                queue = self._waiting[client]
                queue.remove(turn)
                if not queue:
                    del self._waiting[client]
            raise

    def _give_back(self, client: str | None) -> None:
        self._shares.give_back(client)
        served = True
        while served and self._waiting:
            served = False
            for other in [*self._waiting]:
                if self._shares.is_full:
                    return
                if self._shares.take(other):
                    served = True
                    queue = self._waiting.pop(other)
                    queue.popleft().set()
                    if queue:
                        self._waiting[other] = queue  # behind those of others


class _Work:
    """One function for a thread. Thread and loop tell each other by who comes first: to take the one item of a list."""

    def __init__(self, fn: Callable[..., Any], values: tuple[Any, ...]) -> None:
        self._fn = fn
        self._values = values
        self._start: Final[list[None]] = [None]
        self._end: Final[list[None]] = [None]
        self._when_ended: Callable[[], object] | None = None

    def run(self) -> _Outcome:
        """In the thread: call the function, unless it was abandoned before."""
        if not _is_first(self._start):
            return None, None
        try:
            outcome: _Outcome = self._fn(*self._values), None
        except BaseException as error:  # noqa: BLE001  # `Threads.run` raises it
            outcome = None, error
        if not _is_first(self._end) and self._when_ended is not None:
            with suppress(RuntimeError):  # The loop has ended.
                self._when_ended()
        return outcome

    def abandon(self, when_ended: Callable[[], object]) -> bool:
        """On the loop: nobody waits any more. Whether it is at work; then its thread calls `when_ended` in the end."""
        self._when_ended = when_ended
        return not _is_first(self._start) and _is_first(self._end)


def _is_first(item: list[None]) -> bool:
    try:
        item.pop()  # One of two threads gets it.
    except IndexError:
        return False
    return True
