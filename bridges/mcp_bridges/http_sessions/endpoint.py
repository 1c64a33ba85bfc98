"""Sessions on the MCP endpoint: 2025-03-26, 2025-06-18 and 2025-11-25. Rule: the id is the session, the stream its own.

POST carries messages, GET opens the stream for what nobody asked for (or takes up a lost one), DELETE ends the session.
Spec: 2025-11-25/basic/transports#streamable-http
"""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, assert_never

import msgspec
from msgspec import Raw

from mcp_bridges.calls.calls_at_work import CallsAtWork
from mcp_bridges.calls.http_parts import HttpParts, LegacyResponse, client_of, named
from mcp_bridges.calls.legacy_call import KEEP_STATUS, LegacyCall
from mcp_bridges.gate.features import OF_METHOD, FeatureId, revision_feature
from mcp_bridges.gate.port import Sighting
from mcp_bridges.gate.refusals import RefusedError
from mcp_bridges.http_sessions.get_stream import SessionStream
from mcp_bridges.http_sessions.post_stream import PostStream
from mcp_bridges.http_sessions.replay import ReplayLog
from mcp_bridges.http_sessions.session_request import SESSION_ID, Visit
from mcp_bridges.sessions.batches import is_batch, join, not_here, read_batch
from mcp_bridges.sessions.session import (
    Forward,
    Pong,
    Session,
    SetLevel,
    Subscribe,
    Unsubscribe,
    cancelled_request,
    has_batches,
    plan,
    read_initialize,
    speaks_polling,
)
from mcp_bridges.sessions.session_ids import SessionGoneError, SessionIds, session_gone
from mcp_bridges.sessions.session_state import SessionStates
from mcp_runtime.core.calls.call import Reply
from mcp_runtime.protocol.errors import INVALID_REQUEST, PeerError, unsupported_version
from mcp_runtime.protocol.headers import PROTOCOL_VERSION
from mcp_runtime.protocol.jsonrpc import (
    MalformedMessageError,
    Message,
    Notification,
    Request,
    RequestId,
    Response,
    decode,
    encode_error,
    encode_result,
)
from mcp_runtime.protocol.legacy import INITIALIZE
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS
from mcp_runtime.transports.http.bridge_port import LegacyExchange
from mcp_runtime.transports.http.watch import Watched

_EMPTY: Final = Raw(b"{}")


_Parts = tuple[RequestId | None, bytes | None, bytes | None]
"""Id, result and error of a response, the latter two as JSON."""


class _WatchedCall(Watched, kw_only=True):
    """A call whose client may leave, and come back for the rest: a lost connection is no cancellation.

    Spec: 2025-11-25/basic/transports#sending-messages-to-the-server
    """

    call: LegacyCall
    stream: PostStream

    def aged(self) -> None:
        self.call.keep_time()

    async def keep_alive(self) -> None:
        await self.stream.keep_alive()


class SessionsHttp:
    """Serves old sessions at the MCP endpoint."""

    def __init__(self, parts: HttpParts, ids: SessionIds, states: SessionStates, calls: CallsAtWork) -> None:
        services = parts.services
        config = services.config.bridges.http_sessions
        self._parts = parts
        self._services = services
        self._ids = ids
        self._states = states
        self._calls = calls
        self._config = config
        self._let_go_after_s = config.close_stream_after_s or math.inf
        self._replay = ReplayLog(
            parts.state.volatile,
            parts.state.bus,
            max_events=config.replay_max_events,
            max_age_s=config.replay_max_age_s,
            new_id=services.new_id,
        )
        self._stream = SessionStream(parts, states, self._replay)

    async def serve(self, exchange: LegacyExchange, body: bytes | None) -> bool:
        """Answer one request to the endpoint: True where it was one of an old session's."""
        response = LegacyResponse(exchange, self._services)
        try:
            if body is not None:
                return await self._post(exchange, response, body)
            method = exchange.scope["method"]
            if method not in {"GET", "DELETE"} or SESSION_ID not in exchange.request_headers:
                return False
            visit = await self._enter(exchange, response)
            await (self._stream.serve(visit) if method == "GET" else self._end(visit))
        except PeerError as error:
            await response.refuse(None, error)
        return True

    async def _post(self, exchange: LegacyExchange, response: LegacyResponse, body: bytes) -> bool:
        if exchange.message is None and is_batch(body):
            await self._batch(await self._enter(exchange, response), body)
            return True
        request_id: RequestId | None = None
        try:
            message = decode(body) if exchange.message is None else exchange.message
            if isinstance(message, Request):
                request_id = message.id
            if isinstance(message, Request) and message.method == INITIALIZE:
                await self._initialize(exchange, response, message)
            elif _shows_nothing(exchange):
                return False  # The transport knows what to answer.
            else:
                await self._message(await self._enter(exchange, response), message)
        except PeerError as error:
            await response.refuse(error.id if isinstance(error, MalformedMessageError) else request_id, error)
        return True

    async def _enter(self, exchange: LegacyExchange, response: LegacyResponse) -> Visit:
        """The session that the request is in. Raises PeerError: 400 without an id, 404 where it is over."""
        _check_version(exchange)
        raw = exchange.request_headers.get(SESSION_ID)
        if raw is None:
            raise PeerError(INVALID_REQUEST, "Invalid request: the Mcp-Session-Id header is missing; initialize first")
        client = client_of(exchange, "streamable_http")
        try:
            session = self._ids.open(raw.decode("latin-1"), principal=client.principal)
        except SessionGoneError as error:
            raise session_gone(error.reason) from None
        state = await self._states.get(session)
        if state.ended:
            raise session_gone("ended")
        return Visit(
            exchange=exchange,
            response=response,
            session=session,
            client=named(client, session.client_name, session.client_version),
            state=state,
        )

    async def _initialize(self, exchange: LegacyExchange, response: LegacyResponse, request: Request) -> None:
        opening, services = read_initialize(request), self._services
        client = named(client_of(exchange, "streamable_http"), opening.client_name, opening.client_version)
        response.admit(
            Sighting(
                client=client,
                revision=opening.revision,
                features=(FeatureId.SESSION_ID, *OF_METHOD[INITIALIZE], revision_feature(opening.revision)),
                method=INITIALIZE,
                opening=True,
            )
        )
        try:
            result = await services.welcome(opening.revision)
        except PeerError as error:
            services.failed(opening.revision, "streamable_http", INITIALIZE, error)
            raise
        token, _ = self._ids.issue(opening, principal=client.principal)
        services.answered(opening.revision, "streamable_http", INITIALIZE)
        answer = response.open((SESSION_ID, token.encode("ascii")))
        await answer.finish(Reply(body=encode_result(request.id, result)))

    async def _end(self, visit: Visit) -> None:
        try:
            visit.admit()
        finally:  # A client that is not served any more may still leave, and takes along what waits for it.
            await self._states.end(visit.session)
            await self._stream.end(visit.session)
            await self._calls.end(visit.session)
        await visit.response.open().send(200, b"")

    async def _message(self, visit: Visit, message: Message) -> None:
        method = None if isinstance(message, Response) else message.method
        try:
            visit.admit(*OF_METHOD.get(method or "", ()), method=method)
        except RefusedError as error:
            if isinstance(message, Response) and error.retry_after_s is None:
                # Its question will not be answered any more: the call that waits hears why.
                with suppress(PeerError):
                    problem = Raw(msgspec.json.encode({"code": error.code, "message": error.message}))
                    await self._told(visit.session, Response(message.id, None, problem))
            raise
        if isinstance(message, Request):
            stream = self._new_stream(visit, message.id)
            try:
                reply = await self._request(visit, stream, message)
            except PeerError as error:
                reply = _failed(message, error)
                self._services.failed(visit.session.revision, "streamable_http", message.method, error)
            await stream.finish([] if reply is None else [reply], reply)
        else:
            await self._told(visit.session, message)
            await visit.response.accepted()

    async def _batch(self, visit: Visit, body: bytes) -> None:
        if not has_batches(visit.session.revision):
            visit.admit()
            raise not_here(visit.session.revision)
        visit.admit(FeatureId.BATCH)
        messages = read_batch(body, max_messages=self._config.max_batch_messages)
        stream = self._new_stream(visit, None)
        if all(isinstance(message, Notification | Response) for message in messages):
            refused = [reply for message in messages if (reply := await self._one_of_batch(visit, stream, message))]
            if refused:
                await visit.response.open().finish(Reply(body=join([reply.body for reply in refused]), status=400))
            else:
                await visit.response.accepted()
            return
        answers = [await self._one_of_batch(visit, stream, message) for message in messages]
        replies = [reply for reply in answers if reply is not None]
        await stream.finish(replies, Reply(body=join([reply.body for reply in replies])) if replies else None)

    async def _one_of_batch(
        self, visit: Visit, stream: PostStream, message: Message | MalformedMessageError
    ) -> Reply | None:
        if isinstance(message, MalformedMessageError):
            return Reply(body=encode_error(message.id, message))
        if isinstance(message, Request):
            return await self._request_of_batch(visit, stream, message)
        try:
            await self._told(visit.session, message)
        except PeerError as error:
            return Reply(body=encode_error(None, error))
        return None

    async def _request_of_batch(self, visit: Visit, stream: PostStream, request: Request) -> Reply | None:
        services, revision = self._services, visit.session.revision
        try:
            services.check_method(visit.client, revision, request.method)
            if (await self._states.get(visit.session)).ended:  # while what came before it was at work
                raise session_gone("ended")
            return await self._request(visit, stream, request)
        except PeerError as error:
            services.failed(revision, "streamable_http", request.method, error)
            return Reply(body=encode_error(request.id, error))

    async def _told(self, session: Session, message: Notification | Response) -> None:
        """Take what needs no answer. Raises PeerError for the answer to a question that nobody here is waiting for."""
        if isinstance(message, Notification):
            cancelled = cancelled_request(message)
            if cancelled is not None:
                await self._calls.cancel(session, cancelled)
            return
        taken = 0
        if isinstance(message.id, str):  # as the ids of all questions are
            channel = _answer_channel(session, message.id)
            taken = await self._parts.state.bus.publish(channel, _encode_response(message))
        if not taken:
            raise PeerError(
                INVALID_REQUEST,
                "Invalid request: no call waits for this answer here. It ended, or it runs in another process: "
                "answers need a shared store there.",
            )

    async def _request(self, visit: Visit, stream: PostStream, request: Request) -> Reply | None:
        session = visit.session
        step = plan(request)
        match step:
            case Forward():
                return await self._forward(visit, stream, request)
            case SetLevel(level):
                await self._states.set_level(session, level)
            case Subscribe(uri):
                await self._stream.refresh(session, await self._states.subscribe(session, uri))
            case Unsubscribe(uri):
                await self._stream.refresh(session, await self._states.unsubscribe(session, uri))
            case Pong():
                pass
            case _:
                assert_never(step)
        self._services.answered(session.revision, "streamable_http", request.method)
        return Reply(body=encode_result(request.id, _EMPTY))

    async def _forward(self, visit: Visit, stream: PostStream, request: Request) -> Reply | None:
        call = LegacyCall(
            services=self._services,
            session=visit.session,
            client=visit.client,
            request=request,
            transport="streamable_http",
            log_level=visit.state.log_level or self._services.config.bridges.clients.log_level,
            notify=stream.notify,
            ask=partial(self._ask, visit.session),
            close_stream=stream.let_go if stream.can_let_go else None,
            watched_after_s=self._parts.watch.after_s,
            now=self._parts.watch.loop.now,
            new_scope=self._parts.watch.loop.new_scope,
            http_headers=visit.exchange.request_headers,
            lent=visit.exchange.lent,
        )
        watched = _WatchedCall(
            receive=visit.exchange.receive,
            every_s=self._let_go_after_s,
            since=self._parts.watch.loop.now(),
            call=call,
            stream=stream,
        )
        self._calls.enter(visit.session, call)
        if call.lent is not None:
            call.lent.conclude = partial(self._finish_cut_off, stream, call)
        self._parts.watch.enter(watched)
        try:
            return await call.run()
        finally:
            self._parts.watch.leave(watched)
            self._calls.leave(visit.session, call)

    async def _finish_cut_off(self, stream: PostStream, call: LegacyCall) -> None:
        """Answer a call that was cut off in a scope that was lent."""
        reply = call.cut_off()
        with suppress(OSError):
            await stream.finish([] if reply is None else [reply], reply)

    def _new_stream(self, visit: Visit, request_id: RequestId | None) -> PostStream:
        polls = speaks_polling(visit.session.revision)
        return PostStream(
            visit.response.open(),
            self._replay.begin(visit.session, request_id),
            retry_ms=self._config.retry_ms if polls else None,
            let_go_after_s=self._let_go_after_s,
        )

    @asynccontextmanager
    async def _ask(self, session: Session, question_id: str) -> AsyncGenerator[Callable[[], Awaitable[Response]]]:
        channel = _answer_channel(session, question_id)
        async with self._parts.state.bus.subscribe(channel, max_pending=1) as answers:

            async def answer() -> Response:
                return _read_response(await anext(answers))

            yield answer


def _check_version(exchange: LegacyExchange) -> None:
    """Any revision of sessions will do: some clients go on showing another one than was agreed on. Raises PeerError.

    Spec: 2025-11-25/basic/transports#protocol-version-header
    """
    raw = exchange.request_headers.get(PROTOCOL_VERSION)
    version = None if raw is None else raw.decode("latin-1")
    if version is not None and version not in LEGACY_REVISIONS:
        raise unsupported_version(version, LEGACY_REVISIONS)


def _shows_nothing(exchange: LegacyExchange) -> bool:
    """Whether nothing but what is missing says that the request is an old session's."""
    return not {SESSION_ID, PROTOCOL_VERSION} & exchange.request_headers.keys()


def _failed(request: Request, error: PeerError) -> Reply:
    """The answer to a request in a session that came to nothing. 404 would tell the client that the session is over."""
    status = error.http_status if error.http_status in KEEP_STATUS else 200
    return Reply(body=encode_error(request.id, error), status=status, retry_after_s=error.retry_after_s)


def _answer_channel(session: Session, question_id: str) -> str:
    return f"answer/{session.id}/{question_id}"


def _encode_response(response: Response) -> bytes:
    """A response for the process that waits for it."""
    return msgspec.msgpack.encode((response.id, _bytes(response.result), _bytes(response.error)))


def _bytes(raw: Raw | None) -> bytes | None:
    return None if raw is None else bytes(raw)


def _read_response(message: bytes) -> Response:
    response_id, result, error = msgspec.msgpack.decode(message, type=_Parts)
    return Response(response_id, None if result is None else Raw(result), None if error is None else Raw(error))
