"""The SQLite engine: a store in one file, which outlives the process.

Rule: reads stay on the event loop, writes never block it.

A read is one indexed point query of a few microseconds: handing it to a thread would cost ten times as much.
"""

import math
import os
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
from anyio import to_thread

from mcp_runtime.config.limits import Limits
from mcp_runtime.config.sections import StateConfig
from mcp_runtime.state.port import StateError, WouldWait
from mcp_runtime.telemetry.log.log import get_logger

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from mcp_runtime.state.sqlite_file import StateFile

T = TypeVar("T")
R = TypeVar("R")

_ATTEMPTS: Final = 3
"""At a file that is moved away while it is written to: once is somebody's mistake, three times is a loop of it."""

_TELL_EVERY_S: Final = 60.0
"""A store that is full pushes something out with every write."""


class SqliteStore:
    """A Store in the file at `path`, which several processes may use at once.

    It keeps at most `max_entries` values, `max_bytes` of them with what SQLite adds, and `max_ends` keys that were
    ended. What was put is there after a restart and after SIGKILL; what has expired is forgotten first, then what the
    same owner put longest ago. The file is opened with its first use and made with the first value, so a server that
    keeps nothing writes nothing. A write is not cancelled once it has begun. Every method raises StateError where the
    file cannot be used, at the latest `busy_timeout_s` after it was called. A file that is moved away or replaced while
    it is open is let go of, and `log` hears of it. `now` gives seconds since the epoch.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_entries: int,
        max_bytes: int = StateConfig().max_bytes,
        max_ends: int = Limits().max_ended_sessions,
        busy_timeout_s: float = StateConfig().busy_timeout_s,
        now: Callable[[], float] = time.time,
        log: "Callable[[], FilteringBoundLogger]" = get_logger,
    ) -> None:
        self._path = path
        self._text = str(path)
        self._max_entries, self._max_bytes, self._max_ends = max_entries, max_bytes, max_ends
        self._busy_timeout_s = busy_timeout_s
        self._now = now
        self._log = log
        self._file: StateFile | None = None
        self._aside: Sequence[Path] = ()
        self._turn = anyio.CapacityLimiter(1)
        self._told_full_at = -math.inf

    async def open(self) -> None:
        """Open the file if it is there, so that what is wrong with it shows now and not with the first use."""
        await self._opened_file()

    async def close(self) -> None:
        """Close the file once what has begun is written. Another use opens it again.

        Ends soon after `busy_timeout_s`: by then all who came before have written, or given up.
        """
        with anyio.CancelScope(shield=True):
            async with self._turn:
                # Taken away on the loop's thread, so no read is under way.
                file, self._file = self._file, None
                if file is not None:
                    await self._in_thread(lambda: file.close(until_s=self._until_s()))

    async def get(self, key: str) -> bytes | None:
        """As the port says."""
        file = self._file
        if file is None or not self._is_in_place(file):
            file = await self._opened_file()
            if file is None:
                return None
        try:
            return file.read(key)
        except WouldWait:
            return await self._use(lambda file, until_s: file.read_waiting(key, until_s=until_s))

    async def put(self, key: str, value: bytes, *, ttl_s: float, owner: str | None = None) -> None:
        """As the port says."""
        await self._use(
            lambda file, until_s: file.put(key, value, ttl_s=ttl_s, owner=owner, until_s=until_s), make=True
        )

    async def swap(
        self, key: str, value: bytes, *, expected: bytes | None, ttl_s: float, owner: str | None = None
    ) -> bool:
        """As the port says."""
        swapped = await self._use(
            lambda file, until_s: file.swap(key, value, expected=expected, ttl_s=ttl_s, owner=owner, until_s=until_s),
            make=expected is None,
        )
        return bool(swapped)

    async def end(self, key: str, *, ttl_s: float, owner: str | None) -> bool:
        """As the port says."""
        ended = await self._use(
            lambda file, until_s: file.end(key, ttl_s=ttl_s, owner=owner, until_s=until_s), make=True
        )
        return bool(ended)

    async def can_end(self, owner: str | None) -> bool:
        """As the port says."""
        file = self._file
        if file is None or not self._is_in_place(file):
            file = await self._opened_file()
            if file is None:
                return True
        with suppress(WouldWait):
            if file.can_end(owner):
                return True
        found = await self._use(lambda file, until_s: file.can_end_waiting(owner, until_s=until_s))
        return found is not False

    async def delete(self, key: str) -> None:
        """As the port says."""
        await self._use(lambda file, until_s: file.delete(key, until_s=until_s))

    async def _opened_file(self) -> "StateFile | None":
        return await self._use(lambda file, _: file)

    async def _use(self, work: "Callable[[StateFile, float], T]", *, make: bool = False) -> T | None:
        """What `work` gives, called in a thread with the file and the time to give up at. None where there is no file.

        With `make` a missing file is made. What was done to a file that was moved away meanwhile is done once more, to
        the one that is there then: so whoever is told that something is kept finds it again.
        """
        if self._file is None and not make and self._stat() is None:
            return None
        until_s = self._until_s()
        async with self._own_turn():
            for _ in range(_ATTEMPTS):
                await self._let_go_if_moved(until_s)
                if self._file is None and not make and self._stat() is None:
                    return None
                file, done = await self._in_thread(lambda: self._work(work, until_s))
                for aside in (file.aside, self._aside):
                    self._tell_of(aside)
                file.aside = self._aside = ()
                self._tell_of_full(file)
                if self._is_in_place(file):
                    return done
        from mcp_runtime.state.sqlite_problems import REPLACED

        raise StateError(self._path, *REPLACED)

    def _work(self, work: "Callable[[StateFile, float], T]", until_s: float) -> "tuple[StateFile, T]":
        from mcp_runtime.state.sqlite_file import StateFile, create
        from mcp_runtime.state.sqlite_schema import Bounds

        file = self._file
        if file is None:
            if self._stat() is None:
                self._aside = create(self._path, until_s=until_s)
            bounds = Bounds(max_entries=self._max_entries, max_bytes=self._max_bytes, max_ends=self._max_ends)
            file = self._file = StateFile(self._path, bounds=bounds, until_s=until_s, now=self._now)
        return file, work(file, until_s)

    def _until_s(self) -> float:
        return time.monotonic() + self._busy_timeout_s

    @asynccontextmanager
    async def _own_turn(self) -> AsyncGenerator[None, None]:
        """Waiting for it counts as waiting for the file: who asks last does not wait as long as all before together."""
        borrower = object()
        with anyio.move_on_after(self._busy_timeout_s) as waiting:
            await self._turn.acquire_on_behalf_of(borrower)
        if waiting.cancelled_caught:
            from mcp_runtime.state.sqlite_problems import LOCKED

            raise StateError(self._path, *LOCKED)
        try:
            with anyio.CancelScope(shield=True):  # A write that has begun is done; it is not for long.
                yield
        finally:
            self._turn.release_on_behalf_of(borrower)

    async def _in_thread(self, work: Callable[[], R]) -> R:
        # Waiting for the turn can be cancelled; the thread is not abandoned, and what it did is then true. The limiter
        # is its own: plugin functions that fill the common threads do not hold up a write.
        return await to_thread.run_sync(work, limiter=anyio.CapacityLimiter(1))

    async def _let_go_if_moved(self, until_s: float) -> None:
        """Where the open file is not at its place any more, close it and say so. SQLite removes nothing then."""
        file = self._file
        if file is None or self._is_in_place(file):
            return
        self._file = None  # on the loop's thread, so no read is under way
        found = "nothing" if self._stat() is None else "another file"
        entries = await self._in_thread(file.entries)
        aside = await self._in_thread(lambda: file.leave_place(until_s=until_s))
        await self._in_thread(lambda: file.close(until_s=until_s))
        self._log().error("state_file_replaced", path=self._text, found=found, lost_entries=entries)
        self._tell_of(aside)

    def _tell_of(self, aside: Sequence[Path]) -> None:
        if aside:
            self._log().warning("state_siblings_put_aside", path=self._text, files=[str(one) for one in aside])

    def _tell_of_full(self, file: "StateFile") -> None:
        """Say, once in a while, that values went before their time."""
        if file.pushed_out and self._now() - self._told_full_at >= _TELL_EVERY_S:
            self._told_full_at = self._now()
            self._log().warning("state_full", path=self._text, pushed_out=file.pushed_out)
            file.pushed_out = 0

    def _is_in_place(self, file: "StateFile") -> bool:
        """Whether the path still leads to the open file. Raises StateError where somebody else has written to it."""
        found = self._stat()
        if found is None or (found.st_dev, found.st_ino) != file.identity:
            return False
        if found.st_size < file.size_bytes:  # SQLite makes such a file longer, never shorter
            from mcp_runtime.state.sqlite_problems import OVERWRITTEN

            raise StateError(self._path, *OVERWRITTEN)
        file.size_bytes = found.st_size
        return True

    def _stat(self) -> os.stat_result | None:
        try:
            return os.stat(self._text)  # noqa: PTH116  # each message of a session asks, and a Path makes a text of itself each time
        except FileNotFoundError:
            return None
        except OSError as error:
            fix = "make its directory readable and writable, or set state.directory"
            raise StateError(self._path, f"it cannot be read: {error.strerror}", fix) from None
