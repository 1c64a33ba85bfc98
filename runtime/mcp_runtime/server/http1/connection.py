"""The HTTP/1.1 connection, on httptools: it costs one task, and nothing more a request.

Rule: the task that accepted a connection reads, runs the application and writes; it waits for nobody but its client.

Hypercorn (0.18) has the configuration and HTTP/2: a connection that begins with that, by ALPN or by its preface, is
handed to its protocol class with the bytes already read. ADR 0011.
"""

from collections.abc import Awaitable, Callable
from math import inf
from time import time
from typing import Any, Final, cast

import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.utils import parse_socket_addr  # pyright: ignore[reportUnknownVariableType]  # a tuple of whatever
from msgspec import Struct
from starlette.types import ASGIApp, Scope

from mcp_runtime.config import HttpConfig
from mcp_runtime.config.limits import Limits
from mcp_runtime.platform.lent_scope import LentScope
from mcp_runtime.server.failures import GONE, ClientLeftError
from mcp_runtime.server.http1.answer import answer_to
from mcp_runtime.server.http1.answer_head import status_line
from mcp_runtime.server.http1.backlog import Backlogs
from mcp_runtime.server.http1.exchange import Http1Exchange, scope_of
from mcp_runtime.server.http1.head_reader import ConnectionHeads, HeadReader
from mcp_runtime.server.http1.request_body import body_of
from mcp_runtime.server.http1.request_head import (
    EMPTY_LINE,
    HTTP2_PREFACE,
    RequestHead,
    RequestLine,
    RequestRefusedError,
    check_beginning,
)
from mcp_runtime.server.http1.wire import ByteStream, Wire
from mcp_runtime.telemetry.log import call_fields
from mcp_runtime.transports.http.direct import DIRECT

LINGER_S: Final = 2.0
LINGER_BYTES: Final = 16 * 1024 * 1024
"""More than the kernel holds for both ends: a close with bytes unread resets it, and the answer may be lost."""
_LOOK_AGAIN_S: Final = 0.1
"""At least so long between two looks for late clients; a look takes as many steps as there are connections."""

Run = Callable[[], Awaitable[None]]


class Http1Config(HypercornConfig):
    """Hypercorn's configuration, and what our own connections share."""

    http1: "Http1Server | None" = None
    """Serves HTTP/1.1: None is Hypercorn itself."""
    backlogs: Backlogs
    """What is sent on any of them."""
    limits: Limits = Limits()
    write_timeout_s: float = HttpConfig().write_timeout_s
    """As in `http`: for a stream of HTTP/2, whose window the client does not open."""

    def __init__(self) -> None:
        super().__init__()
        self.backlogs = Backlogs()


class Http1Server:
    """The HTTP/1.1 side of one server: what its connections share.

    Run `watch` beside them, and call `drain` when it is to end.
    """

    def __init__(self, app: ASGIApp, config: Http1Config, limits: Limits) -> None:
        self.app = app
        self.config = config
        self.limits = limits
        self.head_reader = HeadReader(limits)
        self.is_draining = False
        self.connections: set[Connection] = set()
        self._lines = b""
        self._lines_at = 0

    def header_lines(self) -> bytes:
        """The header fields of every answer, as lines: Date, and what else Hypercorn is configured to say."""
        now = int(time())
        if now != self._lines_at:
            self._lines_at = now
            self._lines = b"".join(b"%b: %b\r\n" % field for field in self.config.response_headers("h11"))
        return self._lines

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


def speaks_http2(config: HypercornConfig) -> bool:
    """Whether HTTP/2 is served, by whichever way a client comes to it."""
    return "h2" in config.alpn_protocols


class _CutOff(Struct, frozen=True):
    """A request whose application was left by the connection's cancel scope; `conclude` is to answer it."""

    conclude: Run
    scope: Scope
    exchange: Http1Exchange
    began: float


class Connection:
    """One connection: a greeting, then one exchange after the other, then the parting."""

    deadline: float
    """When the client is late (trio's clock): never, while a request is at work."""

    def __init__(self, server: Http1Server, state: dict[str, Any], context: Any, stream: ByteStream) -> None:
        self.server = server
        self.deadline = inf
        self._state = state
        self._context = context
        self._wire = Wire(stream, server.config.backlogs)
        self._now = trio.lowlevel.current_clock().current_time  # trio.current_time looks it up each time
        self._scope = trio.CancelScope()
        self._cut_off: _CutOff | None = None
        self._lingers = False
        self._exchange: Http1Exchange | None = None
        self._ends: list[Any] = []
        self._heads = ConnectionHeads(server.head_reader)
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
            begun = await self._serve()
            if begun is None:
                await self._part()
            return begun
        finally:
            self._exchange = None  # It refers to this connection, and to the last request with its body.

    async def _serve(self) -> bytes | None:
        self.server.connections.add(self)
        try:
            return await self._converse()
        except RequestRefusedError as error:
            await self.refuse(error.status)
            return None
        finally:
            self.server.connections.discard(self)

    async def _converse(self) -> bytes | None:
        """Greet, and serve one request after the other. Returns as `run`. Raises RequestRefusedError."""
        with self._scope:
            if not await self._greet():
                return None
            if self._is_http2_by_alpn():
                return b""
            head = await self._read_head()
            if head == HTTP2_PREFACE and speaks_http2(self.server.config):
                return head + EMPTY_LINE + self._wire.unread
            await self._exchange_from(head)
        while (cut_off := self._cut_off) is not None:  # Its application was left, and has an answer all the same.
            self._cut_off, self._scope = None, trio.CancelScope()
            with self._scope:
                if await self._run(cut_off.conclude, cut_off.scope, cut_off.exchange, cut_off.began):
                    await self._exchange_from(await self._read_head())
        if self._scope.cancelled_caught and self._wire.unread and not self.server.is_draining:
            await self.refuse(408)
        return None

    async def _greet(self) -> bool:
        """Learn who is there, over TLS with a handshake. False where nobody is served any more."""
        if self.server.is_draining:
            return False  # It came between the beginning of the drain and the end of listening.
        wire = self._wire
        if isinstance(wire.stream, trio.SSLStream):
            self.deadline = trio.current_time() + self.server.config.ssl_handshake_timeout
            await wire.stream.do_handshake()
        self._ends = [
            parse_socket_addr(wire.socket.family, end()) for end in (wire.socket.getpeername, wire.socket.getsockname)
        ]
        return True

    def _is_http2_by_alpn(self) -> bool:
        stream = self._wire.stream
        return isinstance(stream, trio.SSLStream) and stream.selected_alpn_protocol() == "h2"

    async def _exchange_from(self, head: bytes | None) -> None:
        """Serve the request that begins with `head`, and those after it, while the connection can take another."""
        while head is not None:
            request = self._heads.read(head)
            self.deadline = inf
            body = body_of(request, self._wire, self.server.limits)
            reply = answer_to(request, body, self._wire, self, self.server.header_lines())
            headers = request.facts if request.comes_once else None
            self._exchange = exchange = Http1Exchange(headers, LentScope(self._scope), self._wire, body, reply)
            scope = self._scope_of(request, exchange)
            del head, headers, request  # The application may send a stream for days.
            if not await self._run(None, scope, exchange, time()):
                break
            head = await self._read_head()

    def _scope_of(self, request: RequestHead, exchange: Http1Exchange) -> Scope:
        if request.line is not self._line:  # Requests on one connection are much alike.
            self._line = request.line
            scheme = "https" if isinstance(self._wire.stream, trio.SSLStream) else "http"
            self._scope_before = scope_of(request.line, scheme, self.server.config.root_path, *self._ends)
        scope = self._scope_before.copy()  # which costs less than a new one
        scope["headers"] = request.headers.copy()
        scope["state"] = self._state.copy()
        scope["extensions"] = {DIRECT: exchange}
        return scope

    async def _run(self, conclude: Run | None, scope: Scope, exchange: Http1Exchange, began: float) -> bool:
        """Run the application, or what it left to be done. Returns whether the connection can take another request."""
        lent = exchange.lent
        try:
            if conclude is None:
                await self.server.app(scope, exchange.receive, exchange.reply.send)
            else:
                await conclude()
        except (trio.Cancelled, BaseExceptionGroup, Exception) as error:
            if _is_cancellation(error):
                if lent.conclude is not None and self._scope.cancel_called:
                    self._cut_off = _CutOff(lent.conclude, scope, exchange, began)
                raise
            if not isinstance(error, ClientLeftError):
                await self.server.config.log.exception("Error in ASGI Framework")
        finally:
            if lent.scope is not None:
                lent.end()
            if not (is_settled := exchange.is_settled) and not exchange.reply.has_last and self._cut_off is None:
                await exchange.reply.give_up(500)
        call_fields.forget()
        if (log := self.server.config.log).access_logger is not None:
            await log.access(cast("Any", scope), cast("Any", exchange.reply.summary), time() - began)
        if self._context.max_requests is not None:
            await self._context.mark_request()
        return is_settled or await self._finish(exchange)

    async def _finish(self, exchange: Http1Exchange) -> bool:
        """Finish what the application has left of an exchange. Returns as `_run`."""
        goes_on = await exchange.finish()
        if self._wire.unsent:  # By a call that was cancelled.
            await self._wire.write_rest()
        self._lingers = self._lingers or not exchange.body.is_whole
        return goes_on

    async def _read_head(self) -> bytes | None:
        """The next head, without its empty line; None where there is none to come. Raises RequestRefusedError."""
        limits, wire = self.server.limits, self._wire
        self.deadline = self._now() + self.server.config.keep_alive_timeout
        seen = 0
        if wire.unread and wire.unread.find(EMPTY_LINE) >= 0:
            await trio.lowlevel.checkpoint()  # A client that sends many requests at once is not the only one.
        while True:
            if wire.unread:
                if (head := wire.take_head(seen)) is not None:
                    return None if self._scope.cancel_called else head
                check_beginning(wire.unread, seen, limits)
                self.deadline = min(self.deadline, self._now() + limits.header_timeout_s)
            seen = len(wire.unread)
            if self.server.is_draining:
                return None
            if not await wire.fill():
                if wire.unread:
                    raise RequestRefusedError(400)
                return None

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
                if rest := self._wire.write(head % (status_line(status), self.server.header_lines())):
                    await rest
            except ConnectionResetError:
                self._lingers = False

    async def _part(self) -> None:
        """Close, once the client has what was sent to it."""
        with trio.move_on_after(LINGER_S):
            if self._lingers and not self._wire.is_gone:
                await self._linger()
            await self._wire.close()

    async def _linger(self) -> None:
        wire, exchange = self._wire, self._exchange
        try:
            await wire.end()
            left = LINGER_BYTES
            while left > 0 and not (exchange and exchange.body.discard()) and await wire.fill():
                left -= len(wire.unread)
                if exchange is None:
                    wire.take(len(wire.unread))
        except (*GONE, RequestRefusedError):
            return  # It knows that something is wrong.


def _is_cancellation(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)
