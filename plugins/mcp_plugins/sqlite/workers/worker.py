"""A worker from outside: a process that runs one statement at a time, and can be killed. Rule: killed is also reaped.

It inherits nothing but its end of a socket: no descriptor, no variable, no terminal.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, cast

import anyio
import anyio.to_thread

from mcp_plugins.sqlite.settings import SqliteSettings

from .child import GRACE_S, largest_answer_bytes
from .frames import HEADER, packed, unpacked

PROGRAM: Final = str(Path(__file__).with_name("entry.py"))

# Where the interpreter finds its own library; all other variables may hold secrets.
_VARIABLES: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class WorkerDied(Exception):
    """The worker's process ended before it answered. `in_time` is False where it was killed for taking too long."""

    def __init__(self, ending: str, *, in_time: bool) -> None:
        super().__init__(ending)
        self.ending = ending
        self.in_time = in_time

    def log(self) -> None:
        """Tell the operator."""
        import structlog  # late: structlog takes long to load, and most workers never die

        structlog.get_logger("mcp_plugins.sqlite").error("sqlite_worker_died", ending=self.ending)


class Worker:
    """A process, idle or at work. Used by one task at a time, and only while it `is_usable`."""

    def __init__(self, path: Path, settings: SqliteSettings, threads: anyio.CapacityLimiter) -> None:
        """Start the process. Blocks for some milliseconds: see `started`."""
        self.is_usable = True
        self._threads = threads
        self._largest_bytes = largest_answer_bytes(settings)
        # It waits for locks twice, to open the file and to begin a transaction, and then has its time.
        self._limit_s = 2 * settings.busy_timeout_s + settings.query_time_limit_s + 4 * GRACE_S
        self._channel, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _started(theirs)
            except OSError:
                self._channel.close()
                raise
        self._channel.setblocking(False)
        self._unsent = packed((path.absolute(), settings))

    @classmethod
    async def started(cls, path: Path, settings: SqliteSettings, threads: anyio.CapacityLimiter) -> "Worker":
        """Start a process, and kill it in one of `threads` when it must end."""
        return await anyio.to_thread.run_sync(cls, path, settings, threads, limiter=threads)

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether its process runs: the system may have ended it, for want of memory."""
        return self._process.poll() is None

    async def ask(self, method: str, arguments: tuple[object, ...]) -> tuple[str, Any]:
        """Run a method of the database, and return the kind of answer and the answer. Raises WorkerDied.

        A worker whose asker was cancelled is not usable any more: whoever asked must `end` it.
        """
        self.is_usable = False
        self._unsent += packed((method, arguments))
        with anyio.move_on_after(self._limit_s):
            try:
                await self._send()
                kind, answer = cast("tuple[str, Any]", unpacked(await self._receive()))
            except (EOFError, ConnectionError):
                code = await self.end()
                raise WorkerDied(_ending(code), in_time=code != -signal.SIGALRM) from None
            self.is_usable = True
            return kind, answer
        raise WorkerDied(_ending(await self.end()), in_time=False)

    async def end(self) -> int:
        """Kill the process, and wait until it is gone, with its memory and its locks. Returns how it ended."""
        self.is_usable = False
        self._channel.close()
        self._process.kill()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._process.wait, limiter=self._threads)
        return int(self._process.returncode)

    async def _send(self) -> None:
        view = memoryview(self._unsent)
        self._unsent = b""
        while view:
            try:
                view = view[self._channel.send(view) :]
            except BlockingIOError:
                await anyio.wait_writable(self._channel)

    async def _receive(self) -> bytearray:
        (size,) = HEADER.unpack(await self._read(HEADER.size))
        if size > self._largest_bytes:
            raise EOFError  # no worker of ours: something else speaks there now
        return await self._read(size)

    async def _read(self, size: int) -> bytearray:
        held = bytearray()
        while len(held) < size:
            await anyio.wait_readable(self._channel)
            part = self._channel.recv(size - len(held))
            if not part:
                raise EOFError
            held += part
        return held


def _started(channel: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-I", "-S", PROGRAM],
        stdin=channel.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={name: os.environ[name] for name in _VARIABLES if name in os.environ},
        start_new_session=True,  # Ctrl-C is for the server, which then ends its workers
    )


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
