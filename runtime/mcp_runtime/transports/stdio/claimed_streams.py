"""Claimed streams: stdin and stdout, out of others' reach. Rule: after `claim`, fd 1 is stderr and fd 0 is empty.

So a plugin's `print`, a C library's printf or a child process lands on stderr, and nothing but this file's duplicates
reaches the client.
Spec: 2026-07-28/basic/transports/stdio
"""

import os
import select
import stat
from functools import partial
from typing import Final, Protocol

import msgspec
import trio

from mcp_runtime.platform.standard_streams import open_missing

_CHUNK_BYTES: Final = 65_536


class ByteStream(Protocol):
    """What the stdio transport reads from or writes to."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Bytes, b"" at the end."""
        ...


class ClaimedStreams(msgspec.Struct, frozen=True, kw_only=True):
    """The file descriptors of the real stdin and stdout, closed to child processes, however those are made."""

    stdin_fd: int
    stdout_fd: int


def claim() -> ClaimedStreams:
    """Take over fd 0 and fd 1 of this process. Call once, before any plugin is imported."""
    open_missing()
    stdin_fd = os.dup(0)
    stdout_fd = os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    # What is executed does not inherit them. A fork does: it could write to the client, and would keep the client
    # waiting for the end of a stream whose server is gone.
    for fd in (stdin_fd, stdout_fd):
        os.register_at_fork(after_in_child=partial(_let_go, fd, _identity(fd)))
    return ClaimedStreams(stdin_fd=stdin_fd, stdout_fd=stdout_fd)


def _identity(fd: int) -> tuple[int, int] | None:
    """What is behind `fd`, None where it is closed."""
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _let_go(fd: int, identity: tuple[int, int] | None) -> None:
    """In a forked child: have `fd` lead nowhere, if it still is what it was. Closed, its number would be reused."""
    if _identity(fd) == identity:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, fd, inheritable=False)
        os.close(null)


def open_reader(fd: int) -> ByteStream:
    """A stream that reads `fd`, whatever is behind it."""
    return trio.lowlevel.FdStream(fd) if _can_poll(fd) else _FileReader(fd)


def open_writer(fd: int) -> trio.abc.SendStream:
    """A stream that writes `fd`, waiting where its reader is slow."""
    return trio.lowlevel.FdStream(fd)


def _can_poll(fd: int) -> bool:
    """Whether the kernel can tell when `fd` is ready: not for files and devices like /dev/null."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


async def wait_hang_up(fd: int) -> None:
    """Return once nobody can write to `fd` any more, though what was written may still be unread.

    Never returns where the kernel cannot tell that apart from data.
    """
    if not (hasattr(select, "epoll") and _can_poll(fd)):
        await trio.sleep_forever()
    with select.epoll() as poll:
        poll.register(fd, select.EPOLLRDHUP)  # EPOLLHUP is always reported; without EPOLLIN, data is not.
        await trio.lowlevel.wait_readable(poll.fileno())


class _FileReader:
    """Reads a file in worker threads: epoll refuses files, and a file on a slow disk must not stop the loop."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await trio.to_thread.run_sync(os.read, self._fd, max_bytes or _CHUNK_BYTES, abandon_on_cancel=True)
