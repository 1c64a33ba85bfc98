"""The time limit of one call, and what cuts it off. Rule: whoever takes a call in owns the scope around it."""

import math
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from mcp_runtime.platform.loops import ANY_LOOP


class Cutter(Protocol):
    """What cuts a call off: the cancel scope that its transport serves it in, its own or one that was lent."""

    @property
    def deadline(self) -> float:
        """When it does so by itself, in loop seconds."""
        ...

    @deadline.setter
    def deadline(self, value: float, /) -> None: ...

    def cancel(self) -> None:
        """Do so now."""
        ...


class TimeLimit(Struct, kw_only=True, eq=False):
    """How long a call may take. Set with `set`, it counts at once where the caller's patience would outlast it.

    Otherwise it counts once somebody calls `keep`: a deadline costs as much as the rest of a small call, and most calls
    are over before it could matter.
    """

    cutter: Cutter
    began: float
    """When the call came in, in loop seconds."""
    now: Callable[[], float] = ANY_LOOP.now
    """The loop's clock."""
    patience_s: float = math.inf
    """When somebody calls `keep`; infinite where nobody does, or somebody has."""
    timeout_s: float = math.inf
    ends_at: float = math.inf

    def set(self, timeout_s: float) -> None:
        """Cut the call off once it has run for `timeout_s` seconds."""
        self.timeout_s = timeout_s
        self.ends_at = self.began + timeout_s
        if timeout_s <= self.patience_s:
            self.cutter.deadline = self.ends_at

    def keep(self) -> None:
        """The call is not over yet: from here on its limit counts."""
        self.patience_s = math.inf
        if self.ends_at < math.inf:
            self.cutter.deadline = self.ends_at

    def lift(self) -> None:
        """What was limited is over, and the call goes on."""
        if self.timeout_s <= self.patience_s:
            self.cutter.deadline = math.inf
        self.timeout_s = self.ends_at = math.inf

    @property
    def is_over(self) -> bool:
        """Whether the time is up: a handler that blocks its thread is not stopped when it should be."""
        return self.ends_at < math.inf and self.now() >= self.ends_at


class _NoCutter(Struct, eq=False):
    deadline: float = math.inf

    def cancel(self) -> None:
        """There is nothing to cut off."""


def no_limit() -> TimeLimit:
    """The limit of a call that takes no time, and that nobody gives up on."""
    return TimeLimit(cutter=_NoCutter(), began=0.0)
