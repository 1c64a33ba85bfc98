"""The garbage collector, kept away from what stays. Rule: once a process, when all that stays for good is there.

Modules, schemas and plugins are most of a server's objects and never garbage. Looked through again and again while
they come, they cost a start a twentieth of its time; left among the others, they make every full collection later a
pause of tens of milliseconds in which nobody is served.
"""

import ctypes  # which trio has loaded
import gc
from collections.abc import Callable


def put_off_collections() -> None:
    """No collections until `take_up_collections`: while a process of ours starts."""
    gc.disable()


def take_up_collections() -> None:
    """Collections again, but never of what is alive now, nor of the little garbage that a start leaves."""
    gc.freeze()
    gc.enable()


def freeze_what_is_there() -> None:
    """Collect once more, and leave what is alive now out of collections from here on.

    Memory that the start has freed goes back to the system, where the C library can do that (glibc): a third of a MiB.
    """
    gc.collect()
    gc.freeze()
    give_back: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        give_back(0)
