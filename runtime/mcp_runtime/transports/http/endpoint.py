"""The MCP endpoint over HTTP, as an ASGI application. Rule: a handler runs in the task that read its request.

Spec: 2026-07-28/basic/transports/streamable-http
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from starlette.types import Receive, Scope, Send

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.call import Answer, Call, Reply, Stream
from mcp_runtime.core.calls.observers import Observer
from mcp_runtime.core.calls.time_limit import TimeLimit
from mcp_runtime.core.dispatch.dispatcher import Dispatcher
from mcp_runtime.platform.lent_scope import LentScope
from mcp_runtime.protocol.errors import INVALID_REQUEST, PeerError, unsupported_version
from mcp_runtime.protocol.headers import PROTOCOL_VERSION, read_headers, version_of
from mcp_runtime.protocol.json_values import check_values
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
from mcp_runtime.protocol.legacy import refusal
from mcp_runtime.protocol.messages import read_message
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS, MODERN_REVISIONS, Era, classify
from mcp_runtime.telemetry.metrics import Meter
from mcp_runtime.transports.http.body_budget import BodyBudget
from mcp_runtime.transports.http.bridge_port import HttpBridge
from mcp_runtime.transports.http.direct import direct_of
from mcp_runtime.transports.http.event_stream import Events, serve_event_stream
from mcp_runtime.transports.http.exchange import HttpExchange
from mcp_runtime.transports.http.guard import Guard
from mcp_runtime.transports.http.patience import Patience
from mcp_runtime.transports.http.proxies import TrustedProxies
from mcp_runtime.transports.http.request import (
    ClientGoneError,
    HttpRefusalError,
    check_media_types,
    discard_body,
    headers_of,
    path_of,
    too_slow,
)
from mcp_runtime.transports.http.server_sent_events import encode_event

_JSON: Final = (b"content-type", b"application/json")


_Conclusion = Callable[[], Awaitable[None]]
"""The rest of the work for a request, once nothing of it may be cut off any more."""


async def _nothing() -> None:
    """The client has left: there is nothing to do for it."""


class StreamableHttp:
    """The ASGI application at `path` ("/mcp"); `bridge`, if any, gets what is not of this revision."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        path: str,
        guard: Guard,
        limits: Limits,
        patience: Patience,
        bodies: BodyBudget,
        bridge: HttpBridge | None = None,
        observer: Observer | None = None,
        meter: Meter | None = None,
        proxies: TrustedProxies | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._path = path
        self._guard = guard
        self._limits = limits
        self._bodies = bodies
        self._patience = patience
        self._bridge = bridge
        self._observer = observer
        self._meter = meter
        self._proxies = proxies
        self._stopped = self._finish_stopped  # bound once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        method: str = scope["method"]
        if self._proxies is not None:
            scope = self._proxies.seen_through(scope)
        direct = direct_of(scope)
        headers = headers_of(scope) if direct is None or direct.headers is None else direct.headers
        origin = headers.get(b"origin")
        exchange = HttpExchange(
            since=self._patience.loop.now(),
            scope=scope,
            incoming=receive,
            send=send,
            direct=direct,
            request_headers=headers,
            answer_headers=() if origin is None else self._guard.response_headers(origin),
            stopped=self._stopped,
        )
        try:
            try:
                self._guard.check(headers, scope["headers"])
                if method == "POST" and path_of(scope) == self._path:
                    await self._post(exchange)
                else:
                    await self._other(exchange)
            except HttpRefusalError as error:
                await self._refuse(exchange, error)
        except (ClientGoneError, OSError):
            return  # Nobody is left to be answered; some servers say so by failing the send.

    async def _refuse(self, exchange: HttpExchange, error: HttpRefusalError) -> None:
        body = encode_error(None, PeerError(INVALID_REQUEST, error.text))
        await exchange.answer(error.status, body, (_JSON, *error.headers))
        await discard_body(exchange.incoming, self._limits)

    async def _other(self, exchange: HttpExchange) -> None:
        """Everything that is no POST to the endpoint."""
        if exchange.scope["method"] == "OPTIONS":
            requested = exchange.request_headers.get(b"access-control-request-headers", b"")
            preflight = self._guard.preflight_headers(exchange.request_headers.get(b"origin"), requested)
            if preflight is not None:
                exchange.answer_headers = preflight
                await exchange.answer(204, b"")
                return
        if await self._bridged(exchange, None):
            return
        if path_of(exchange.scope) != self._path:
            raise HttpRefusalError(404, f"Not found; the MCP endpoint is {self._path}")
        raise HttpRefusalError(405, "Method not allowed; send MCP messages with POST", ((b"allow", b"POST"),))

    async def _bridged(self, exchange: HttpExchange, body: bytes | None) -> bool:
        return self._bridge is not None and await self._bridge.serve(exchange, body=body)

    async def _post(self, exchange: HttpExchange) -> None:
        check_media_types(exchange.request_headers)
        patience = self._patience
        # One scope for all that may take too long. What is sent is outside of it: no limit tears an answer.
        scope = patience.loop.new_scope() if exchange.direct is None else exchange.direct.lent
        exchange.time = TimeLimit(
            cutter=scope, began=exchange.since, now=patience.loop.now, patience_s=patience.after_s
        )
        patience.enter(exchange)
        conclude: Reply | _Conclusion | None = None
        try:
            try:
                if isinstance(scope, LentScope):
                    scope.conclude = exchange.finish_stopped
                    try:
                        conclude = await self._take(exchange)
                    finally:
                        if scope.is_touched:
                            await scope.give_back()
                        elif not exchange.is_passed_on:
                            scope.end()
                else:
                    with scope:
                        conclude = await self._take(exchange)
            finally:
                patience.leave(exchange)
            if conclude is None:
                conclude = self._cut_off(exchange)
            exchange.call = None  # It knows the exchange: the two would wait for the collector.
            if isinstance(conclude, Reply):
                await exchange.finish(conclude)
            else:
                await conclude()
        except PeerError as error:
            request_id = error.id if isinstance(error, MalformedMessageError) else _id_of(exchange.message)
            await exchange.finish(Reply(body=encode_error(request_id, error), status=error.http_status))

    async def _take(self, exchange: HttpExchange) -> Reply | _Conclusion:
        """Read the body and serve what is in it: the answer, or what is to be done once that is over."""
        body = exchange.take_body(self._limits)
        if body is None:
            body = await exchange.read_body(self._bodies)
        call = self._sort(exchange, body)
        if not isinstance(call, Call):
            return call
        exchange.call, exchange.receive = call, exchange.incoming
        if exchange.is_old:  # Its body took long; what it is from here on is watched anew.
            self._patience.renew(exchange)
            call.time.began, call.time.patience_s = exchange.since, self._patience.after_s
        return self._concluding(exchange, call, await self._dispatcher.dispatch(call))

    async def _finish_stopped(self, exchange: HttpExchange) -> None:
        """Answer a POST that was stopped in a scope that was lent."""
        with suppress(OSError):
            try:
                answer = self._cut_off(exchange)
                await (exchange.finish(answer) if isinstance(answer, Reply) else answer())
            except HttpRefusalError as error:
                await self._refuse(exchange, error)

    def _sort(self, exchange: HttpExchange, body: bytes) -> Call | _Conclusion:
        """The call that `body` is, where it is a request of this revision; otherwise what is to be done about it."""
        if len(body) > self._limits.max_json_values:  # else there cannot be as many
            check_values(body, self._limits.max_json_values)
        try:
            exchange.message = message = read_message(body)
        except MalformedMessageError:
            if self._is_legacy_batch(exchange, body):
                return partial(self._batch, exchange, body)
            raise
        raw = exchange.scope["headers"]
        headers = exchange.request_headers if len(raw) == len(exchange.request_headers) else read_headers(raw)
        if not isinstance(message, Request):
            return self._sort_other(exchange, message, body, version_of(headers))
        if message.probe.version is None:
            version = version_of(headers)
            if classify(body_version=None, header_version=version) is Era.LEGACY:
                exchange.is_passed_on = True
                return partial(self._legacy, exchange, message, body, version)
        client = exchange.scope.get("client")
        return Call(
            request=message,
            transport="streamable_http",
            notify=exchange.notify,
            headers=headers,
            peer=client[0] if client else None,
            http_headers=exchange.request_headers,
            time=exchange.time,
        )

    def _sort_other(
        self,
        exchange: HttpExchange,
        message: Notification | Response,
        body: bytes,
        version: str | None,
    ) -> _Conclusion:
        if classify(body_version=None, header_version=version) is Era.LEGACY:
            return partial(self._legacy, exchange, message, body, version)
        if isinstance(message, Response):
            raise PeerError(INVALID_REQUEST, "Invalid request: clients do not send responses in this revision")
        if version not in MODERN_REVISIONS:
            raise unsupported_version(version or "", MODERN_REVISIONS)
        # No notification means anything over HTTP in this revision; it is accepted and that is all.
        # Spec: 2026-07-28/basic/transports/streamable-http#sending-messages
        return partial(exchange.answer, 202, b"")

    def _cut_off(self, exchange: HttpExchange) -> Reply | _Conclusion:
        """What is to be done about a POST that was stopped."""
        call, exchange.call = exchange.call, None
        if call is None:
            raise too_slow(self._limits)
        return self._concluding(exchange, call, self._dispatcher.cut_off(call))

    async def _batch(self, exchange: HttpExchange, body: bytes) -> None:
        if not await self._bridged(exchange, body):
            decode(body)  # Says what is wrong with it.

    async def _legacy(
        self,
        exchange: HttpExchange,
        message: Message,
        body: bytes,
        version: str | None,
    ) -> None:
        if not await self._bridged(exchange, body):
            raise refusal(message, versions=MODERN_REVISIONS, header_version=version, has_headers=True)

    def _is_legacy_batch(self, exchange: HttpExchange, body: bytes) -> bool:
        """Whether it may be a batch of 2025-03-26, the only revision that has them; which has no version header."""
        version = exchange.request_headers.get(PROTOCOL_VERSION)
        return body.lstrip()[:1] == b"[" and (version is None or version.decode("latin-1") in LEGACY_REVISIONS)

    def _concluding(self, exchange: HttpExchange, call: Call, answer: Answer | None) -> Reply | _Conclusion:
        if self._observer is not None:
            self._observer.served(call, answer, exchange.since)
        if isinstance(answer, Reply):
            return answer
        return _nothing if answer is None else partial(self._stream, exchange, answer)

    async def _stream(self, exchange: HttpExchange, stream: Stream) -> None:
        # It may stay open for days: nothing of the request that opened it stays with it.
        exchange.time = exchange.message = None
        if self._meter is not None:
            self._meter.stream_opened("modern", "streamable_http")
        try:
            await serve_event_stream(_events(stream), exchange, patience=self._patience)
        finally:
            stream.subscription.leave()
            if self._meter is not None:
                self._meter.stream_closed("modern", "streamable_http")


def _id_of(message: Message | None) -> RequestId | None:
    return message.id if isinstance(message, Request) else None


async def _events(stream: Stream) -> Events:
    # Not around `notifications`: an idle stream holds all that it is made of.
    subscription = stream.subscription
    yield encode_event(subscription.acknowledgment)
    while (change := await subscription.next_change()) is not None:
        yield encode_event(subscription.encode(change))
    yield encode_event(stream.final)
