"""The time limit of a test, as hooks of pytest. Rule: a hang is a failure that says where, not a run that never ends.

`tests/conftest.py` has the hooks, so every test of every folder is under the limit, with its fixtures. A test that cannot
even be interrupted, for it never comes back from C, ends its process after `faulthandler_timeout` in pyproject.toml.
"""

import asyncio
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

import pytest
import trio
from trio._core._run import CancelStatus  # not public; only the way out of a shield needs it

LIMIT_S: Final = 120.0
"""For each of set-up, test and clean-up: far above what any of them needs, even where every core is taken."""

PATIENCE_S: Final = 10.0
"""What a cancelled test may take to clean up; then without its shields; then it is interrupted where it is, again and again."""

_FRAMES_SHOWN: Final = 12


class _Interrupted(
    BaseException
):  # no Exception: code under test may catch those, and Hypothesis would run it once more
    """Raised in the middle of whatever hangs."""


@contextmanager
def time_limit(seconds: float = LIMIT_S, patience_s: float = PATIENCE_S) -> Generator[None]:
    """Fail the test once the block has run for so long. For the main thread, where tests run."""
    whereabouts: list[str] = []
    # In this order, an alarm each; what is left then is interrupted where it is.
    ways_out = [_cancelled, _unshielded]

    def expire(_: int, frame: FrameType | None) -> None:
        if not whereabouts:
            whereabouts.extend(_whereabouts(frame))
        if ways_out and _in_trio(ways_out.pop(0)):
            return
        # Trio does not survive it, and its ruins may raise in place of what this block raises.
        print(*whereabouts, sep="\n", file=sys.stderr)
        raise _Interrupted

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, patience_s)
    try:
        yield
    except BaseException as error:
        if whereabouts:
            _fail(seconds, whereabouts, error)
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if whereabouts:
        _fail(seconds, whereabouts, None)


def _fail(seconds: float, whereabouts: list[str], cause: BaseException | None) -> None:
    reason = "\n".join([f"The test took longer than {seconds:g} s. It hung here:", *whereabouts])
    raise pytest.fail.Exception(reason, pytrace=False) from cause


def _in_trio(way_out: Callable[[trio.lowlevel.Task], None]) -> bool:
    """Have trio's loop in this thread do it, so that tasks clean up. False where none runs."""
    try:
        root = trio.lowlevel.current_root_task()
        token = trio.lowlevel.current_trio_token()
    except RuntimeError:
        return False
    if root is None:
        return False
    token.run_sync_soon(way_out, root)
    return True


def _cancelled(root: trio.lowlevel.Task) -> None:
    for nursery in root.child_nurseries[-1:]:  # the main task's
        nursery.cancel_scope.cancel()


def _unshielded(root: trio.lowlevel.Task) -> None:
    for task in _tree(root):
        status: CancelStatus | None = task._cancel_status
        while status is not None:
            status._scope.shield = False
            status = status._parent


def _whereabouts(frame: FrameType | None) -> Iterator[str]:
    """The stacks of the main thread, of trio's and asyncio's tasks in it, and of the other threads, innermost call last."""
    yield "- the main thread:"
    yield from _lines(traceback.extract_stack(frame))
    with suppress(RuntimeError):  # trio does not run here
        for trio_task in _tree(trio.lowlevel.current_root_task()):
            yield f"- trio task {trio_task.name}:"
            yield from _lines([traceback.FrameSummary(*_place(at, line)) for at, line in trio_task.iter_await_frames()])
    with suppress(RuntimeError):  # nor asyncio
        for task in asyncio.all_tasks():
            yield f"- asyncio task {task.get_name()}:"
            yield from _lines([traceback.FrameSummary(*_place(at, at.f_lineno)) for at in task.get_stack()])
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, top in sys._current_frames().items():
        if ident != threading.main_thread().ident:
            yield f"- thread {names.get(ident, ident)}:"
            yield from _lines(traceback.extract_stack(top))


def _tree(task: trio.lowlevel.Task | None) -> Iterator[trio.lowlevel.Task]:
    if task is None:
        return
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _tree(child)


def _place(frame: FrameType, line: int) -> tuple[str, int, str]:
    return frame.f_code.co_filename, line, frame.f_code.co_name


def _lines(stack: list[traceback.FrameSummary]) -> Iterator[str]:
    for at in stack[-_FRAMES_SHOWN:]:
        yield f"    {at.filename}:{at.lineno} in {at.name}: {at.line}"


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
