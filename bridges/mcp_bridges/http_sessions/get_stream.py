"""The GET stream of an old session. Rule: one at a time, the newest; it costs nothing while nobody holds it open.

What happens while a client is away is not kept for it: the process remembers what changed last, for everybody at once,
and a client that comes back to the same process hears what it missed. At another process, or after too long, it is told
that anything may have changed.
Spec: 2025-11-25/basic/transports#listening-for-messages-from-the-server
"""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Final

import anyio

from mcp_bridges.calls.http_parts import HttpParts, admit
from mcp_bridges.calls.listening import Listening, ListenRefusedError, encode_change
from mcp_bridges.gate.features import FeatureId
from mcp_bridges.http_sessions.replay import EndLostError, Place, ReplayLog, past_its_end, read_event_id
from mcp_bridges.http_sessions.session_request import SessionRequest
from mcp_bridges.sessions.session import Session, speaks_polling
from mcp_bridges.sessions.session_state import SessionState, SessionStates
from mcp_runtime.protocol.errors import INTERNAL_ERROR, INVALID_REQUEST, PeerError
from mcp_runtime.protocol.jsonrpc import encode_error
from mcp_runtime.transports.http.event_stream import Events, serve_event_stream
from mcp_runtime.transports.http.server_sent_events import encode_event

_EVENT_ID: Final = re.compile(r"g\.([\w\-]{8,24})\.([0-9]{1,15})")
_REFRESH: Final = b"refresh"
_END: Final = b"end"
_MAX_ORDERS: Final = 64
"""Orders to one stream that wait to be read: they are read at once."""


class SessionStream:
    """The GET streams of all sessions of this process."""

    def __init__(self, parts: HttpParts, states: SessionStates, replay: ReplayLog) -> None:
        self._parts = parts
        self._services = parts.services
        self._states = states
        self._replay = replay
        self._retry_ms = parts.services.config.bridges.http_sessions.retry_ms
        # Positions count from the start of this process: another one, or the next, has others.
        self._epoch = parts.services.new_id()
        self._held: dict[str, Listening] = {}

    async def refresh(self, session: Session, state: SessionState) -> None:
        """The session subscribed to other resources: tell its stream, wherever it is open.

        Here it knows at once: what changes after the answer to an unsubscription is not told any more.
        """
        held = self._held.get(session.id)
        if held is not None:
            held.want(state.uris)
        await self._parts.state.bus.publish(_channel(session), _REFRESH)

    async def end(self, session: Session) -> None:
        """The session is over, and its stream with it."""
        await self._parts.state.bus.publish(_channel(session), _END)

    async def serve(self, request: SessionRequest) -> None:
        """Open the stream, or take up the one that `Last-Event-ID` names. Raises PeerError."""
        raw = request.exchange.request_headers.get(b"last-event-id")
        last = None if raw is None else raw.decode("latin-1")
        features = (FeatureId.GET_STREAM, *(() if last is None else (FeatureId.RESUMPTION,)))
        admit(request.exchange, self._services, request.sighting(*features))
        place = None if last is None else read_event_id(last)
        if place is not None:
            if not await self._replay.has_more(request.session, place):
                # Some clients come back to an ended stream until they have a result. This one status ends that, and
                # not the session.
                raise PeerError(INVALID_REQUEST, "Nothing follows: the stream has ended", http_status=405)
            await self._send(request, self._rest(request.session, place))
        else:
            await self._listen(request, last)

    async def _listen(self, request: SessionRequest, last: str | None) -> None:
        listening = Listening(
            self._services.dispatcher,
            self._services.subscriptions,
            client=request.client,
            uris=request.state.uris,
        )
        if last is not None:
            listening.resume(self._position(last))
        try:
            await listening.open()
        except ListenRefusedError as error:
            raise _no_room(error) from None
        session_id = request.session.id
        self._held[session_id] = listening
        try:
            await self._hold(request, listening)
        finally:
            listening.leave()
            if self._held.get(session_id) is listening:  # and not the one of a stream that took over
                del self._held[session_id]

    async def _hold(self, request: SessionRequest, listening: Listening) -> None:
        session, bus = request.session, self._parts.state.bus
        me = self._services.new_id().encode()
        async with bus.subscribe(_channel(session), max_pending=_MAX_ORDERS) as orders:
            await bus.publish(_channel(session), me)  # Whoever else holds a stream of this session lets go of it.
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._obey, orders, session, listening, me)
                await self._send(request, self._events(session, listening))
                tasks.cancel_scope.cancel()

    async def _obey(self, orders: AsyncIterator[bytes], session: Session, listening: Listening, me: bytes) -> None:
        # What changed between reading the state and hearing of changes to it.
        await self._catch_up(session, listening)
        async for order in orders:
            if order == _REFRESH:
                await self._catch_up(session, listening)
            elif order != me:
                listening.close()

    async def _catch_up(self, session: Session, listening: Listening) -> None:
        with suppress(PeerError):  # The store cannot be reached, and the log says so; the stream goes on as it was.
            state = await self._states.get(session)
            listening.want(state.uris)
            if state.ended:  # before this stream could hear of it
                listening.close()

    async def _send(self, request: SessionRequest, events: Events) -> None:
        with self._services.open_stream("streamable_http"):
            await serve_event_stream(events, request.exchange, patience=self._parts.patience)

    async def _events(self, session: Session, listening: Listening) -> Events:
        if speaks_polling(session.revision):
            yield encode_event(b"", event_id=self._event_id(listening), retry_ms=self._retry_ms)
        # Where it subscribed to more and there is no room for that, the stream ends; the client opens another one.
        with suppress(ListenRefusedError):
            async with aclosing(listening.changes()) as changes:
                async for change in changes:
                    yield encode_event(encode_change(change), event_id=self._event_id(listening))

    def _event_id(self, listening: Listening) -> str:
        return f"g.{self._epoch}.{listening.cursor}"

    def _position(self, last: str) -> int | None:
        """The position the client had come to in this process; None where it was another, or the id is none of ours."""
        found = _EVENT_ID.fullmatch(last)
        return int(found[2]) if found is not None and found[1] == self._epoch else None

    async def _rest(self, session: Session, place: Place) -> Events:
        """The events of a POST's stream that the client missed, and those still to come."""
        try:
            async with aclosing(self._replay.follow(session, place)) as replayed:
                async for event in replayed:
                    yield encode_event(event.message, event_id=event.event_id)
        except EndLostError:
            if place.request_id is not None:
                yield encode_event(encode_error(place.request_id, _LOST), event_id=past_its_end(place))


_LOST: Final = PeerError(
    INTERNAL_ERROR,
    "The rest of this answer is not kept here any more; send the request again. Behind several processes, streams "
    "can be taken up only where they share a store.",
)


def _no_room(error: ListenRefusedError) -> PeerError:
    reply = error.reply
    retry_after_s, status = (None, 503) if reply is None else (reply.retry_after_s, reply.status)
    text = (
        "This client has its share of the server's streams; close one, or try again later"
        if status == 429
        else "The server has no room for another stream, or is stopping; try again later"
    )
    return PeerError(INTERNAL_ERROR, text, http_status=status, retry_after_s=retry_after_s)


def _channel(session: Session) -> str:
    return f"stream/{session.id}"
