"""Brownouts: hours in which a feature is refused on purpose. Rule: who is hit, and when, follows from the text alone.

Every replica and every restart decides alike: nothing is drawn, a client's share of a window is a hash.
"""

import math
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from mcp_bridges.gate.identity import Identity

_MAX_WINDOWS_AHEAD: Final = 100
"""Windows to look through for the next one that hits a client: a small fraction of frequent ones may hit it late."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A window of a brownout, from `begins_s` (included) to `ends_s` (excluded), in Unix seconds."""

    begins_s: int
    ends_s: int


class Brownout(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a schedule: windows in which some or all clients are refused a feature."""

    feature: str
    begins_s: int
    """The beginning of the first window."""
    length_s: int
    every_s: int | None = None
    """From one beginning to the next, never less than `length_s`; None for a single window."""
    until_s: int | None = None
    """No window begins then or later."""
    fraction: float = 1.0
    """The share of the clients that a window hits."""
    seed: int = 0
    """Chooses them, anew for each window."""
    status: Literal[410, 503] = 503

    def window_at(self, at: float) -> Window | None:
        """The window that is open at `at`."""
        window = self._window(self._index(at))
        return window if window is not None and window.begins_s <= at < window.ends_s else None

    def window_after(self, at: float) -> Window | None:
        """The first window that begins after `at`."""
        return self._window(max(0, self._index(at) + 1))

    def changes_at(self, at: float) -> float:
        """The time after `at` at which a window next opens or closes; infinity where none does."""
        now, later = self.window_at(at), self.window_after(at)
        if now is not None:
            return now.ends_s
        return math.inf if later is None else later.begins_s

    def hits(self, client: Identity, window: Window) -> bool:
        """Whether `window` hits `client`. A larger fraction hits whom a smaller one hits, and more."""
        said = f"{self.seed} {self.feature} {window.begins_s} {client.key}".encode()
        drawn = int.from_bytes(blake2b(said, digest_size=8).digest())
        return drawn < self.fraction * 2**64

    def next_hit(self, client: Identity, *, at: float, by: float) -> Window | None:
        """The window that hits `client` and is open at `at`, or else the first one to begin by `by`."""
        window = self.window_at(at) or self.window_after(at)
        for _ in range(_MAX_WINDOWS_AHEAD):
            if window is None or window.begins_s > by:
                return None
            if self.hits(client, window):
                return window
            window = self.window_after(window.begins_s)
        return None

    def _index(self, at: float) -> int:
        """The number of the last window that begins at or before `at`; -1 before the first."""
        if self.every_s is None:
            return 0 if at >= self.begins_s else -1
        return max(-1, math.floor((at - self.begins_s) / self.every_s))

    def _window(self, index: int) -> Window | None:
        if index < 0 or (index > 0 and self.every_s is None):
            return None
        begins_s = self.begins_s + index * (self.every_s or 0)
        if self.until_s is not None and begins_s >= self.until_s:
            return None
        return Window(begins_s=begins_s, ends_s=begins_s + self.length_s)
