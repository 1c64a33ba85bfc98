"""The backlogs of one server: what clients were sent, and their sockets do not take.

Rule: a client that takes some of its own in time is not cut off for being slow, and all of them together are bounded.

A write that a socket takes at once has none. One task looks at the others now and then, so that they cost no timer.
Whoever is cut off has its connection reset: to its writer that is a client that has left. ADR 0025.
"""

import fcntl
import socket
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal, cast

import trio
from msgspec import Struct

from mcp_runtime.platform.shares import address_key
from mcp_runtime.server.failures import FewEvents
from mcp_runtime.telemetry.log.log import get_logger

_LOOKS: Final = 16
"""In one timeout: a client is cut off a sixteenth, or two, after it was due."""
_RESET_AT_ONCE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: a close drops what the kernel still holds, and the client is told so."""


class Backlog(Struct, eq=False):
    """One write that is not over yet: `left` bytes of it are still in this process. `hang_up` closes its socket."""

    sock: trio.socket.SocketType
    left: int
    hang_up: Callable[[], None]
    is_timed: bool = True
    """Whether it is cut off here once it has not moved for too long, rather than by whoever writes it."""
    seen: tuple[int, int] | None = None
    """What was left at the last look, here and in the kernel."""
    moved_at: float = 0.0
    """When that was last seen to change."""


class Backlogs:
    """The backlogs of all connections of a server. Run `watch` beside them."""

    def __init__(
        self, timeout_s: float = 60.0, most_bytes: int = 268_435_456, now: Callable[[], float] = trio.current_time
    ) -> None:
        self.timeout_s = timeout_s
        self.most_bytes = most_bytes
        self.held_bytes = 0
        self.events = FewEvents(_tell_unlogged_answers, now)
        self._now = now
        self._open: dict[Backlog, None] = {}

    def begin(
        self, sock: trio.socket.SocketType, left: int, hang_up: Callable[[], None], *, is_timed: bool = True
    ) -> Backlog:
        """A write of `left` bytes begins, of which the socket may not take all at once. `end` it.

        `hang_up` closes the socket, whoever waits for it.
        """
        backlog = Backlog(sock, left, hang_up, is_timed)
        self._open[backlog] = None
        self.held_bytes += left
        while self.held_bytes > self.most_bytes and len(self._open) > 1:  # One alone is never too much.
            self._cut(self._worst(), "memory")
        return backlog

    def moved(self, backlog: Backlog, left: int) -> None:
        """The socket took some of it."""
        if backlog in self._open:
            self.held_bytes -= backlog.left - left
        backlog.left = left

    def end(self, backlog: Backlog) -> None:
        """It is over, one way or the other."""
        if backlog in self._open:
            del self._open[backlog]
            self.held_bytes -= backlog.left

    def end_all(self, sock: trio.socket.SocketType) -> None:
        """The connection of this socket is over, and all that was to be written to it."""
        for backlog in [one for one in self._open if one.sock is sock]:
            self.end(backlog)

    async def watch(self) -> None:
        """Cut off who does not read, for ever."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.events.watch)
                while True:
                    await trio.sleep(self.timeout_s / _LOOKS)
                    self.look()
        finally:
            self.events.tell_unlogged()

    def look(self) -> None:
        """Look at each of them once, and cut off who took nothing for too long."""
        now = self._now()
        for backlog in list(self._open):
            seen = backlog.left, _left_in_kernel(backlog.sock)
            if seen != backlog.seen:
                backlog.seen, backlog.moved_at = seen, now
            elif backlog.is_timed and now - backlog.moved_at >= self.timeout_s:
                self._cut(backlog, "time")

    def _worst(self) -> Backlog:
        """Of the client that holds most, the one that has moved least lately, as far as that was seen."""
        held: dict[str | None, int] = {}
        clients = {backlog: _client(backlog.sock) for backlog in self._open}
        for backlog, client in clients.items():
            held[client] = held.get(client, 0) + backlog.left
        most = max(held, key=held.__getitem__)
        return min(
            (backlog for backlog in self._open if clients[backlog] == most and backlog.left),
            key=lambda backlog: backlog.moved_at if backlog.seen else self._now(),
        )

    def _cut(self, backlog: Backlog, bound: Literal["time", "memory"]) -> None:
        """Reset its connection. Its writer has it end as it does for any client that leaves."""
        self.end_all(backlog.sock)
        with suppress(OSError):  # It has left by itself.
            backlog.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
            backlog.hang_up()
        if self.events.has_room():
            with suppress(Exception):  # A log that is broken is no reason to end the server.
                get_logger().warning("answer_not_read", unsent_bytes=backlog.left, bound=bound)


def _tell_unlogged_answers(count: int) -> None:
    get_logger().warning("answers_not_read_unlogged", count=count)


def _left_in_kernel(sock: trio.socket.SocketType) -> int:
    """Bytes that the other end has not taken from the kernel; it takes some long before there is room for more."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0])
    except (OSError, ValueError):  # A system that does not say so, or a socket that was closed just now.
        return 0


def _client(sock: trio.socket.SocketType) -> str | None:
    try:
        name = sock.getpeername()
    except OSError:
        return None
    return address_key(cast("tuple[str, int]", name)[0]) if isinstance(name, tuple) else None
