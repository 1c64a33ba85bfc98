"""The heap: which freed memory goes back to the system. Rule: small blocks stay for the next request, large ones go.

By itself glibc gives back what is free at the top of the heap after nearly each request of some 100 KiB, and takes it
page by page for the next one: a third of the time of such a request. And it moves its bounds up with the largest block
that it has seen, so that after one long answer others stay in memory.
"""

import ctypes  # which trio has loaded
from collections.abc import Callable
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Options of mallopt(3)."""
_KEPT_BYTES: Final = 8 * 1024 * 1024
"""At the top of the heap."""
_LARGE_BYTES: Final = 1024 * 1024
"""A block of so much is the system's again as soon as it is freed."""


def keep_freed_memory() -> None:
    """Set both bounds for good, where the C library has them (glibc)."""
    set_option: Callable[[int, int], int] | None = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        set_option(_M_TRIM_THRESHOLD, _KEPT_BYTES)
