"""The time zone of this process, set for a block. Rule: a machine's own zone must not show in what is said of UTC."""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

FAR_ZONES: Final = ("EAST-14", "WEST+12")
"""As POSIX writes them: 14 hours before UTC and 12 behind it. At any moment one of the two has another day than UTC."""


@contextmanager
def time_zone(name: str) -> Generator[None]:
    """Local time is that of `name` for as long as the block runs."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
