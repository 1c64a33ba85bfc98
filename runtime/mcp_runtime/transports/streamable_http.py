"""The MCP endpoint over HTTP, as an ASGI application. Rule: a handler runs in the task that read its request.

Spec: 2026-07-28/basic/transports/streamable-http
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from sse_starlette import ServerSentEvent
from starlette.types import Receive, Scope, Send

from mcp_runtime.call import Call, Reply, Stream
from mcp_runtime.dispatcher import Dispatcher
from mcp_runtime.limits import Limits
from mcp_runtime.protocol.errors import INVALID_REQUEST, PeerError, unsupported_version
from mcp_runtime.protocol.headers import PROTOCOL_VERSION, MirroredHeaders, read_headers, version_of
from mcp_runtime.protocol.jsonrpc import (
    MalformedMessageError,
    Message,
    Request,
    RequestId,
    Response,
    decode,
    encode_error,
)
from mcp_runtime.protocol.meta import MetaProbe, probe
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS, MODERN_REVISIONS, Era, classify
from mcp_runtime.transports.event_stream import serve_event_stream
from mcp_runtime.transports.http_guard import Guard
from mcp_runtime.transports.http_request import (
    ClientGoneError,
    HttpRefusalError,
    check_media_types,
    discard_body,
    header,
    path_of,
    read_body,
)
from mcp_runtime.transports.http_response import PostResponse
from mcp_runtime.transports.legacy import HttpBridge, LegacyExchange, refusal
from mcp_runtime.transports.watch import Watch, Watched

_PLAIN: Final = [(b"content-type", b"application/json")]
_NO_PROBE: Final = MetaProbe(None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One HTTP request, with its ASGI ends and the response to it."""

    scope: Scope
    receive: Receive
    send: Send
    origin: bytes | None
    response: PostResponse


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
        keep_alive_interval_s: float,
        bridge: HttpBridge | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._path = path
        self._guard = guard
        self._limits = limits
        self._watch = watch
        self._keep_alive_interval_s = keep_alive_interval_s
        self._bridge = bridge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        origin = header(scope, b"origin")
        response = PostResponse(send, self._guard.response_headers(origin), head=scope["method"] == "HEAD")
        exchange = Exchange(scope=scope, receive=receive, send=send, origin=origin, response=response)
        try:
            await self._answer(exchange)
        except (ClientGoneError, OSError):
            return  # Nobody is left to be answered; some servers say so by failing the send.

    async def _answer(self, exchange: Exchange) -> None:
        try:
            if await self._route(exchange):
                await self._post(exchange)
        except HttpRefusalError as error:
            body = encode_error(None, PeerError(INVALID_REQUEST, error.text))
            await exchange.response.send(error.status, body, [*_PLAIN, *error.headers])
            await discard_body(exchange.receive, self._limits)

    async def _route(self, exchange: Exchange) -> bool:
        """Everything that is no POST to the endpoint. True where it is one and remains to be answered."""
        scope, origin = exchange.scope, exchange.origin
        if not self._guard.allows_origin(origin):
            raise HttpRefusalError(403, "Origin is not allowed; the operator can add it to http.allowed_origins")
        if not self._guard.allows_host(header(scope, b"host")):
            raise HttpRefusalError(421, "Host is not served here; the operator can add it to http.allowed_hosts")
        path = path_of(scope)
        if path == self._path and scope["method"] == "POST":
            return True
        if scope["method"] == "OPTIONS":
            preflight = self._guard.preflight_headers(origin, header(scope, b"access-control-request-headers") or b"")
            if preflight is not None:
                await PostResponse(exchange.send, []).send(204, b"", preflight)
                return False
        if await self._bridged(exchange, None):
            return False
        if path != self._path:
            raise HttpRefusalError(404, f"Not found; the MCP endpoint is {self._path}")
        raise HttpRefusalError(405, "Method not allowed; send MCP messages with POST", ((b"allow", b"POST"),))

    async def _bridged(self, exchange: Exchange, body: bytes | None) -> bool:
        if self._bridge is None:
            return False
        legacy = LegacyExchange(
            scope=exchange.scope,
            receive=exchange.receive,
            send=exchange.send,
            headers=self._guard.response_headers(exchange.origin),
        )
        return await self._bridge.serve(legacy, body=body)

    async def _post(self, exchange: Exchange) -> None:
        check_media_types(exchange.scope)
        body = await read_body(exchange.scope, exchange.receive, self._limits)
        request_id: RequestId | None = None
        try:
            if body.lstrip()[:1] == b"[" and self._is_legacy_batch(exchange) and await self._bridged(exchange, body):
                return
            message = decode(body)
            request_id = message.id if isinstance(message, Request) else None
            await self._message(exchange, message, body)
        except PeerError as error:
            if isinstance(error, MalformedMessageError):
                request_id = error.id
            await exchange.response.finish(Reply(body=encode_error(request_id, error), status=error.http_status))

    def _is_legacy_batch(self, exchange: Exchange) -> bool:
        """Whether a batch may be one of 2025-03-26, the only revision that has them; which has no version header."""
        return header(exchange.scope, PROTOCOL_VERSION) in {None, *(version.encode() for version in LEGACY_REVISIONS)}

    async def _message(self, exchange: Exchange, message: Message, body: bytes) -> None:
        headers = read_headers(exchange.scope["headers"])
        version = version_of(headers)
        found = probe(message.params) if isinstance(message, Request) else _NO_PROBE
        if classify(body_version=found.version, header_version=version) is Era.LEGACY:
            if not await self._bridged(exchange, body):
                raise refusal(message, versions=MODERN_REVISIONS, header_version=version, has_headers=True, probe=found)
        elif isinstance(message, Request):
            await self._request(exchange, message, headers, found)
        elif isinstance(message, Response):
            raise PeerError(INVALID_REQUEST, "Invalid request: clients do not send responses in this revision")
        elif version not in MODERN_REVISIONS:
            raise unsupported_version(version or "", MODERN_REVISIONS)
        else:
            # No notification means anything over HTTP in this revision; it is accepted and that is all.
            # Spec: 2026-07-28/basic/transports/streamable-http#sending-messages
            await exchange.response.send(202, b"", [])

    async def _request(self, exchange: Exchange, request: Request, headers: MirroredHeaders, found: MetaProbe) -> None:
        client = exchange.scope.get("client")
        call = Call(
            request=request,
            probe=found,
            transport="streamable_http",
            notify=exchange.response.notify,
            headers=headers,
            peer=client[0] if client else None,
        )
        watched = Watched(gone=call.abandon, receive=exchange.receive, keep_alive=exchange.response.keep_alive)
        self._watch.enter(watched)
        try:
            answer = await self._dispatcher.dispatch(call)
            if isinstance(answer, Reply):
                await exchange.response.finish(answer)
        finally:
            self._watch.leave(watched)
        if isinstance(answer, Stream):
            await self._stream(exchange, answer)

    async def _stream(self, exchange: Exchange, stream: Stream) -> None:
        try:
            await serve_event_stream(
                _events(stream),
                exchange.scope,
                exchange.receive,
                exchange.send,
                headers=self._guard.response_headers(exchange.origin),
                keep_alive_interval_s=self._keep_alive_interval_s,
                close=stream.subscription.close,
            )
        finally:
            stream.subscription.leave()


async def _events(stream: Stream) -> AsyncGenerator[ServerSentEvent, None]:
    async with aclosing(stream.subscription.notifications()) as notifications:
        async for message in notifications:
            yield ServerSentEvent(data=message.decode())
    yield ServerSentEvent(data=stream.final.decode())
