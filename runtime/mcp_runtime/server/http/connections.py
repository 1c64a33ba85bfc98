"""The connections of one server: who serves each, and what becomes of one that fails.

Rule: a connection never ends the server. Whatever it raises is logged, it is closed, and all others go on.

HTTP/1.1 is ours; HTTP/2, and HTTP/1.1 where `http.parser` says so, are Hypercorn's protocol classes. ADR 0011.
"""

import socket
import ssl
from contextlib import suppress

import trio
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from starlette.types import ASGIApp

from mcp_runtime.server.failures import GONE, ConnectionFailures, split
from mcp_runtime.server.http.hypercorn_connection import HypercornConnection
from mcp_runtime.server.http1.connection import Connection, Http1Config
from mcp_runtime.server.http1.wire import ByteStream


class Connections:
    """All connections that are open. `app` is what Hypercorn's protocol classes serve."""

    def __init__(self, app: ASGIApp, config: Http1Config) -> None:
        self.failures = ConnectionFailures()
        self._app = app
        self._config = config
        self._context = WorkerContext(None)
        self._state = ConnectionState({})
        self._open: set[trio.SocketStream] = set()

    async def serve(self, transport: trio.SocketStream, tls: ssl.SSLContext | None) -> None:
        """Serve one until it is closed. Raises nothing but cancellation and the end of the process."""
        self._open.add(transport)
        try:
            await self._serve(_secured(transport, tls))
        except BaseException as error:  # the seam: also what no library should raise, such as a panic
            failure, passes = split(error)
            if failure is not None:
                self.failures.note(failure)
            if passes is error:
                raise
            if passes is not None:
                raise passes from None
        finally:
            self._open.discard(transport)
            await trio.aclose_forcefully(transport)  # Does not wait, for TLS neither.

    async def _serve(self, stream: ByteStream) -> None:
        begun: bytes | None = b""
        if self._config.http1 is not None:
            try:
                begun = await Connection(self._config.http1, self._state, self._context, stream).run()
            except GONE:
                return
        if begun is not None:
            await HypercornConnection(self._app, self._config, self._context, self._state, stream, begun=begun).run()

    async def drain(self) -> None:
        """Close idle connections now, and the others after the answers that they are at."""
        await self._context.terminated.set()

    def hang_up(self) -> None:
        """Shut down all that are open, at the end of a drain: a client that stopped reading would hold its own."""
        for transport in self._open:
            with suppress(OSError):  # It closed by itself in the meantime.
                transport.socket.shutdown(socket.SHUT_RDWR)


def _secured(transport: trio.SocketStream, tls: ssl.SSLContext | None) -> ByteStream:
    if tls is None:
        return transport
    return trio.SSLStream(transport, tls, server_side=True, https_compatible=True)
