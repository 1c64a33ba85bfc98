"""How long one test may take. Rule: a hang is a failure that says where, not a run that never ends.

A `conftest.py` that imports the three hooks puts every test of its folder under the limit, with its fixtures.
"""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import pytest

LIMIT_S: Final = 120.0
"""For each of set-up, test and clean-up: far above what any of them needs, even where every core is taken."""


@contextmanager
def time_limit(seconds: float = LIMIT_S) -> Generator[None]:
    """Raise TimeoutError in the block once it has run for so long. For the main thread, where tests run."""

    def expire(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"the test took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    with time_limit():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    with time_limit():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    with time_limit():
        return (yield)
