"""The endpoint of sessions: 2025-03-26, 2025-06-18 and 2025-11-25. Rule: the id is the session, each stream is its own.

POST carries messages, GET opens the stream for what nobody asked for (or takes up a lost one), DELETE ends the session.
Spec: 2025-11-25/basic/transports#streamable-http
"""

import math
from contextlib import suppress

import msgspec
from msgspec import Raw

from mcp_bridges.calls.calls_at_work import CallsAtWork
from mcp_bridges.calls.http_parts import HttpParts, accept, admit, client_of, named, refuse
from mcp_bridges.calls.legacy_call import KEEP_STATUS
from mcp_bridges.calls.services import client_key
from mcp_bridges.calls.session_service import respond, respond_to_batch
from mcp_bridges.gate.features import OF_METHOD, FeatureId, revision_feature
from mcp_bridges.gate.port import Sighting
from mcp_bridges.gate.refusals import RefusedError
from mcp_bridges.http_sessions.forsaken import ForsakenCalls
from mcp_bridges.http_sessions.get_stream import SessionStream
from mcp_bridges.http_sessions.post_stream import PostStream
from mcp_bridges.http_sessions.replay import ReplayLog
from mcp_bridges.http_sessions.session_request import SESSION_ID, SessionRequest
from mcp_bridges.http_sessions.stored_session import SharedBySessions, StoredSession
from mcp_bridges.sessions.batches import BatchAnswers, is_batch, join, not_here, read_batch
from mcp_bridges.sessions.session import has_batches, read_initialize, speaks_polling
from mcp_bridges.sessions.session_ids import SessionGoneError, SessionIds, session_gone
from mcp_bridges.sessions.session_state import SessionStates
from mcp_runtime.core.calls.call import Reply
from mcp_runtime.protocol.errors import INVALID_REQUEST, PeerError, unsupported_version
from mcp_runtime.protocol.headers import PROTOCOL_VERSION
from mcp_runtime.protocol.jsonrpc import (
    MalformedMessageError,
    Message,
    Request,
    RequestId,
    Response,
    encode_error,
    encode_result,
)
from mcp_runtime.protocol.legacy import INITIALIZE
from mcp_runtime.protocol.messages import read_message
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS
from mcp_runtime.transports.http.bridge_port import LegacyExchange


class SessionsHttp:
    """The bridge for sessions at the MCP endpoint."""

    def __init__(self, parts: HttpParts, ids: SessionIds, states: SessionStates, calls: CallsAtWork) -> None:
        services = parts.services
        config = services.config.bridges.http_sessions
        self._services = services
        self._ids = ids
        self._states = states
        self._calls = calls
        self._config = config
        self._replay = ReplayLog(
            parts.state.volatile,
            parts.state.bus,
            max_events=config.replay_max_events,
            max_age_s=config.replay_max_age_s,
            new_id=services.new_id,
        )
        self.forsaken = ForsakenCalls(patience_s=config.replay_max_age_s)
        """Calls whose clients may come back: somebody is to `watch` them."""
        self._stream = SessionStream(parts, states, self._replay)
        self._shared = SharedBySessions(
            services=services,
            bus=parts.state.bus,
            patience=parts.patience,
            states=states,
            calls=calls,
            forsaken=self.forsaken,
            stream=self._stream,
            log_level=services.config.bridges.clients.log_level,
            let_go_after_s=config.close_stream_after_s or math.inf,
        )

    async def serve(self, exchange: LegacyExchange, body: bytes | None) -> bool:
        """Answer one request to the endpoint: True where it was one of an old session's."""
        try:
            if body is not None:
                return await self._post(exchange, body)
            method = exchange.scope["method"]
            if method not in {"GET", "DELETE"} or SESSION_ID not in exchange.request_headers:
                return False
            request = await self._enter(exchange)
            await (self._stream.serve(request) if method == "GET" else self._end(request))
        except PeerError as error:
            await refuse(exchange, None, error)
        return True

    async def _post(self, exchange: LegacyExchange, body: bytes) -> bool:
        if exchange.message is None and is_batch(body):
            await self._batch(await self._enter(exchange), body)
            return True
        request_id: RequestId | None = None
        try:
            message = read_message(body) if exchange.message is None else exchange.message
            if isinstance(message, Request):
                request_id = message.id
            if isinstance(message, Request) and message.method == INITIALIZE:
                await self._initialize(exchange, message)
            elif _shows_nothing(exchange):
                return False  # The transport knows what to answer.
            else:
                await self._message(await self._enter(exchange), message)
        except PeerError as error:
            await refuse(exchange, error.id if isinstance(error, MalformedMessageError) else request_id, error)
        return True

    async def _enter(self, exchange: LegacyExchange) -> SessionRequest:
        """The request, in its session. Raises PeerError: 400 without an id, 404 where it is over."""
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
        return SessionRequest(
            exchange=exchange,
            session=session,
            client=named(client, session.client_name, session.client_version),
            state=state,
        )

    async def _initialize(self, exchange: LegacyExchange, request: Request) -> None:
        opening, services = read_initialize(request), self._services
        client = named(client_of(exchange, "streamable_http"), opening.client_name, opening.client_version)
        sighting = Sighting(
            client=client,
            revision=opening.revision,
            features=(FeatureId.SESSION_ID, *OF_METHOD[INITIALIZE], revision_feature(opening.revision)),
            method=INITIALIZE,
            opening=True,
        )
        admit(exchange, services, sighting)
        try:
            await self._states.begin(owner=client_key(client))
            result = await services.welcome(opening.revision)
        except PeerError as error:
            services.failed(opening.revision, "streamable_http", INITIALIZE, error)
            raise
        token, _ = self._ids.issue(opening, principal=client.principal)
        services.answered(opening.revision, "streamable_http", INITIALIZE)
        exchange.answer_headers += ((SESSION_ID, token.encode("ascii")),)
        await exchange.finish(Reply(body=encode_result(request.id, result)))

    async def _end(self, request: SessionRequest) -> None:
        try:
            admit(request.exchange, self._services, request.sighting())
        finally:  # A client that is not served any more may still leave, and takes along what waits for it.
            await self._take_along(request)
        await request.exchange.answer(200, b"")

    async def _take_along(self, request: SessionRequest) -> None:
        """End all that the session has at work, also where its end cannot be kept."""
        session = request.session
        try:
            await self._states.end(session, owner=client_key(request.client))
            await self._replay.end(session)
        finally:
            await self._stream.end(session)
            await self._calls.end(session)

    async def _message(self, request: SessionRequest, message: Message) -> None:
        method = None if isinstance(message, Response) else message.method
        try:
            sighting = request.sighting(*OF_METHOD.get(method or "", ()), method=method)
            admit(request.exchange, self._services, sighting)
        except RefusedError as error:
            if isinstance(message, Response) and error.retry_after_s is None:
                # Its question will not be answered any more: the call that waits hears why.
                with suppress(PeerError):
                    problem = Raw(msgspec.json.encode({"code": error.code, "message": error.message}))
                    await self._backend(request, None).tell(request.session, Response(message.id, None, problem))
            raise
        if isinstance(message, Request):
            backend = self._backend(request, message.id)
            try:
                reply = await respond(self._services, backend, request.session, message)
            except PeerError as error:
                reply = _failed(message, error)
                self._services.failed(request.session.revision, "streamable_http", message.method, error)
            await backend.stream.finish([] if reply is None else [reply], reply)
        else:
            await self._backend(request, None).tell(request.session, message)
            await accept(request.exchange)

    async def _batch(self, request: SessionRequest, body: bytes) -> None:
        has_them = has_batches(request.session.revision)
        sighting = request.sighting(FeatureId.BATCH) if has_them else request.sighting()
        admit(request.exchange, self._services, sighting)
        if not has_them:
            raise not_here(request.session.revision)
        messages = read_batch(body, max_messages=self._config.max_batch_messages)
        backend, answers = self._backend(request, None), BatchAnswers(self._config.max_batch_answer_bytes)
        stream = backend.stream
        is_asked = any(isinstance(message, Request | MalformedMessageError) for message in messages)
        await respond_to_batch(
            self._services,
            backend,
            request.session,
            messages,
            answers=answers,
            send_ahead=stream.send_ahead if is_asked else None,
        )
        replies = answers.take()
        plain = replies and not stream.is_streaming  # A stream has an event for each, and joining copies them.
        joined = Reply(body=join([reply.body for reply in replies])) if plain else None
        if is_asked:
            await stream.finish(replies, joined)
        elif joined is None:
            await accept(request.exchange)
        else:  # Answers that nobody waits for.
            await request.exchange.finish(Reply(body=joined.body, status=400))

    def _backend(self, request: SessionRequest, request_id: RequestId | None) -> StoredSession:
        """The session behind one POST, which answers the request with this id, None for a batch."""
        polls = speaks_polling(request.session.revision)
        stream = PostStream(
            request.exchange,
            self._replay.begin(request.session, request_id, owner=client_key(request.client)),
            retry_ms=self._config.retry_ms if polls else None,
            let_go_after_s=self._shared.let_go_after_s,
        )
        return StoredSession(self._shared, request, stream)


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
