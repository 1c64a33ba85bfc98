"""A Store that outlives its process, in one SQLite file. Rule: reads stay on the event loop, writes never block it.

A read is one indexed point query of a few microseconds: handing it to a thread would cost ten times as much.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
from anyio import to_thread

from mcp_runtime.state.errors import StateError, WouldWait

if TYPE_CHECKING:
    from mcp_runtime.state.sqlite_file import StateFile

T = TypeVar("T")

BUSY_TIMEOUT_S: Final = 5.0
"""A write takes a millisecond: who cannot write for as long waits for a process that hangs."""


class SqliteStore:
    """A Store of at most `max_entries` values in the file at `path`, which several processes may use at once.

    What was put is there after a restart and after SIGKILL; what has expired is forgotten first, then what was put
    longest ago. The file is opened with its first use and made with the first value, so a server that keeps nothing
    writes nothing. A write is not cancelled once it has begun. Every method raises StateError where the file cannot be
    used. `now` gives seconds since the epoch.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_entries: int,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._text = str(path)
        self._max_entries = max_entries
        self._busy_timeout_s = busy_timeout_s
        self._now = now
        self._file: StateFile | None = None
        # A limiter of our own: plugin functions that fill the common threads do not hold up a write.
        self._turn = anyio.CapacityLimiter(1)

    async def open(self) -> None:
        """Open the file if it is there, so that what is wrong with it shows now and not with the first use."""
        if self._file is None and self._is_there():
            await self._in_thread(self._opened)

    async def close(self) -> None:
        """Close the file once what has begun is written. Another use opens it again."""
        with anyio.CancelScope(shield=True):
            async with self._turn:
                # Taken away on the loop's thread, so no read is under way.
                file, self._file = self._file, None
                if file is not None:
                    await to_thread.run_sync(file.close, limiter=anyio.CapacityLimiter(1))

    async def get(self, key: str) -> bytes | None:
        """As the port says."""
        file = self._file
        if file is None:
            if not self._is_there():
                return None
            file = await self._in_thread(self._opened)
        try:
            return file.read(key)
        except WouldWait:
            return await self._in_thread(lambda: self._opened().read_waiting(key))

    async def put(self, key: str, value: bytes, *, ttl_s: float) -> None:
        """As the port says."""
        await self._in_thread(lambda: self._made().put(key, value, ttl_s=ttl_s))

    async def swap(self, key: str, value: bytes, *, expected: bytes | None, ttl_s: float) -> bool:
        """As the port says."""
        if expected is not None and self._file is None and not self._is_there():
            return False
        return await self._in_thread(lambda: self._made().swap(key, value, expected=expected, ttl_s=ttl_s))

    async def delete(self, key: str) -> None:
        """As the port says."""
        if self._file is not None or self._is_there():
            await self._in_thread(lambda: self._opened().delete(key))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        # Waiting for the turn can be cancelled; the thread is not abandoned, and what it did is then true.
        return await to_thread.run_sync(work, limiter=self._turn)

    def _is_there(self) -> bool:
        try:
            os.stat(self._text)  # noqa: PTH116  # each message of a session asks, and a Path makes a text of itself each time
        except FileNotFoundError:
            return False
        except OSError as error:
            fix = "make its directory readable and writable, or set state.directory"
            raise StateError(self._path, f"it cannot be read: {error.strerror}", fix) from None
        return True

    def _made(self) -> "StateFile":
        if self._file is None and not self._is_there():
            from mcp_runtime.state.sqlite_file import create

            create(self._path)
        return self._opened()

    def _opened(self) -> "StateFile":
        if self._file is None:
            from mcp_runtime.state.sqlite_file import StateFile

            self._file = StateFile(
                self._path, max_entries=self._max_entries, busy_timeout_s=self._busy_timeout_s, now=self._now
            )
        return self._file
