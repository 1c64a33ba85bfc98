"""Who runs on which core. Rule: the server has one to itself, and the load runs on another."""

import os
from collections.abc import Generator
from contextlib import contextmanager

CORES = tuple(sorted(os.sched_getaffinity(0)))
SERVER_CORE = CORES[0]
LOAD_CORE = CORES[-1]


def are_apart() -> bool:
    """Whether there are two cores to be had."""
    return SERVER_CORE != LOAD_CORE


@contextmanager
def pinned_to(core: int) -> Generator[None]:
    """Run this thread, and the processes that it starts within the block, on `core`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
