"""The MCP endpoint over HTTP, as an ASGI application. Rule: a handler runs in the task that read its request.

Spec: 2026-07-28/basic/transports/streamable-http
"""

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

import anyio
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from mcp_runtime.call import Answer, Call, Reply, Stream
from mcp_runtime.dispatcher import Dispatcher
from mcp_runtime.limits import Limits
from mcp_runtime.metrics import Meter
from mcp_runtime.observing import Observer
from mcp_runtime.protocol.errors import INVALID_REQUEST, PeerError, unsupported_version
from mcp_runtime.protocol.headers import PROTOCOL_VERSION, MirroredHeaders, pick_headers, read_headers, version_of
from mcp_runtime.protocol.jsonrpc import (
    MalformedMessageError,
    Message,
    Notification,
    Request,
    RequestId,
    Response,
    decode,
    encode_error,
)
from mcp_runtime.protocol.meta import MetaProbe, probe
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS, MODERN_REVISIONS, Era, classify
from mcp_runtime.scopes import LENT_SCOPE, LentScope
from mcp_runtime.transports.event_stream import Events, serve_event_stream
from mcp_runtime.transports.http_guard import Guard
from mcp_runtime.transports.http_request import (
    ClientGoneError,
    HttpRefusalError,
    check_media_types,
    discard_body,
    headers_of,
    path_of,
    read_body,
    too_slow,
)
from mcp_runtime.transports.http_response import Headers, PostResponse
from mcp_runtime.transports.legacy import HttpBridge, LegacyExchange, refusal
from mcp_runtime.transports.server_sent_events import encode_event
from mcp_runtime.transports.watch import Watch, Watched, nothing_yet

_PLAIN: Final = [(b"content-type", b"application/json")]
_NONE: Final[dict[str, Any]] = {}
_NO_PROBE: Final = MetaProbe(None, None, None)


_Conclusion = Callable[[], Awaitable[None]]
"""What is left to do for a request once nothing of it may be cut off any more."""


def _limit(scope: anyio.CancelScope, deadline: float) -> None:
    scope.deadline = deadline


async def _nothing() -> None:
    """The client has left: there is nothing to do for it."""


class Exchange(Struct, kw_only=True):
    """One HTTP request, with its ASGI ends, its headers by name, and the response to it.

    `extra` are headers that whatever answers it has to have (CORS). `request_id` and `call` are there once its message
    is known, the latter only for as long as it is at work.
    """

    scope: Any
    receive: Any
    send: Any
    headers: dict[bytes, bytes]
    extra: Headers
    response: PostResponse
    request_id: RequestId | None = None
    call: Call | None = None

    @property
    def origin(self) -> bytes | None:
        """The page that sent it, where a browser did."""
        return self.headers.get(b"origin")


class StreamableHttp:
    """One endpoint. `path` is where it is ("/mcp"); `bridge`, if any, gets what is not of this revision."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        path: str,
        guard: Guard,
        limits: Limits,
        watch: Watch,
        bridge: HttpBridge | None = None,
        observer: Observer | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._path = path
        self._guard = guard
        self._limits = limits
        self._watch = watch
        self._bridge = bridge
        self._observer = observer
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        headers = headers_of(scope)
        extra = self._guard.response_headers(headers.get(b"origin"))
        response = PostResponse(send, extra, scope["method"] != "HEAD")
        exchange = Exchange(scope=scope, receive=receive, send=send, headers=headers, extra=extra, response=response)
        try:
            try:
                self._check_origin(exchange)
                if scope["method"] == "POST" and path_of(scope) == self._path:
                    await self._post(exchange)
                else:
                    await self._other(exchange)
            except HttpRefusalError as error:
                await self._refuse(exchange, error)
        except (ClientGoneError, OSError):
            return  # Nobody is left to be answered; some servers say so by failing the send.

    async def _refuse(self, exchange: Exchange, error: HttpRefusalError) -> None:
        body = encode_error(None, PeerError(INVALID_REQUEST, error.text))
        await exchange.response.send(error.status, body, [*_PLAIN, *error.headers])
        await discard_body(exchange.receive, self._limits)

    def _check_origin(self, exchange: Exchange) -> None:
        if not self._guard.allows_origin(exchange.origin):
            raise HttpRefusalError(403, "Origin is not allowed; the operator can add it to http.allowed_origins")
        if not self._guard.allows_host(exchange.headers.get(b"host")):
            raise HttpRefusalError(421, "Host is not served here; the operator can add it to http.allowed_hosts")

    async def _other(self, exchange: Exchange) -> None:
        """Everything that is no POST to the endpoint."""
        if exchange.scope["method"] == "OPTIONS":
            requested = exchange.headers.get(b"access-control-request-headers", b"")
            preflight = self._guard.preflight_headers(exchange.origin, requested)
            if preflight is not None:
                await PostResponse(exchange.send, []).send(204, b"", preflight)
                return
        if await self._bridged(exchange, None):
            return
        if path_of(exchange.scope) != self._path:
            raise HttpRefusalError(404, f"Not found; the MCP endpoint is {self._path}")
        raise HttpRefusalError(405, "Method not allowed; send MCP messages with POST", ((b"allow", b"POST"),))

    async def _bridged(self, exchange: Exchange, body: bytes | None) -> bool:
        if self._bridge is None:
            return False
        legacy = LegacyExchange(
            scope=exchange.scope,
            receive=exchange.receive,
            send=exchange.send,
            request_headers=exchange.headers,
            headers=exchange.extra,
        )
        return await self._bridge.serve(legacy, body=body)

    async def _post(self, exchange: Exchange) -> None:
        check_media_types(exchange.headers)
        loop = self._watch.loop
        watched = Watched(since=loop.now())
        self._watch.enter(watched)
        conclude: _Conclusion | None = None
        try:
            try:
                # One scope for all that may take too long. What is sent is outside of it: no limit tears an answer.
                lent: LentScope | None = exchange.scope.get("extensions", _NONE).get(LENT_SCOPE)
                if lent is not None:
                    lent.conclude = partial(self._finish_cut_off, exchange, watched.since)
                    try:
                        conclude = await self._take(exchange, watched, cast("anyio.CancelScope", lent))
                    finally:
                        await lent.give_back()
                else:
                    with loop.new_scope() as scope:
                        conclude = await self._take(exchange, watched, scope)
                    del scope
            finally:
                self._watch.leave(watched)
            if conclude is None:
                conclude = self._cut_off(exchange, watched.since)
            del watched  # A stream may stay open for days: nothing of the request that opened it stays with it.
            exchange.call = None
            await conclude()
        except PeerError as error:
            request_id = error.id if isinstance(error, MalformedMessageError) else exchange.request_id
            await exchange.response.finish(Reply(body=encode_error(request_id, error), status=error.http_status))

    async def _take(self, exchange: Exchange, watched: Watched, scope: anyio.CancelScope) -> _Conclusion:
        """Read the body and serve what is in it; what is to be done once that is over."""
        self._begin_body(scope, watched)
        body = await read_body(exchange.headers, exchange.receive, self._limits)
        self._end_body(scope, watched)
        conclude = self._sort(exchange, body, scope)
        if conclude is not None:
            return conclude
        call = cast("Call", exchange.call)
        self._begin_call(exchange, call, watched)
        return self._concluding(exchange, call, await self._dispatcher.dispatch(call), watched.since)

    async def _finish_cut_off(self, exchange: Exchange, since: float) -> None:
        """Answer a POST that was stopped in a scope that was lent."""
        with suppress(OSError):
            try:
                await self._cut_off(exchange, since)()
            except HttpRefusalError as error:
                await self._refuse(exchange, error)

    def _begin_body(self, scope: anyio.CancelScope, watched: Watched) -> None:
        """From here on `scope` is cancelled where the body takes too long."""
        timeout_s = self._limits.body_timeout_s
        if timeout_s <= self._watch.after_s:
            scope.deadline = watched.since + timeout_s
        else:
            watched.aged = partial(_limit, scope, watched.since + timeout_s)

    def _end_body(self, scope: anyio.CancelScope, watched: Watched) -> None:
        watched.aged = nothing_yet
        if watched.is_old or self._limits.body_timeout_s <= self._watch.after_s:
            scope.deadline = math.inf

    def _sort(self, exchange: Exchange, body: bytes, scope: anyio.CancelScope) -> _Conclusion | None:
        """What is to be done about the message in `body`; None for a request of this revision: then there is a call."""
        if body.lstrip()[:1] == b"[" and self._is_legacy_batch(exchange):
            return partial(self._batch, exchange, body)
        message = decode(body)
        raw: list[tuple[bytes, bytes]] = exchange.scope["headers"]
        if not isinstance(message, Request):
            return self._sort_other(exchange, message, body, raw)
        exchange.request_id = message.id
        headers = pick_headers(exchange.headers) if len(raw) == len(exchange.headers) else read_headers(raw)
        version = version_of(headers)
        found = probe(message.params)
        if classify(body_version=found.version, header_version=version) is Era.LEGACY:
            return partial(self._legacy, exchange, message, body, version, found)
        exchange.call = self._new_call(exchange, scope, message, headers, found)
        return None

    def _sort_other(
        self, exchange: Exchange, message: Notification | Response, body: bytes, raw: list[tuple[bytes, bytes]]
    ) -> _Conclusion:
        version = version_of(read_headers(raw))
        if classify(body_version=None, header_version=version) is Era.LEGACY:
            return partial(self._legacy, exchange, message, body, version, _NO_PROBE)
        if isinstance(message, Response):
            raise PeerError(INVALID_REQUEST, "Invalid request: clients do not send responses in this revision")
        if version not in MODERN_REVISIONS:
            raise unsupported_version(version or "", MODERN_REVISIONS)
        # No notification means anything over HTTP in this revision; it is accepted and that is all.
        # Spec: 2026-07-28/basic/transports/streamable-http#sending-messages
        return partial(exchange.response.send, 202, b"", [])

    def _cut_off(self, exchange: Exchange, since: float) -> _Conclusion:
        """What is to be done about a POST that was stopped."""
        call = exchange.call
        if call is None:
            raise too_slow(self._limits)
        return self._concluding(exchange, call, self._dispatcher.cut_off(call), since)

    async def _batch(self, exchange: Exchange, body: bytes) -> None:
        if not await self._bridged(exchange, body):
            decode(body)  # Says what is wrong with it.

    async def _legacy(
        self, exchange: Exchange, message: Message, body: bytes, version: str | None, found: MetaProbe
    ) -> None:
        if not await self._bridged(exchange, body):
            raise refusal(message, versions=MODERN_REVISIONS, header_version=version, has_headers=True, probe=found)

    def _is_legacy_batch(self, exchange: Exchange) -> bool:
        """Whether a batch may be one of 2025-03-26, the only revision that has them; which has no version header."""
        version = exchange.headers.get(PROTOCOL_VERSION)
        return version is None or version.decode("latin-1") in LEGACY_REVISIONS

    def _new_call(
        self,
        exchange: Exchange,
        scope: anyio.CancelScope,
        request: Request,
        headers: MirroredHeaders,
        found: MetaProbe,
    ) -> Call:
        client = exchange.scope.get("client")
        return Call(
            request=request,
            probe=found,
            transport="streamable_http",
            notify=exchange.response.notify,
            headers=headers,
            peer=client[0] if client else None,
            http_headers=exchange.headers,
            scope=scope,
            in_scope=True,
            watched_after_s=self._watch.after_s,
            now=self._watch.loop.now,
        )

    def _begin_call(self, exchange: Exchange, call: Call, watched: Watched) -> None:
        watched.receive = exchange.receive
        watched.gone = call.abandon
        watched.keep_alive = exchange.response.keep_alive
        if watched.is_old:  # Its body took long; what it is from here on is watched anew.
            self._watch.renew(watched)
        else:
            call.began = watched.since
        watched.aged = call.keep_time

    def _concluding(self, exchange: Exchange, call: Call, answer: Answer | None, since: float) -> _Conclusion:
        if self._observer is not None:
            self._observer.served(call, answer, since)
        match answer:
            case Reply():
                return partial(exchange.response.finish, answer)
            case Stream():
                return partial(self._stream, exchange, answer)
            case None:
                return _nothing

    async def _stream(self, exchange: Exchange, stream: Stream) -> None:
        if self._meter is not None:
            self._meter.stream_opened("modern", "streamable_http")
        try:
            await serve_event_stream(_events(stream), exchange.receive, exchange.response, watch=self._watch)
        finally:
            stream.subscription.leave()
            if self._meter is not None:
                self._meter.stream_closed("modern", "streamable_http")


async def _events(stream: Stream) -> Events:
    # Not around `notifications`: an idle stream holds all that it is made of.
    subscription = stream.subscription
    yield encode_event(subscription.acknowledgment)
    while (change := await subscription.next_change()) is not None:
        yield encode_event(subscription.encode(change))
    yield encode_event(stream.final)
