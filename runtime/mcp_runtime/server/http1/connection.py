"""HTTP/1.1 on httptools: connections that cost one task each, and nothing more a request.

Rule: the task that accepted a connection reads, runs the application and writes; it waits for nobody but its client.

Hypercorn (0.18) has the configuration and HTTP/2: a connection that begins with that, by ALPN or by its preface, is
handed to its protocol class with the bytes already read. ADR 0011.
"""

import os
from collections.abc import Awaitable, Callable
from math import inf
from time import time
from typing import Any, Final, cast

import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.utils import parse_socket_addr  # pyright: ignore[reportUnknownVariableType]  # a tuple of whatever
from starlette.types import ASGIApp, Scope

from mcp_runtime.config.limits import Limits
from mcp_runtime.platform.lent_scope import LentScope
from mcp_runtime.server.failures import GONE
from mcp_runtime.server.http1.answer_head import status_line
from mcp_runtime.server.http1.exchange import READ_BYTES, Exchange, begin, scope_of
from mcp_runtime.server.http1.request_head import (
    EMPTY_LINE,
    HTTP2_PREFACE,
    Heads,
    RefusedError,
    RequestHead,
    RequestLine,
    check_beginning,
)
from mcp_runtime.telemetry.log import call_fields
from mcp_runtime.transports.http.direct import DIRECT

LINGER_S: Final = 2.0
LINGER_BYTES: Final = 16 * 1024 * 1024
"""More than the kernel holds for both ends: a close with bytes unread resets it, and the answer may be lost."""
_LOOK_AGAIN_S: Final = 0.1
"""At least so long between two looks for late clients; a look takes as many steps as there are connections."""

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]
Run = Callable[[], Awaitable[None]]


class Http1Server:
    """What the connections of one server share. Run `watch` beside them, and call `drain` when it is to end."""

    def __init__(self, app: ASGIApp, config: HypercornConfig, limits: Limits) -> None:
        self.app = app
        self.config = config
        self.limits = limits
        self.is_draining = False
        self.connections: set[Connection] = set()
        self._fields = b""
        self._fields_at = 0

    def fields(self) -> bytes:
        """The header fields of every answer, as lines: Date, and what else Hypercorn is configured to say."""
        now = int(time())
        if now != self._fields_at:
            self._fields_at = now
            self._fields = b"".join(b"%b: %b\r\n" % field for field in self.config.response_headers("h11"))
        return self._fields

    def drain(self) -> None:
        """Close idle connections now, and the others after the answer that they are at."""
        self.is_draining = True
        for connection in self.connections:
            connection.cut(before=inf)

    async def watch(self) -> None:
        """Close connections whose client is late, for ever."""
        shortest_s = min(self.config.keep_alive_timeout, self.limits.header_timeout_s)
        while True:
            now = trio.current_time()
            wake_at = now + shortest_s  # No deadline that is set from now on is earlier.
            for connection in self.connections:
                connection.cut(before=now)
                wake_at = min(wake_at, connection.deadline)
            await trio.sleep_until(max(wake_at, now + _LOOK_AGAIN_S))


class Http1Config(HypercornConfig):
    """Hypercorn's configuration, and what serves HTTP/1.1: None is Hypercorn itself."""

    http1: Http1Server | None = None


def speaks_http2(config: HypercornConfig) -> bool:
    """Whether HTTP/2 is served, by whichever way a client comes to it."""
    return "h2" in config.alpn_protocols


class Connection:
    """One connection. `deadline` is when the client is late (trio's clock): never, while a request is at work."""

    def __init__(self, server: Http1Server, state: dict[str, Any], context: Any, stream: Stream) -> None:
        self.server = server
        self.unread = b""
        self.is_at_end = False
        self.is_gone = self.has_dropped = False
        self.deadline = inf
        self._state = state
        self._context = context
        self._stream = stream
        self._is_tls = isinstance(stream, trio.SSLStream)
        self._socket = (stream.transport_stream if isinstance(stream, trio.SSLStream) else stream).socket
        self._fd = self._socket.fileno()
        self._now = trio.lowlevel.current_clock().current_time  # trio.current_time looks it up each time
        self._scope = trio.CancelScope()
        self._unfinished: tuple[Run, Scope, Exchange, float] | None = None
        self._lock = trio.Lock()
        self._unsent: memoryview | None = None
        self._lingers = False
        self._exchange: Exchange | None = None
        self._ends: list[Any] = []
        self._heads = Heads(server.limits)
        self._line: RequestLine | None = None
        self._scope_before: dict[str, Any] = {}

    def cut(self, *, before: float) -> None:
        """End it, if it waits for its client and was to wait no longer than until `before`."""
        if self.deadline < before:
            self.deadline = -inf
            self._scope.cancel()

    async def run(self) -> bytes | None:
        """Serve until the end (None), or until the connection turns out to be HTTP/2 (what was read of it)."""
        try:
            return await self._serve()
        finally:
            self._exchange = None  # It refers to this connection, and to the last request with its body.

    async def _serve(self) -> bytes | None:
        self.server.connections.add(self)
        begun: bytes | None = None
        try:
            with self._scope:
                begun = await self._converse()
            while self._unfinished is not None:  # The application cut its request off, and has an answer all the same.
                self._scope = trio.CancelScope()
                with self._scope:
                    begun = await self._converse(self._unfinished)
            if self._scope.cancelled_caught and self.unread and not self.server.is_draining:
                await self.refuse(408)
        except RefusedError as error:
            await self.refuse(error.status)
        finally:
            self.server.connections.discard(self)
        if begun is None:
            await self._part()
        return begun

    async def _converse(self, unfinished: "tuple[Run, Scope, Exchange, float] | None" = None) -> bytes | None:
        self._unfinished = None
        if unfinished is not None and not await self._run(*unfinished):
            return None
        if self.server.is_draining:
            return None  # It came between the beginning of the drain and the end of listening.
        if isinstance(self._stream, trio.SSLStream):
            self.deadline = trio.current_time() + self.server.config.ssl_handshake_timeout
            await self._stream.do_handshake()
            if self._stream.selected_alpn_protocol() == "h2":
                return b""
        self._ends = [
            parse_socket_addr(self._socket.family, end())
            for end in (self._socket.getpeername, self._socket.getsockname)
        ]
        head = await self._read_head()
        if head == HTTP2_PREFACE and self._line is None and speaks_http2(self.server.config):
            return head + EMPTY_LINE + self.unread
        while head is not None:
            request = self._heads.read(head)
            self.deadline = inf
            lent, fields = LentScope(self._scope), self.server.fields()
            self._exchange = exchange = begin(self, request, self.server.limits, fields, lent)
            scope = self._scope_of(request, exchange)
            del head, request  # The application may send a stream for days.
            if not await self._run(None, scope, exchange, time()):
                break
            head = await self._read_head()
        return None

    def _scope_of(self, request: RequestHead, exchange: Exchange) -> Scope:
        if request.line is not self._line:  # Requests on one connection are much alike.
            self._line = request.line
            scheme = "https" if self._is_tls else "http"
            self._scope_before = scope_of(request.line, scheme, self.server.config.root_path, *self._ends)
        scope = self._scope_before.copy()  # which costs less than a new one
        scope["headers"] = request.headers.copy()
        scope["state"] = self._state.copy()
        scope["extensions"] = {DIRECT: exchange}
        return scope

    async def _run(self, conclude: Run | None, scope: Scope, exchange: Exchange, began: float) -> bool:
        """Run the application, or what it left to be done. Returns whether the connection can take another request."""
        lent = exchange.lent
        try:
            if conclude is None:
                await self.server.app(scope, exchange.receive, exchange.send)
            else:
                await conclude()
        except (trio.Cancelled, BaseExceptionGroup, Exception) as error:
            if _is_cancellation(error):
                if lent.conclude is not None and self._scope.cancel_called:
                    self._unfinished = (lent.conclude, scope, exchange, began)
                raise
            await self.server.config.log.exception("Error in ASGI Framework")
        finally:
            if lent.scope is not None:
                lent.end()
            if not exchange.is_complete and self._unfinished is None:
                await exchange.fail()
        call_fields.forget()
        if (log := self.server.config.log).access_logger is not None:
            await log.access(cast("Any", scope), cast("Any", exchange.summary), time() - began)
        if self._context.max_requests is not None:
            await self._context.mark_request()
        goes_on = exchange.is_settled or await exchange.finish()
        if self._unsent is not None:  # By a call that was cancelled.
            await self._write_in_turn(b"")
        self._lingers = self._lingers or not exchange.has_whole_body
        return goes_on

    async def _read_head(self) -> bytes | None:
        """The next head, without its empty line; None where there is none to come. Raises RefusedError."""
        limits = self.server.limits
        self.deadline = self._now() + self.server.config.keep_alive_timeout
        seen = 0
        if self.unread and self.unread.find(EMPTY_LINE) >= 0:
            await trio.lowlevel.checkpoint()  # A client that sends many requests at once is not the only one.
        while True:
            if self.unread and (seen < 4 or self.unread.find(EMPTY_LINE, seen - 3) >= 0):
                head, ending, rest = self.unread.partition(EMPTY_LINE)
                if ending:
                    break
            if self.unread:
                check_beginning(self.unread, seen, limits)
                self.deadline = min(self.deadline, self._now() + limits.header_timeout_s)
            seen = len(self.unread)
            if self.server.is_draining:
                return None
            if not await self.fill():
                if self.unread:
                    raise RefusedError(400)
                return None
        if self._scope.cancel_called:
            return None
        self.unread = rest
        return head

    async def fill(self) -> bool:
        """Wait for more to be in `unread`. False once the client has sent its last."""
        if self.is_at_end:
            return False
        try:
            if self._is_tls:
                data = bytes(await self._stream.receive_some(READ_BYTES))
            else:
                await trio.lowlevel.wait_readable(self._fd)
                data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return True  # Nothing, although it was announced: whoever wants more asks again.
        except GONE:
            data = b""
        self.unread += data
        self.is_at_end = not data
        return not self.is_at_end

    def write(self, data: bytes) -> Awaitable[None] | None:
        """As `Wire` says, after what a cancelled call may have left."""
        if self._is_tls or self._unsent is not None or self._lock.locked():
            return self._write_in_turn(data)
        try:
            self._unsent = self._write_some(data)
        except GONE as error:
            self.is_gone = True
            raise ConnectionResetError("the client has left") from error
        return None if self._unsent is None else self._write_in_turn(b"")

    async def _write_in_turn(self, data: bytes) -> None:
        self.has_dropped = bool(data)
        try:
            async with self._lock:
                await self._flush()
                if data:
                    self._unsent, self.has_dropped = memoryview(data), False
                    await self._flush()
        except GONE as error:
            self.is_gone = True
            raise ConnectionResetError("the client has left") from error

    def _write_some(self, data: bytes | memoryview) -> memoryview | None:
        """What the socket did not take."""
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        return None if sent == len(data) else memoryview(data)[sent:]

    async def _flush(self) -> None:
        while self._unsent is not None:
            if isinstance(self._stream, trio.SSLStream):
                with trio.CancelScope(shield=True):  # Cancelled, it would not know what it has sent.
                    await self._stream.send_all(self._unsent)
                self._unsent = None
            else:
                await trio.lowlevel.wait_writable(self._fd)
                self._unsent = self._write_some(self._unsent)

    def is_draining(self) -> bool:
        """Whether the answer that is begun now is the last one."""
        return self.server.is_draining

    async def refuse(self, status: int) -> None:
        """Answer with nothing but `status`, and close."""
        self._lingers = True
        self._exchange = None
        with trio.move_on_after(LINGER_S):
            try:
                head = b"%bcontent-length: 0\r\nconnection: close\r\n%b\r\n"
                if rest := self.write(head % (status_line(status), self.server.fields())):
                    await rest
            except ConnectionResetError:
                self._lingers = False

    async def _part(self) -> None:
        """Close, once the client has what was sent to it."""
        with trio.move_on_after(LINGER_S):
            if self._lingers and not self.is_gone:
                await self._linger()
            await self._stream.aclose()

    async def _linger(self) -> None:
        try:
            if not isinstance(self._stream, trio.SSLStream):
                await self._stream.send_eof()
            left = LINGER_BYTES
            while left > 0 and not (self._exchange and self._exchange.discard()) and await self.fill():
                left -= len(self.unread)
                if self._exchange is None:
                    self.unread = b""
        except (*GONE, RefusedError):
            return  # It knows that something is wrong.


def _is_cancellation(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)
