"""Interruptions: what the event loop or the process raises inside a running function to stop it.

Rule: only one that is under way passes through a boundary; what merely looks like one is the failure of who raised it.

Loaded when something was raised that is no Exception: nothing of it is paid for before.
"""

import math
import signal
import sys
import threading
from functools import partial
from typing import Any, Final, cast

import anyio

from mcp_runtime.platform.signals import AskedToEnd

_RAISING: Final = ("trio._core", "asyncio.runners")
"""Modules of handlers that make a KeyboardInterrupt of Ctrl-C, beside Python's own."""


def is_interruption(error: BaseException) -> bool:
    """Whether `error`, which came out of an author's function in this task, was put into it from outside.

    So it is with the cancellation of a scope or task around it, with Ctrl-C where nothing takes the signal, and with
    the end of a coroutine whose loop is gone. A group is one where all that is in it is cancellation.
    """
    if isinstance(error, Exception):
        return False
    if is_ctrl_c(error):
        return True
    try:
        cancelled = anyio.get_cancelled_exc_class()
    except RuntimeError:
        return isinstance(error, GeneratorExit)  # There is no loop any more, and nobody to be answered.
    return all(isinstance(leaf, cancelled) for leaf in leaves_of(error)) and _is_being_cancelled()


def is_ctrl_c(error: BaseException) -> bool:
    """Whether `error` is, or has in it, the KeyboardInterrupt that Python makes of Ctrl-C where nothing takes it.

    So it is with what our own handler makes of a signal while plugins are imported.
    """
    if isinstance(error, Exception):
        return False
    leaves = leaves_of(error)
    if any(isinstance(leaf, AskedToEnd) for leaf in leaves):
        return True
    return any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves) and _raises_on_ctrl_c()


def leaves_of(error: BaseException) -> list[BaseException]:
    """The errors in a group, however deep; any other error alone."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(reversed(cast("BaseExceptionGroup[BaseException]", one).exceptions))
        else:
            found.append(one)
    return found


def _is_being_cancelled() -> bool:
    """Whether a scope around this task is cancelled, or on asyncio the task itself."""
    if anyio.current_effective_deadline() == -math.inf:
        return True
    asyncio: Any = sys.modules.get("asyncio")
    try:
        task = None if asyncio is None else asyncio.current_task()
    except RuntimeError:
        return False  # The loop at hand is another one's.
    return task is not None and bool(task.cancelling())


def _raises_on_ctrl_c() -> bool:
    """Whether Ctrl-C would show as a KeyboardInterrupt here: servers take the signal and stop in their own way."""
    handler: Any = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread():
        return False
    if isinstance(handler, partial):
        handler = handler.func
    module = str(getattr(handler, "__module__", None))
    return handler is signal.default_int_handler or module.startswith(_RAISING)
