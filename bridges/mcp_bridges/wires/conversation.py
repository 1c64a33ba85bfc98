"""A conversation: an old session on one wire, stdio or an HTTP+SSE stream. Rule: its facts last as long as its wire.

Messages go in one by one; whatever is to be sent comes out of `send`, in whatever order it becomes ready.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import Final, assert_never

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectSendStream
from msgspec import Raw

from mcp_bridges.calls.legacy_call import LegacyCall
from mcp_bridges.calls.listening import Listening, ListenRefusedError, encode_change
from mcp_bridges.calls.services import LegacyServices
from mcp_bridges.calls.session_service import respond_to_batch, settle
from mcp_bridges.gate.features import OF_METHOD, OF_WIRE, FeatureId, revision_feature
from mcp_bridges.gate.port import LegacyClient, Sighting
from mcp_bridges.gate.refusals import RefusedError
from mcp_bridges.sessions.batches import BatchAnswers, join, not_here, read_batch
from mcp_bridges.sessions.session import (
    Change,
    Forward,
    Opening,
    Session,
    cancelled_request,
    has_batches,
    plan,
    read_initialize,
)
from mcp_bridges.sessions.session_state import UNCHANGED, changed
from mcp_runtime.core.calls.call import Reply
from mcp_runtime.core.calls.time_limit import TimeLimit
from mcp_runtime.core.dispatch.dispatcher import too_many_requests
from mcp_runtime.platform.loops import new_scope
from mcp_runtime.protocol.errors import INVALID_PARAMS, INVALID_REQUEST, PeerError
from mcp_runtime.protocol.jsonrpc import (
    MalformedMessageError,
    Message,
    Notification,
    Request,
    RequestId,
    Response,
    encode_result,
)
from mcp_runtime.protocol.legacy import INITIALIZE
from mcp_runtime.protocol.meta import LoggingLevel
from mcp_runtime.telemetry.labels import TransportName
from mcp_runtime.telemetry.log.log import get_logger

_EMPTY: Final = Raw(b"{}")
INITIALIZED: Final = "notifications/initialized"


class Conversation:
    """The backend of a session on a wire. `send` writes one encoded message, `start` runs something beside the others.

    `assumed` is the session of a client that never says `initialize`; None where that is an error.
    """

    def __init__(
        self,
        services: LegacyServices,
        *,
        client: LegacyClient,
        send: Callable[[bytes], Awaitable[None]],
        start: Callable[[Callable[[], Awaitable[None]]], None],
        assumed: Session | None = None,
    ) -> None:
        self._services = services
        self._transport: TransportName = client.transport
        self.client = client
        self._send = send
        self._start = start
        self._session = assumed
        self._limits = services.config.limits
        self._log_level: LoggingLevel = services.config.bridges.clients.log_level
        self._state = UNCHANGED
        self._calls: dict[RequestId, LegacyCall] = {}
        self._answers: dict[str, MemoryObjectSendStream[Response]] = {}
        self._listening: Listening | None = None
        self._is_telling = False
        self._at_work = 0
        self._idle = anyio.Event()

    @property
    def revision(self) -> str | None:
        """The revision agreed on, None before that."""
        return None if self._session is None else self._session.revision

    def close(self) -> None:
        """The wire takes no more messages: end what would go on forever."""
        if self._listening is not None:
            self._listening.close()

    async def take(self, message: Message) -> None:
        """Take one message; what takes time goes on beside. Raises PeerError, for the transport to answer a request."""
        match message:
            case Request():
                with self._counted(message):
                    await self._request(message)
            case Notification():
                self._notification(message)
            case Response():
                self._response(message)
            case _:
                assert_never(message)

    async def take_batch(self, body: bytes) -> None:
        """Take several messages in one body; their responses are sent as one, too. Raises PeerError."""
        session = self._session
        if session is None or not has_batches(session.revision):
            raise not_here(self.revision)
        messages = read_batch(body, max_messages=self._services.config.bridges.http_sessions.max_batch_messages)
        self._take_room()
        self._begin(lambda: self._serve_batch(session, messages))

    async def _serve_batch(self, session: Session, messages: Sequence[Message | MalformedMessageError]) -> None:
        answers = BatchAnswers(self._services.config.bridges.http_sessions.max_batch_answer_bytes)
        await respond_to_batch(self._services, self, session, messages, answers=answers)
        if answers.replies:
            await self._send(join([reply.body for reply in answers.take()]))

    @contextmanager
    def _counted(self, request: Request) -> Generator[None]:
        """Count a request that comes to nothing within the block."""
        try:
            yield
        except PeerError as error:
            self._services.failed(self.revision or "", self._transport, request.method, error)
            raise

    def sighting(self, message: Message | None) -> Sighting:
        """The use of the past that a message (None: a batch) is; an `initialize` is by the client that it names."""
        method = message.method if isinstance(message, Request | Notification) else None
        client, revision = self.client, self.revision
        if isinstance(message, Request) and method == INITIALIZE:
            with suppress(PeerError):  # What is wrong with it is said when it is taken.
                opening = read_initialize(message)
                client, revision = self._named(opening), opening.revision
        more = (FeatureId.BATCH,) if message is None else OF_METHOD.get(method or "", ())
        features = (*OF_WIRE[self._transport], *more)
        return Sighting(
            client=client,
            revision=revision,
            features=features if revision is None else (*features, revision_feature(revision)),
            method=method,
            opening=method == INITIALIZE,
        )

    def _named(self, opening: Opening) -> LegacyClient:
        return self.client.named(opening.client_name, opening.client_version)

    async def _request(self, request: Request) -> None:
        self._check_id(request)
        session = self._session
        if request.method == INITIALIZE:
            await self._send(await self._initialize(request))
            return
        if session is None:
            await self._send(_answer_early(request))
            return
        step = plan(request)
        if isinstance(step, Forward):
            self._take_room()
            call = self._new_call(session, request)
            self._begin(lambda: self._serve(call))
        else:  # However busy: nothing of it goes on beside, and a ping asks for no more than a sign of life.
            reply = await settle(self._services, self, session, request, step)
            await self._send(reply.body)

    def _check_id(self, request: Request) -> None:
        if request.id in self._calls:
            raise PeerError(INVALID_REQUEST, "Invalid request: a request with this id is still being served")

    def _take_room(self) -> None:
        limit = self._limits.max_concurrent_requests
        if self._at_work >= limit:
            raise too_many_requests(limit)
        if self._transport != "stdio":  # which has one client, and that has all to itself
            self._services.take_place(self.client, in_session=self._at_work)

    def _begin(self, work: Callable[[], Awaitable[None]]) -> None:
        self._at_work += 1
        self._start(lambda: self._work(work))

    async def _work(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        finally:
            self._at_work -= 1
            if self._transport != "stdio":
                self._services.leave_place(self.client)
            self._idle.set()

    async def _serve(self, call: LegacyCall) -> None:
        try:
            reply = await call.run()
            if reply is not None:
                await self._send(reply.body)
        finally:
            del self._calls[call.request.id]

    async def wait_idle(self) -> None:
        """Return once everything that was begun is done, and said. Call after `close`."""
        while self._at_work or self._is_telling:
            self._idle = anyio.Event()
            await self._idle.wait()

    async def tell(self, _: Session, message: Notification | Response) -> None:
        """As the service's port says."""
        await self.take(message)

    async def check(self, _: Session) -> None:
        """As the service's port says: the session lasts as long as its wire."""

    async def forward(self, session: Session, request: Request) -> Reply | None:
        """As the service's port says: one of a batch, which goes on beside as a whole."""
        self._check_id(request)
        call = self._new_call(session, request)
        try:
            return await call.run()
        finally:
            del self._calls[request.id]

    async def change(self, _: Session, change: Change) -> None:
        """As the service's port says."""
        self._state = changed(self._state, change, self._limits)
        if self._listening is not None:
            self._listening.want(self._state.uris)

    def _new_call(self, session: Session, request: Request) -> LegacyCall:
        call = LegacyCall(
            services=self._services,
            session=session,
            client=self.client,
            request=request,
            transport=self._transport,
            log_level=self._state.log_level or self._log_level,
            notify=self._send,
            ask=self._ask,
            time=TimeLimit(cutter=new_scope(), began=anyio.current_time()),
        )
        self._calls[request.id] = call
        return call

    async def _initialize(self, request: Request) -> bytes:
        opening = read_initialize(request)
        self.client = self._named(opening)
        self._session = opening.in_process()
        result = await self._services.welcome(opening.revision)
        self._services.answered(opening.revision, self._transport, INITIALIZE)
        return encode_result(request.id, result)

    def _notification(self, notification: Notification) -> None:
        if notification.method == INITIALIZED and self._session is not None and self._listening is None:
            listening = self._listening = Listening(
                self._services.dispatcher,
                self._services.subscriptions,
                client=self.client,
                uris=self._state.uris,
            )
            self._is_telling = True
            self._start(lambda: self._listen(listening))
            return
        cancelled = cancelled_request(notification)
        call = None if cancelled is None else self._calls.get(cancelled)
        if call is not None:
            get_logger().info("request_cancelled", request_id=cancelled)
            call.abandon()

    async def _listen(self, listening: Listening) -> None:
        try:
            async with aclosing(listening.changes()) as changes:
                async for change in changes:
                    await self._send(encode_change(change))
        except ListenRefusedError:
            # The client is served all the same; it only does not hear of changes.
            get_logger().warning("legacy_changes_not_told", transport=self._transport)
        finally:
            self._is_telling = False
            self._idle.set()

    @asynccontextmanager
    async def _ask(self, question_id: str) -> AsyncGenerator[Callable[[], Awaitable[Response]]]:
        answered, answer = anyio.create_memory_object_stream[Response](1)
        self._answers[question_id] = answered
        with answered, answer:
            try:
                yield answer.receive
            finally:
                del self._answers[question_id]

    def answer_refused(self, message: Message | None, error: RefusedError) -> None:
        """The gate refused `message`. Where it is an answer for good, the call that waits for it hears why."""
        if isinstance(message, Response) and error.retry_after_s is None:
            problem = Raw(msgspec.json.encode({"code": error.code, "message": error.message}))
            self._response(Response(message.id, None, problem))

    def _response(self, response: Response) -> None:
        """An answer that comes too late, twice, or that nobody asked for, is dropped."""
        answered = self._answers.get(response.id) if isinstance(response.id, str) else None
        if answered is not None:
            with suppress(anyio.WouldBlock):
                answered.send_nowait(response)


def _answer_early(request: Request) -> bytes:
    """Before `initialize` a client may ask whether anybody is there, and no more. Spec: 2025-11-25/basic/lifecycle"""
    if request.method != "ping":
        raise PeerError(
            INVALID_PARAMS,
            f"Invalid params: {request.method} came before initialize, and without the _meta of MCP 2026-07-28",
        )
    return encode_result(request.id, _EMPTY)
