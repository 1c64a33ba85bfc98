"""How long something takes. Rule: the fastest of a few tries counts, and a busy machine is no excuse but a factor."""

import os
from collections.abc import Callable
from typing import Final

_TRIES: Final = 4


def assert_within(limit_s: float, measure: Callable[[int], float]) -> None:
    """Assert that `measure`, called with the number of the try, once returns less than `limit_s` seconds.

    Where more processes want to run than there are cores, each gets its share, and everything takes longer by that.
    """
    taken_s: list[float] = []
    for attempt in range(_TRIES):
        taken_s.append(measure(attempt))
        share = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        if taken_s[-1] < limit_s * share:
            return
    raise AssertionError(f"not once within {limit_s:g} s: {', '.join(f'{one:.2f}' for one in taken_s)} s")
