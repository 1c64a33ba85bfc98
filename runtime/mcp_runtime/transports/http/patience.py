"""Patience: how long a call over HTTP may take before somebody looks after its client. Rule: fast calls pay nothing.

A call that ends within `after_s` costs one entry in a dict. One task looks for those that take longer, and only they
get a task that waits for the disconnect and sends keep-alive comments.
Spec: 2026-07-28/basic/transports/streamable-http#cancellation
"""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from anyio.abc import TaskGroup
from msgspec import Struct, field

from mcp_runtime.platform.loops import ANY_LOOP, Loop, loop_at_hand


class Watched(Struct, eq=False, kw_only=True):
    """Something at work: what to do once it has taken a while, and how to look after its client from then on."""

    receive: Any = None
    """Where a disconnect shows, None where nobody may look."""
    every_s: float = math.inf
    """Seconds between signs of life, where that is sooner than for all."""
    since: float = field(default_factory=anyio.current_time)
    """When it began, in loop seconds."""
    is_old: bool = False
    company: Any = None
    """The scope of the task that looks after it."""

    def aged(self) -> None:
        """It is not over yet."""

    def gone(self) -> None:
        """Its client has left."""

    async def keep_alive(self) -> None:
        """Give its client a sign of life."""


class Patience:
    """All calls at work over HTTP. `after_s` until a call is watched, `keep_alive_interval_s` between signs of life."""

    def __init__(self, *, after_s: float, keep_alive_interval_s: float) -> None:
        self.after_s = after_s
        self._keep_alive_interval_s = keep_alive_interval_s
        self._young: dict[Watched, None] = {}
        self._idle: anyio.Event | None = None
        self._is_busy = False
        self._tasks: TaskGroup | None = None
        self.is_running = False
        """Whether calls can be watched: the application's lifespan is on."""
        self.loop: Loop = ANY_LOOP
        """The one that it runs in."""
        self.streams: set[anyio.CancelScope] = set()
        """The scopes of event streams that stay open."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Watch for as long as the block runs."""
        async with anyio.create_task_group() as tasks:
            self._tasks, self.is_running = tasks, True
            self.loop = loop_at_hand()
            tasks.start_soon(self._look_out)
            try:
                yield
            finally:
                self._tasks, self.is_running = None, False
                tasks.cancel_scope.cancel()

    def enter(self, watched: Watched) -> None:
        """A call begins."""
        self._young[watched] = None
        self._is_busy = True
        if self._idle is not None:
            self._idle.set()
            self._idle = None

    def look_after(self, watched: Watched) -> None:
        """Something begins that will take a while: wait for its client to leave from now on."""
        watched.is_old = True
        if self._tasks is not None and watched.receive is not None:
            watched.company = self.loop.new_scope()
            self._tasks.start_soon(self._accompany, watched, watched.company)

    def leave(self, watched: Watched) -> None:
        """A call ended."""
        self._young.pop(watched, None)
        if watched.company is not None:
            watched.company.cancel()

    def renew(self, watched: Watched) -> None:
        """What is at work has become something else: it is young again."""
        watched.since, watched.is_old = self.loop.now(), False
        self.enter(watched)

    async def _look_out(self) -> None:
        while True:
            oldest = next(iter(self._young), None)
            if oldest is None:
                await self._until_one_may_be_old()
                continue
            wait_s = oldest.since + self.after_s - self.loop.now()
            if wait_s > 0:
                await anyio.sleep(wait_s)
            else:
                del self._young[oldest]
                self.look_after(oldest)
                oldest.aged()

    async def _until_one_may_be_old(self) -> None:
        """Whatever begins from now on is not old before `after_s` have passed."""
        if not self._is_busy:
            self._idle = anyio.Event()
            await self._idle.wait()
        self._is_busy = False
        await anyio.sleep(self.after_s)

    async def _accompany(self, watched: Watched, scope: anyio.CancelScope) -> None:
        with scope:
            with suppress(OSError):  # Some servers tell of a disconnect this way.
                await self._until_disconnect(watched)
            watched.gone()

    async def _until_disconnect(self, watched: Watched) -> None:
        while True:
            message = None
            with self.loop.new_scope() as waiting:
                waiting.deadline = self.loop.now() + min(watched.every_s, self._keep_alive_interval_s)
                message = await watched.receive()
            if message is None:
                await watched.keep_alive()
            elif message["type"] == "http.disconnect":
                return
