"""The log of connections that failed. Rule: one event each, of bounded length, and no client can fill the log.

A failure is whatever a connection raises but cancellation, the end of the process, and that its client has left.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, cast

import trio

from mcp_runtime.telemetry.log.log import get_logger

GONE: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)
"""Errors that say that a client has left."""


class ClientLeftError(ConnectionResetError):
    """Raised out of `send` where the client has left: an application that lets it through has done nothing wrong."""

    def __init__(self) -> None:
        super().__init__("the client has left")


_PASSES: Final = (trio.Cancelled, KeyboardInterrupt, GeneratorExit)
"""Exceptions that are not the connection's own: trio's, and the end of the process."""
_EVENTS: Final = 5
_WINDOW_S: Final = 10.0
"""So many events in so long show what is wrong; a client that opens connections can make thousands a second."""
_DETAIL_CHARACTERS: Final = 200
"""A message of the libraries below is a line; more of it is what the client sent."""


def split(error: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """Split `error` in two: the failure in it, and what has to go on to whoever waits for it."""
    if isinstance(error, BaseExceptionGroup):
        passes, failure = cast("BaseExceptionGroup[BaseException]", error).split(_PASSES)
        return None if failure is None else failure.split(GONE)[1], passes
    if isinstance(error, _PASSES):
        return None, error
    return None if isinstance(error, GONE) else error, None


class FewEvents:
    """Log events of one kind, a few in each window of time; more are counted, and `tell` logs their number.

    Run `watch` beside what they are about, and call `tell_unlogged` at the end.
    """

    def __init__(self, tell: Callable[[int], None], now: Callable[[], float]) -> None:
        self._tell = tell
        self._now = now
        self._window_end = 0.0
        self._logged = 0
        self._unlogged = 0
        self._overflow = trio.Event()

    def has_room(self) -> bool:
        """Whether to log one more; where enough were logged just now it is counted."""
        now = self._now()
        if now >= self._window_end:
            self.tell_unlogged()
            self._window_end, self._logged = now + _WINDOW_S, 0
        if self._logged >= _EVENTS:
            self._unlogged += 1
            self._overflow.set()
            return False
        self._logged += 1
        return True

    def tell_unlogged(self) -> None:
        """Log how many were counted only, if any."""
        count, self._unlogged = self._unlogged, 0
        if count:
            self._overflow = trio.Event()
            with suppress(Exception):  # A log that is broken is no reason to end the server.
                self._tell(count)

    async def watch(self) -> None:
        """Tell them at the end of each window, for ever."""
        while True:
            await self._overflow.wait()
            await trio.sleep_until(self._window_end)
            self.tell_unlogged()


class ConnectionFailures(FewEvents):
    """The failures of one server's connections."""

    def __init__(self, now: Callable[[], float] = trio.current_time) -> None:
        super().__init__(_tell_unlogged_failures, now)

    def note(self, failure: BaseException) -> None:
        """Log it, or count it where enough were logged just now."""
        if not self.has_room():
            return
        leaf = failure
        while isinstance(leaf, BaseExceptionGroup):
            leaf = cast("BaseExceptionGroup[BaseException]", leaf).exceptions[0]
        with suppress(Exception):  # A message or a log that is broken is no reason to end the server either.
            get_logger().error(
                "connection_failed",
                error=type(leaf).__name__,
                detail=str(leaf)[:_DETAIL_CHARACTERS],
                at=_place(leaf.__traceback__),
            )


def _tell_unlogged_failures(count: int) -> None:
    get_logger().error("connection_failures_unlogged", count=count)


def _place(traceback: TracebackType | None) -> str | None:
    """File and line of the innermost frame, the file by its last two names."""
    if traceback is None:
        return None
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"{'/'.join(Path(traceback.tb_frame.f_code.co_filename).parts[-2:])}:{traceback.tb_lineno}"
