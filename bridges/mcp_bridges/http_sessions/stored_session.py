"""The backend of a session over HTTP: one POST in it. Rule: nothing of the session is kept in here.

What the session changed is in the store, its calls are found at any process, and answers come over the bus.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import msgspec
from msgspec import Raw, Struct

from mcp_bridges.calls.calls_at_work import CallsAtWork
from mcp_bridges.calls.legacy_call import LegacyCall
from mcp_bridges.calls.services import LegacyServices, client_key
from mcp_bridges.gate.port import LegacyClient
from mcp_bridges.http_sessions.forsaken import ForsakenCalls
from mcp_bridges.http_sessions.get_stream import SessionStream
from mcp_bridges.http_sessions.post_stream import PostStream
from mcp_bridges.http_sessions.session_request import SessionRequest
from mcp_bridges.sessions.session import Change, Session, SetLevel, cancelled_request
from mcp_bridges.sessions.session_ids import session_gone
from mcp_bridges.sessions.session_state import SessionStates
from mcp_runtime.core.calls.call import Reply
from mcp_runtime.core.calls.time_limit import TimeLimit
from mcp_runtime.protocol.errors import INVALID_REQUEST, PeerError
from mcp_runtime.protocol.jsonrpc import Notification, Request, RequestId, Response
from mcp_runtime.protocol.meta import LoggingLevel
from mcp_runtime.state.port import Bus
from mcp_runtime.transports.http.patience import Patience, Watched

_Parts = tuple[RequestId | None, bytes | None, bytes | None]
"""Id, result and error of a response, the latter two as JSON."""


class SharedBySessions(Struct, frozen=True, kw_only=True):
    """The parts of a process that all its sessions over HTTP use."""

    services: LegacyServices
    bus: Bus
    patience: Patience
    states: SessionStates
    calls: CallsAtWork
    forsaken: ForsakenCalls
    stream: SessionStream
    """Serves the GET streams."""
    log_level: LoggingLevel
    """For sessions that never set one."""
    let_go_after_s: float
    """The time a POST's connection is held for a client that would come back; infinite where it is held for good."""


class _WatchedCall(Watched, kw_only=True):
    """A call whose client may leave. One that can come back for the rest is waited for; for any other the call is over.

    Spec: 2025-11-25/basic/transports#sending-messages-to-the-server
    """

    call: LegacyCall
    stream: PostStream
    forsaken: ForsakenCalls

    def aged(self) -> None:
        self.call.time.keep()

    def gone(self) -> None:
        if self.stream.can_be_taken_up:
            self.forsaken.enter(self.call, self.stream.is_followed)
        else:
            self.call.abandon()

    async def keep_alive(self) -> None:
        await self.stream.keep_alive()


class StoredSession(Struct, frozen=True):
    """The backend of a session in the store, for one POST; `stream` is the answer to it."""

    shared: SharedBySessions
    post: SessionRequest
    stream: PostStream

    @property
    def client(self) -> LegacyClient:
        """As the port says."""
        return self.post.client

    async def check(self, session: Session) -> None:
        """As the port says."""
        if (await self.shared.states.get(session)).ended:
            raise session_gone("ended")

    async def change(self, session: Session, change: Change) -> None:
        """As the port says."""
        state = await self.shared.states.change(session, change, owner=client_key(self.client))
        if not isinstance(change, SetLevel):
            await self.shared.stream.refresh(session, state)

    async def tell(self, session: Session, message: Notification | Response) -> None:
        """As the port says. Raises PeerError for the answer to a question that nobody here is waiting for."""
        if isinstance(message, Notification):
            cancelled = cancelled_request(message)
            if cancelled is not None:
                await self.shared.calls.cancel(session, cancelled)
            return
        taken = 0
        if isinstance(message.id, str):  # as the ids of all questions are
            taken = await self.shared.bus.publish(_answer_channel(session, message.id), _encode_response(message))
        if not taken:
            raise PeerError(
                INVALID_REQUEST,
                "Invalid request: no call waits for this answer here. It ended, or it runs in another process: "
                "answers need a shared store there.",
            )

    async def forward(self, session: Session, request: Request) -> Reply | None:
        """As the port says."""
        shared, post = self.shared, self.post
        exchange, patience = post.exchange, shared.patience
        lent = exchange.lent
        time = TimeLimit(
            cutter=patience.loop.new_scope() if lent is None else lent,
            began=patience.loop.now(),
            now=patience.loop.now,
            patience_s=patience.after_s,
        )
        call = LegacyCall(
            services=shared.services,
            session=session,
            client=post.client,
            request=request,
            transport="streamable_http",
            log_level=post.state.log_level or shared.log_level,
            notify=self.stream.notify,
            ask=self._ask,
            close_stream=self.stream.let_go if self.stream.can_let_go else None,
            time=time,
            http_headers=exchange.request_headers,
        )
        watched = _WatchedCall(
            receive=exchange.incoming,
            every_s=shared.let_go_after_s,
            since=time.began,
            call=call,
            stream=self.stream,
            forsaken=shared.forsaken,
        )
        shared.calls.enter(session, call)
        if lent is not None:
            lent.conclude = partial(self._finish_cut_off, call)
        patience.enter(watched)
        try:
            return await call.run()
        finally:
            patience.leave(watched)
            shared.forsaken.leave(call)
            shared.calls.leave(session, call)

    async def _finish_cut_off(self, call: LegacyCall) -> None:
        """Answer a call that was cut off in a scope that was lent."""
        reply = call.cut_off()
        with suppress(OSError):
            await self.stream.finish([] if reply is None else [reply], reply)

    @asynccontextmanager
    async def _ask(self, question_id: str) -> AsyncGenerator[Callable[[], Awaitable[Response]]]:
        channel = _answer_channel(self.post.session, question_id)
        async with self.shared.bus.subscribe(channel, max_pending=1) as answers:

            async def answer() -> Response:
                return _read_response(await anext(answers))

            yield answer


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
