"""Lent scopes: a connection's cancel scope, lent to one request. Rule: given back, it does nothing any more."""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from msgspec import Struct


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
