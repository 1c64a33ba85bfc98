"""The signals of a process: SIGTERM, SIGINT and SIGHUP, from before anything slow until its last moment.

Rule: none is lost, and what one does depends on the stage alone.

| stage      | first signal                                    | one more                        |
|------------|-------------------------------------------------|---------------------------------|
| `IMPORTING`| raised as `AskedToEnd`, so that an import ends  | the process is gone             |
| `KEEPING`  | kept for whoever hears next                     | kept; the process is gone soon  |
| `HEARD`    | handed on                                       | handed on; it is gone soon      |
| `LEAVING`  | the process is gone                             |                                 |

The kernel drops a signal without a handler for the first process of a container, so the handlers are there from the
first moment. Raised into code that swallows it, or that never comes back to Python, a signal still ends the process:
threads of our own wait for that.
"""

import os
import select
import signal
import time
import warnings
from _thread import (  # threads that must not wait for the import of `threading`, nor be waited for
    get_ident,
    start_new_thread,
)
from collections.abc import Callable
from enum import Enum
from types import FrameType
from typing import Final

HEEDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
UNWIND_S: Final = 1.0
"""How long what is being imported may take to end, once asked to."""
AT_ONCE_S: Final = 2.0
"""How long what is cancelled by a second signal may take to end."""


class AskedToEnd(KeyboardInterrupt):
    """A signal came before anything was served. A KeyboardInterrupt, because libraries let that one through."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stage(Enum):
    """A stage of the process, which decides what a signal does."""

    IMPORTING = "importing"
    KEEPING = "keeping"
    HEARD = "heard"
    LEAVING = "leaving"


class Signals:
    """Takes the signals of one process. All methods are for its main thread.

    `exit_code_for` gives the code of a process that has to be ended by force.
    """

    def __init__(self) -> None:
        self.exit_code_for: Callable[[int], int] = lambda number: 128 + number
        self._patience_s: float | None = None
        self._stage = Stage.IMPORTING
        self._first: int | None = None
        self._kept: list[int] = []
        self._hearer: Callable[[int], None] | None = None
        self._watched_fd: int | None = None
        self._is_installed = False
        self._masks: dict[int, set[signal.Signals | int]] = {}

    def install(self) -> None:
        """Take the signals from now on. Harmless to repeat."""
        if self._is_installed:
            return
        self._is_installed = True
        for number in HEEDED:
            # `nohup` ignores SIGHUP on purpose; a shell that ignores SIGINT for what it runs beside means no more than
            # its own Ctrl-C.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._take)
        self._watch_imports()
        # A child that is forked and does not become another program is to die of a signal, as its parent expects. What
        # comes for it before it has let go waits: a byte in the pipe of its parent would be taken for the parent's.
        os.register_at_fork(before=self._hold_back, after_in_parent=self._let_through, after_in_child=self._let_go)

    def keep(self, *, patience_s: float) -> None:
        """From now on raise nothing: what comes is for whoever hears. Raises AskedToEnd where one came before.

        Until `is_up`, the process is gone `patience_s` after the first signal, whoever hears it.
        """
        self._patience_s = patience_s
        self._stage = Stage.KEEPING
        if self._watched_fd is not None:
            signal.set_wakeup_fd(-1)  # An event loop needs it for itself.
            os.close(self._watched_fd)
            self._watched_fd = None
        if self._first is not None:
            raise AskedToEnd(self._first)

    def hear(self, hearer: Callable[[int], None]) -> None:
        """Hand on to `hearer` what was kept, and what comes. It is called between any two steps of the main thread."""
        self._hearer = hearer
        self._stage = Stage.HEARD
        kept, self._kept = self._kept, []
        for number in kept:
            hearer(number)

    def is_up(self) -> None:
        """The process has started: who hears a signal bounds what follows, and an end by force is one it asked for."""
        self._patience_s = None
        self.exit_code_for = lambda _: 0

    def stop_hearing(self) -> None:
        """Keep again what comes."""
        self._stage = Stage.KEEPING

    def leave(self) -> None:
        """There is nothing left to end in order: whatever holds the process up, the next signal ends it."""
        self._stage = Stage.LEAVING

    def _take(self, number: int, _: FrameType | None) -> None:
        first, self._first = self._first, self._first or number
        if self._stage is Stage.LEAVING or (self._stage is Stage.IMPORTING and first is not None):
            os._exit(self.exit_code_for(self._first or number))
        if self._stage is Stage.IMPORTING:
            raise AskedToEnd(number)
        patience_s = self._patience_s if first is None else AT_ONCE_S
        if patience_s is not None:
            start_new_thread(self._end_after, (patience_s, number))
        if self._stage is Stage.HEARD and self._hearer is not None:
            self._hearer(number)
        else:
            self._kept.append(number)

    def _end_after(self, delay_s: float, number: int) -> None:
        time.sleep(delay_s)
        self._end_by_force(number)

    def _end_by_force(self, number: int) -> None:
        name = signal.Signals(number).name
        try:
            os.write(2, f"mcp-runtime: {name}: what was under way does not end; leaving without it\n".encode())
        finally:
            os._exit(self.exit_code_for(number))

    def _watch_imports(self) -> None:
        """Have a thread see to it that a signal ends the process, though C code may never let Python handle it."""
        reading_fd, writing_fd = os.pipe()
        os.set_blocking(writing_fd, False)
        signal.set_wakeup_fd(writing_fd, warn_on_full_buffer=False)
        self._watched_fd = writing_fd
        # A plugin may run trio while it is imported: trio puts back what was there.
        warnings.filterwarnings("ignore", "It looks like Trio's signal handling", RuntimeWarning)
        start_new_thread(self._watch, (reading_fd,))

    def _watch(self, reading_fd: int) -> None:
        asked: int | None = None
        deadline = 0.0
        while True:
            patience_s = None if asked is None else max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([reading_fd], [], [], patience_s)
            arrived = os.read(reading_fd, 1) if ready else b""
            if ready and not arrived:
                os.close(reading_fd)
                return  # The imports are over.
            number = arrived[0] if arrived else None
            if asked is not None and (number is None or number in HEEDED):
                self._end_by_force(asked)
            if number in HEEDED:  # Others are for a plugin's own handlers.
                asked, deadline = number, time.monotonic() + UNWIND_S

    def _hold_back(self) -> None:
        self._masks[get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)

    def _let_through(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.pop(get_ident()))

    def _let_go(self) -> None:
        """In a child: be as a process that never took anything."""
        if self._watched_fd is not None:
            signal.set_wakeup_fd(-1)  # The thread at its other end is the parent's.
        for number in HEEDED:
            if signal.getsignal(number) == self._take:
                signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
        self._let_through()


SIGNALS: Final = Signals()
"""Those of this process."""
