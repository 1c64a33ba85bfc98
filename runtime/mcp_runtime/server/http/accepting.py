"""The accept loop: takes connections off listening sockets until a drain, and gives them time to end.

Rule: nothing that can go wrong with a connection, or keep the next one from being accepted, ends it.
"""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio

from mcp_runtime.server.http.connections import Connections
from mcp_runtime.server.http.sockets import Listener
from mcp_runtime.telemetry.log.log import get_logger

_RETRY_S: Final = 0.1
"""As trio has it: soon enough for a client, and next to no work while descriptors are out."""
_CALM_S: Final = 10.0
"""At least so long between two events of one kind, however often descriptors come and go."""
_AFTER_GRACE_S: Final = 0.5
"""Time for what was cancelled at the end of the grace period to say so, before connections are cut."""


async def serve_listeners(
    connections: Connections,
    listeners: Sequence[tuple[Listener, ssl.SSLContext | None]],
    *,
    drain: Callable[[], Awaitable[None]],
    grace_s: float,
    task_status: "trio.TaskStatus[list[str]]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `drain` returns; then accept no more, and let connections end within `grace_s` seconds.

    The listeners are closed. A listener with an SSL context has TLS.
    """
    async with trio.open_nursery() as beside:
        beside.start_soon(connections.failures.watch)
        try:
            async with trio.open_nursery() as serving:
                async with trio.open_nursery() as accepting:
                    shortage = Shortage()
                    for listener, tls in listeners:
                        socket = trio.SocketListener(trio.socket.from_stdlib_socket(listener.sock))
                        accepting.start_soon(_accept, socket, tls, connections, serving, shortage)
                    task_status.started([listener.url for listener, _ in listeners])
                    await drain()
                    accepting.cancel_scope.cancel()
                await connections.drain()
                serving.cancel_scope.deadline = trio.current_time() + grace_s
                beside.start_soon(_cut, connections, grace_s + _AFTER_GRACE_S)
        finally:
            connections.failures.tell_unlogged()
        beside.cancel_scope.cancel()  # Nobody is left to be cut off.


async def _accept(
    listener: trio.SocketListener,
    tls: ssl.SSLContext | None,
    connections: Connections,
    serving: trio.Nursery,
    shortage: "Shortage",
) -> None:
    async with listener:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:  # Out of descriptors or memory, all but always.
                shortage.hit(error)
                await trio.sleep(_RETRY_S)
            else:
                shortage.passed()
                serving.start_soon(connections.serve, stream, tls)


class Shortage:
    """A time in which no connection can be accepted: logged when it begins and when it is over, and not each time."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._may_log_at = 0.0

    def hit(self, error: OSError) -> None:
        """Note that a connection could not be accepted."""
        now = trio.current_time()
        if self._began is None and now >= self._may_log_at:
            self._began, self._may_log_at = now, now + _CALM_S
            get_logger().error("accepting_paused", reason=error.strerror or str(error))

    def passed(self) -> None:
        """Note that one was accepted."""
        if self._began is not None:
            after_s, self._began = trio.current_time() - self._began, None
            get_logger().info("accepting_resumed", after_s=round(after_s, 1))


async def _cut(connections: Connections, delay_s: float) -> None:
    await trio.sleep(delay_s)
    connections.hang_up()
