"""A connection on Hypercorn's protocol classes: HTTP/2, and HTTP/1.1 where `http.parser` is "h11".

Rule: it ends in bounded time, and with whatever is wrong with it raised to whoever serves it.
"""

from contextlib import suppress
from math import inf
from socket import SHUT_WR
from typing import Any, cast

import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H2ProtocolAssumedError
from hypercorn.trio.tcp_server import MAX_RECV, TCPServer
from hypercorn.utils import parse_socket_addr  # pyright: ignore[reportUnknownVariableType]  # a tuple of whatever
from starlette.types import ASGIApp

from mcp_runtime.server.failures import GONE
from mcp_runtime.server.http.http2 import CompleteH2Protocol, Unsent
from mcp_runtime.server.http.hypercorn_h11 import PlainH11Protocol
from mcp_runtime.server.http.hypercorn_tasks import ConnectionTasks
from mcp_runtime.server.http1.connection import LINGER_BYTES, LINGER_S, Http1Config, speaks_http2
from mcp_runtime.server.http1.wire import PIECE_BYTES, ByteStream


class HypercornConnection(TCPServer):
    """One connection, beginning with what was read already. `run` raises whatever goes wrong."""

    deadline: float
    """When the client is late with a request (trio's clock); inf while one is at work."""

    def __init__(
        self, app: ASGIApp, config: Http1Config, context: Any, state: Any, stream: ByteStream, *, begun: bytes
    ) -> None:
        super().__init__(cast("Any", app), config, context, state, cast("Any", stream))
        self._backlogs = config.backlogs
        self.deadline = trio.current_time() + config.keep_alive_timeout
        self._limits = config.limits
        self._head_deadline = inf
        self._head: int | None = None
        self._begun = begun
        self._is_tls = isinstance(stream, trio.SSLStream)
        self._socket = (stream.transport_stream if isinstance(stream, trio.SSLStream) else stream).socket
        self._reading = trio.CancelScope()
        self._lingers = False
        self._is_over = False
        self._tasks = ConnectionTasks(abort=self._socket.close)

    async def run(self) -> None:
        """Serve until the end."""
        alpn = None
        try:
            if self._is_tls:
                with trio.fail_after(self.config.ssl_handshake_timeout):
                    await self.stream.do_handshake()
                alpn = self.stream.selected_alpn_protocol()
            ends = [
                parse_socket_addr(self._socket.family, end())
                for end in (self._socket.getpeername, self._socket.getsockname)
            ]
        except (*GONE, trio.TooSlowError):
            return
        around = self.app, self.config, self.context, self._tasks, self.state
        here = self._is_tls, *ends, self.protocol_send
        unsent = Unsent(self._backlogs, self._socket, self._socket.close)
        try:
            async with self._tasks as tasks:
                self._task_group = tasks
                self.protocol = cast("Any", _Protocol(*around, *here, alpn=alpn, unsent=unsent))
                await self._tasks.guard(self._converse)
        finally:
            self._backlogs.end_all(self._socket)

    async def _converse(self) -> None:
        await self.protocol.initiate()
        idle: Any = self.idle_task  # not typed in all its parts
        await idle.restart(self._task_group, self._idle_timeout)
        await self._read_data()
        self._is_over = True
        await idle.stop()  # Nobody is left to be idle: it would hold the connection for as long as one may be.

    async def _read_data(self) -> None:
        data, dropped = self._begun, 0
        with self._reading:
            while dropped <= LINGER_BYTES:
                if self._lingers:
                    dropped += len(data)
                elif data:
                    await self.protocol.handle(RawData(data))
                    self._time_head()
                try:
                    with trio.CancelScope(deadline=self._head_deadline) as waiting:
                        data = bytes(await self.stream.receive_some(MAX_RECV))
                except GONE:
                    break
                if waiting.cancelled_caught:
                    await cast("Any", self.protocol).be_late()
                    break
                if not data:
                    if not self._lingers:
                        await self.protocol.handle(RawData(b""))
                    break
        await self.protocol.handle(Closed())

    def _time_head(self) -> None:
        """Give a head that begins its time."""
        head = cast("Any", self.protocol).unfinished
        if head is None or self._lingers:
            self._head_deadline = inf
        elif head != self._head or self._head_deadline == inf:
            self._head_deadline = trio.current_time() + self._limits.header_timeout_s
        self._head = head

    async def protocol_send(self, event: Event) -> None:
        """Send what the protocol says, or end the connection."""
        if isinstance(event, RawData):
            async with self.send_lock:
                try:
                    await self._send_all(event.data)
                except GONE:
                    await self.protocol.handle(Closed())
            return
        if isinstance(event, Updated):
            self.deadline = trio.current_time() + self.config.keep_alive_timeout if event.idle else inf
        if isinstance(event, Closed) and cast("Any", self.protocol).expects_more:
            self._linger()
            await self.protocol.handle(Closed())
        else:
            await super().protocol_send(event)

    async def _send_all(self, data: bytes) -> None:
        """Send it in pieces, so that it shows whether the client takes any. Raises one of GONE where it does not."""
        backlogs = self._backlogs
        backlog = backlogs.begin(self._socket, len(data), self._socket.close)
        unsent = memoryview(data)
        try:
            with trio.CancelScope(shield=True):  # Cancelled, nobody would know what was sent.
                while unsent:
                    await self.stream.send_all(unsent[:PIECE_BYTES])
                    unsent = unsent[PIECE_BYTES:]
                    backlogs.moved(backlog, len(unsent))
        finally:
            backlogs.end(backlog)

    def _linger(self) -> None:
        """Say that nothing more comes, and drop what the client still sends: a close now may lose what it was sent."""
        if self._lingers:
            return
        self._lingers = True
        self._reading.deadline = trio.current_time() + LINGER_S
        self._send_eof()

    async def _close(self) -> None:
        self._send_eof()
        await self.stream.aclose()

    def _send_eof(self) -> None:
        """At once: trio's own takes a moment, in which another task's sending would be an error."""
        if not self._is_tls:
            with suppress(OSError):
                self._socket.shutdown(SHUT_WR)

    async def _idle_timeout(self) -> None:
        if not self._is_over:
            await self._tasks.guard(super()._idle_timeout)


class _Protocol:
    """The protocol of a connection: HTTP/1.1, unless TLS or its first bytes choose HTTP/2."""

    def __init__(self, *arguments: Any, alpn: str | None, unsent: Unsent) -> None:
        self._arguments = arguments
        self._unsent = unsent
        self._current: Any
        if alpn == "h2":
            self._current = CompleteH2Protocol(*arguments, unsent=unsent)
        else:
            self._current = PlainH11Protocol(*arguments)
            self._current.speaks_http2 = speaks_http2(arguments[1])

    @property
    def expects_more(self) -> bool:
        return bool(self._current.expects_more)

    @property
    def unfinished(self) -> int | None:
        return cast("int | None", self._current.unfinished)

    async def be_late(self) -> None:
        await self._current.be_late()

    async def initiate(self) -> None:
        await self._current.initiate()

    async def handle(self, event: Event) -> None:
        try:
            await self._current.handle(event)
        except H2ProtocolAssumedError as error:
            self._current = CompleteH2Protocol(*self._arguments, unsent=self._unsent)
            await self._current.initiate()
            await self._current.handle(RawData(error.data))
