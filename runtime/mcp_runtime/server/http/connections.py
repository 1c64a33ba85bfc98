"""The connections of one server: who serves each, and what becomes of one that fails.

Rule: a connection never ends the server. Whatever it raises is logged, it is closed, and all others go on. One that
has no place is turned away before a byte of it is read.

HTTP/1.1 is ours; HTTP/2, and HTTP/1.1 where `http.parser` says so, are Hypercorn's protocol classes. ADR 0011.
"""

import os
import ssl
from contextlib import suppress
from socket import SHUT_WR
from typing import Final

import trio
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from starlette.types import ASGIApp

from mcp_runtime.server.failures import GONE, ConnectionFailures, split
from mcp_runtime.server.http.hypercorn_connection import HypercornConnection
from mcp_runtime.server.http.places import Place, Places
from mcp_runtime.server.http1.connection import Connection, Http1Config
from mcp_runtime.server.http1.wire import ByteStream

_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_DISCARDED_BYTES: Final = 65_536
"""Of a request that is turned away: with some of it unread, a close could take the answer back."""


class Connections:
    """All connections that are open. `app` is what Hypercorn's protocol classes serve."""

    def __init__(self, app: ASGIApp, config: Http1Config, places: Places) -> None:
        self.failures = ConnectionFailures()
        self._app = app
        self._config = config
        self._context = WorkerContext(None)
        self._state = ConnectionState({})
        self._places = places

    async def serve(self, transport: trio.SocketStream, tls: ssl.SSLContext | None) -> None:
        """Serve one until it is closed. Raises nothing but cancellation and the end of the process."""
        place = self._places.enter(transport.socket)
        try:
            if place is None:
                if tls is None:  # Under TLS nothing can be said before a handshake, which costs more than the answer.
                    _turn_away(transport.socket.fileno(), transport)
            else:
                await self._serve(_secured(transport, tls), place)
        except BaseException as error:  # the seam: also what no library should raise, such as a panic
            failure, passes = split(error)
            if failure is not None:
                self.failures.note(failure)
            if passes is error:
                raise
            if passes is not None:
                raise passes from None
        finally:
            try:
                await trio.aclose_forcefully(transport)  # Does not wait, for TLS neither.
            finally:
                if place is not None:
                    self._places.leave(place)

    async def _serve(self, stream: ByteStream, place: Place) -> None:
        begun: bytes | None = b""
        if self._config.http1 is not None:
            place.server = connection = Connection(self._config.http1, self._state, self._context, stream)
            try:
                begun = await connection.run()
            except GONE:
                return
        if begun is not None:
            arguments = self._app, self._config, self._context, self._state, stream
            place.server = other = HypercornConnection(*arguments, begun=begun)
            await other.run()

    async def drain(self) -> None:
        """Close idle connections now, and the others after the answers that they are at."""
        await self._context.terminated.set()

    def hang_up(self) -> None:
        """Shut down all that are open, at the end of a drain: a client that stopped reading would hold its own."""
        for place in self._places.open:
            place.hang_up()


def _turn_away(fd: int, transport: trio.SocketStream) -> None:
    """Say that there is no room, as far as that does not wait."""
    with suppress(OSError):
        os.write(fd, _FULL)
        transport.socket.shutdown(SHUT_WR)
        os.read(fd, _DISCARDED_BYTES)


def _secured(transport: trio.SocketStream, tls: ssl.SSLContext | None) -> ByteStream:
    if tls is None:
        return transport
    return trio.SSLStream(transport, tls, server_side=True, https_compatible=True)
