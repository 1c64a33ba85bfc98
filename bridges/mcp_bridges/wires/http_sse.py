"""HTTP+SSE of 2024-11-05: a stream at one path, messages posted to another. Rule: the stream is the conversation.

The process that holds the stream takes all its messages; one that is posted to another process goes there over the bus.
Nothing is kept of a stream that has ended.
Spec: 2024-11-05/basic/transports#http-with-sse
"""

import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qs

import anyio
from anyio.abc import TaskGroup

from mcp_bridges.calls.http_parts import HttpParts, accept, admit, client_of, refuse
from mcp_bridges.calls.services import LegacyServices, client_key
from mcp_bridges.gate.features import OF_METHOD, OF_WIRE, FeatureId
from mcp_bridges.gate.port import LegacyClient, Sighting
from mcp_bridges.gate.refusals import RefusedError, raise_refusal
from mcp_bridges.sessions.batches import is_batch
from mcp_bridges.sessions.session import Opening, Session
from mcp_bridges.sessions.session_ids import SessionGoneError, SessionIds, session_gone
from mcp_bridges.wires.conversation import Conversation
from mcp_runtime.platform.shares import Shares
from mcp_runtime.protocol.errors import INTERNAL_ERROR, INVALID_REQUEST, PeerError
from mcp_runtime.protocol.json_values import check_values
from mcp_runtime.protocol.jsonrpc import (
    MalformedMessageError,
    Message,
    Notification,
    Request,
    RequestId,
    Response,
    encode_error,
)
from mcp_runtime.protocol.legacy import INITIALIZE
from mcp_runtime.protocol.messages import read_message
from mcp_runtime.transports.http.bridge_port import LegacyExchange
from mcp_runtime.transports.http.event_stream import Events, serve_event_stream
from mcp_runtime.transports.http.request import path_of, read_body_in_time
from mcp_runtime.transports.http.server_sent_events import encode_event

PURPOSE: Final = "http_sse"
REVISION: Final = "2024-11-05"
_UNKNOWN: Final = Opening(revision=REVISION, client_name="", client_version="", capabilities={})
"""An opening for a client whose stream broke: it opens another one, and does not initialize again."""
_MAX_PENDING: Final = 16
"""Messages that wait for a conversation to take them; together they may be as long as one body may be."""


class SseStream:
    """One open stream and the conversation on it."""

    def __init__(self, services: LegacyServices, client: LegacyClient, session: Session, tasks: TaskGroup) -> None:
        self._tasks = tasks
        # No buffer: whoever has something to say waits until the stream takes it, so a slow reader slows its own calls.
        self._outgoing, self._outbox = anyio.create_memory_object_stream[bytes](0)
        self._incoming, self._inbox = anyio.create_memory_object_stream[bytes](_MAX_PENDING)
        self._room_bytes = services.config.limits.max_body_bytes
        self._services = services
        self.conversation = Conversation(services, client=client, send=self._send, start=self._start, assumed=session)
        self._closing = False

    def offer(self, body: bytes) -> bool:
        """Hand over one posted body; whether there was room for it."""
        if len(body) > self._room_bytes:
            return False
        try:
            self._incoming.send_nowait(body)
        except anyio.WouldBlock:
            return False
        self._room_bytes -= len(body)
        return True

    def close(self) -> None:
        """Take no more messages, and end the stream once what is at work is done."""
        if not self._closing:
            self._closing = True
            self.conversation.close()
            self._tasks.start_soon(self._wind_up)

    async def _wind_up(self) -> None:
        await self.conversation.wait_idle()
        await self._outgoing.aclose()

    def hang_up(self) -> None:
        """The client is gone, or was told all: whoever still has something to say does not wait for it to be heard."""
        for end in (self._outgoing, self._outbox, self._incoming, self._inbox):
            end.close()

    async def _send(self, message: bytes) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # Nobody is there to hear it.
            await self._outgoing.send(message)

    def _start(self, run: Callable[[], Awaitable[None]]) -> None:
        self._tasks.start_soon(_run, run)

    async def take_all(self) -> None:
        """Take what was handed over, one after the other, forever."""
        async for body in self._inbox:
            self._room_bytes += len(body)
            await self._take(body)

    async def take_from(self, messages: AsyncIterator[bytes]) -> None:
        """Take what was posted to other processes, forever. Here shows who posted it, so here the gate is asked."""
        async for body in messages:
            await self._take(body, admit=self._admit)

    async def _take(self, body: bytes, *, admit: Callable[[Message | None], None] | None = None) -> None:
        message: Message | None = None
        try:
            message = None if is_batch(body) else read_message(body)
            if admit is not None:
                admit(message)
            await (self.conversation.take_batch(body) if message is None else self.conversation.take(message))
        except RefusedError as error:
            await self.refuse(message, error)
        except PeerError as error:
            await self._send(encode_error(message.id if isinstance(message, Request) else None, error))

    def _admit(self, message: Message | None) -> None:
        raise_refusal(self._services.admit(self.conversation.sighting(message)))

    async def refuse(self, message: Message | None, error: RefusedError) -> None:
        """Say so on the stream, where an answer is due to the message (None: a batch)."""
        self.conversation.answer_refused(message, error)
        if message is None or isinstance(message, Request):
            await self._send(encode_error(None if message is None else message.id, error))

    async def events(self, endpoint: str) -> Events:
        """The events of the stream: where to post, then everything that is said."""
        yield encode_event(endpoint.encode(), name="endpoint")
        async for message in self._outbox:
            yield encode_event(message, name="message")


class HttpSse:
    """The bridge for HTTP+SSE: its open streams, and what is posted to them."""

    def __init__(self, parts: HttpParts, ids: SessionIds) -> None:
        self._parts = parts
        self._services = parts.services
        self._ids = ids
        self._config = parts.services.config.bridges.http_sse
        self._open: dict[str, SseStream] = {}
        self._places = Shares(self._config.max_streams)
        self._closing = False

    def close(self) -> None:
        """The server is stopping: no new streams, and those that are open end once their calls are done."""
        self._closing = True
        for stream in list(self._open.values()):
            stream.close()

    async def stream(self, exchange: LegacyExchange) -> None:
        """Open a stream, and hold it until the client leaves or the server stops."""
        client = client_of(exchange, "http_sse")
        try:
            features = OF_WIRE["http_sse"]
            sighting = Sighting(client=client, revision=None, features=features, opening=True, preliminary=True)
            admit(exchange, self._services, sighting)
            key = client_key(client)
            if self._closing or not self._places.take(key):
                raise _no_room(self._places, None if self._closing else key)
        except PeerError as error:
            await refuse(exchange, None, error)
            return
        try:
            await self._hold(exchange, client)
        finally:
            self._places.give_back(key)

    async def _hold(self, exchange: LegacyExchange, client: LegacyClient) -> None:
        token, session = self._ids.issue(_UNKNOWN, principal=client.principal)
        endpoint = _relative(path_of(exchange.scope), self._config.messages_path)
        channel = _channel(session)
        async with anyio.create_task_group() as tasks:
            # Before anything is waited for: it counts, and a stop finds it.
            stream = self._open[session.id] = SseStream(self._services, client, session, tasks)
            try:
                bus = self._parts.state.bus
                async with bus.subscribe(channel, max_pending=_MAX_PENDING) as messages:
                    tasks.start_soon(stream.take_all)
                    tasks.start_soon(stream.take_from, messages)
                    with self._services.open_stream("http_sse"):
                        events = stream.events(f"{endpoint}?session_id={token}")
                        await serve_event_stream(events, exchange, patience=self._parts.patience)
            finally:
                del self._open[session.id]
                tasks.cancel_scope.cancel()
                stream.hang_up()

    async def post(self, exchange: LegacyExchange) -> None:
        """Take a message for a stream."""
        request_id: RequestId | None = None
        try:
            session = self._session(exchange)
            headers, bodies = exchange.request_headers, self._parts.bodies
            body = await read_body_in_time(headers, exchange.incoming, exchange.scope, bodies)
            check_values(body, bodies.limits.max_json_values)
            message = None if is_batch(body) else read_message(body)
            request_id = message.id if isinstance(message, Request) else None
            stream = self._open.get(session.id)
            try:
                admit(exchange, self._services, self._sighting(exchange, stream, message))
                await self._deliver(session, stream, body)
            except RefusedError as error:
                if not error.is_answer:
                    await self._answer_refused(session, stream, message, error)
                    raise
                # Answers go over the stream; the process that holds it will refuse this, too.
                await (self._deliver(session, None, body) if stream is None else stream.refuse(message, error))
            await accept(exchange)
        except PeerError as error:
            await refuse(exchange, error.id if isinstance(error, MalformedMessageError) else request_id, error)

    def _session(self, exchange: LegacyExchange) -> Session:
        query = parse_qs(exchange.scope["query_string"].decode("latin-1"))
        tokens = query.get("session_id", [])
        if len(tokens) != 1:
            raise PeerError(INVALID_REQUEST, "Invalid request: session_id is missing; it is in the endpoint event")
        try:
            return self._ids.open(tokens[0], principal=client_of(exchange, "http_sse").principal)
        except SessionGoneError as error:
            raise session_gone(error.reason) from None

    def _sighting(self, exchange: LegacyExchange, stream: SseStream | None, message: Message | None) -> Sighting:
        """The use of the past that a message (None: a batch) is."""
        if stream is not None:
            return stream.conversation.sighting(message)
        method = message.method if isinstance(message, Request | Notification) else None
        # What other methods stand for is asked about once, by the process that answers them.
        more = (FeatureId.BATCH,) if message is None else OF_METHOD[INITIALIZE] if method == INITIALIZE else ()
        return Sighting(
            client=client_of(exchange, "http_sse"),
            revision=None,
            features=(*OF_WIRE["http_sse"], *more),
            method=method,
            opening=method == INITIALIZE,
            preliminary=True,  # The process that holds the stream knows who it is.
        )

    async def _answer_refused(
        self, session: Session, stream: SseStream | None, message: Message | None, error: RefusedError
    ) -> None:
        """Where an answer was refused for good, the call that waits for it hears why, also at another process."""
        if stream is not None:
            stream.conversation.answer_refused(message, error)
        elif isinstance(message, Response) and error.retry_after_s is None:
            await self._parts.state.bus.publish(_channel(session), encode_error(message.id, error))

    async def _deliver(self, session: Session, stream: SseStream | None, body: bytes) -> None:
        if stream is not None:
            if not stream.offer(body):
                raise PeerError(
                    INTERNAL_ERROR, "The stream has messages waiting; try again", http_status=503, retry_after_s=1
                )
        elif not await self._parts.state.bus.publish(_channel(session), body):
            raise PeerError(
                INVALID_REQUEST,
                "Session not found: its stream has ended, or is open in another process, which takes a shared store; "
                "open another stream",
                http_status=404,
            )


async def _run(run: Callable[[], Awaitable[None]]) -> None:
    await run()


def _channel(session: Session) -> str:
    return f"sse/{session.id}"


def _no_room(places: Shares, key: str | None) -> PeerError:
    text, status = f"The server has its {places.total} streams open, or is stopping; try again later", 503
    held = places.held_by(key)
    if held and not places.is_full:  # 429: others may still open theirs.
        text, status = f"This client has its share of the server's streams open, {held} now", 429
    return PeerError(INTERNAL_ERROR, text, http_status=status, retry_after_s=5)


def _relative(stream: str, messages: str) -> str:
    """The path of messages, as seen from the stream: so it holds behind a proxy that puts a prefix in front of both."""
    relative = posixpath.relpath(messages, posixpath.dirname(stream))
    if ":" in relative.partition("/")[0]:
        relative = f"./{relative}"  # What stands before a colon would be taken for a scheme. RFC 3986 4.2
    return f"{relative}/" if messages.endswith("/") else relative
