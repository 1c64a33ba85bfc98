"""The answer to an old client's POST: JSON, or an event stream that the client can come back to.

Rule: what is on the log reaches the client, on this connection or on the next.

A lost connection is no cancellation where the client can come back: the call goes on, and its events wait on the log.
Spec: 2025-11-25/basic/transports#sending-messages-to-the-server
"""

import math

import anyio

from mcp_bridges.http_sessions.replay import StreamLog
from mcp_bridges.sessions.batches import BatchAnswers
from mcp_runtime.core.calls.call import Reply
from mcp_runtime.transports.http.bridge_port import LegacyExchange
from mcp_runtime.transports.http.server_sent_events import encode_event


class PostStream:
    """The stream that answers one POST. `log` is None where nothing is kept.

    `retry_ms` is None for clients that do not come back to a stream on their own: they get no priming event, and their
    connection is not let go. The others' is, at a sign of life after `let_go_after_s` seconds.
    """

    def __init__(
        self, exchange: LegacyExchange, log: StreamLog | None, *, retry_ms: int | None, let_go_after_s: float
    ) -> None:
        self._exchange = exchange
        self._log = log
        self._retry_ms = retry_ms
        self._let_go_at = math.inf if let_go_after_s == math.inf else anyio.current_time() + let_go_after_s
        self._streaming = False
        self._lock: anyio.Lock | None = None

    @property
    def can_let_go(self) -> bool:
        """Whether the client would come back for the rest."""
        return self._log is not None and self._retry_ms is not None

    @property
    def is_streaming(self) -> bool:
        """Whether it is an event stream by now."""
        return self._streaming

    async def send_ahead(self, answers: BatchAnswers) -> None:
        """Send the answers to a batch that are there, where it is a stream, or where they are too many to be held."""
        if self._streaming or answers.is_full:
            for reply in answers.take():
                await self.notify(reply.body)

    @property
    def can_be_taken_up(self) -> bool:
        """Whether the client has seen an event id to come back with."""
        return self._log is not None and self._streaming and (self._retry_ms is not None or self._log.has_events)

    async def is_followed(self) -> bool:
        """Whether anybody has come back to the stream."""
        return self._log is not None and await self._log.is_followed()

    async def notify(self, message: bytes) -> None:
        """Send a message ahead of the answer; the first one makes an event stream of the response."""
        async with self._in_order():
            await self._begin()
            await self._exchange.open_stream().send(await self._event(message))

    async def keep_alive(self) -> None:
        """Send a comment, for whoever counts idle seconds on the way; or let go, once it is time."""
        if self.can_let_go and anyio.current_time() >= self._let_go_at:
            await self.let_go()
            return
        async with self._in_order():
            await self._begin()
            await self._exchange.open_stream().keep_alive()

    async def let_go(self) -> None:
        """End the connection and keep the stream. Does nothing for a client that would not come back."""
        if self.can_let_go:
            async with self._in_order():
                await self._begin()
                await self._exchange.open_stream().end()

    async def finish(self, replies: list[Reply], plain: Reply | None) -> None:
        """Send the answer and end the stream: `plain` as it is where nothing was streamed, else `replies` as events.

        No `plain` means that the client gave up: the stream ends without an answer.
        """
        if plain is not None and self._lock is None:
            await self._exchange.finish(plain)
            return
        async with self._in_order():
            if not self._streaming:  # Nobody has seen an event of it, so nobody could come back for more.
                await (self._exchange.open_stream().end() if plain is None else self._exchange.finish(plain))
                return
            *ahead, last = [reply.body for reply in replies] or [b""]
            for body in ahead:
                await self._exchange.open_stream().send(await self._event(body))
            await self._exchange.open_stream().end(await self._event(last, ended=True))

    def _in_order(self) -> anyio.Lock:
        """Ids go out in the order in which they were given. A plain answer needs no lock."""
        if self._lock is None:
            self._lock = anyio.Lock()
        return self._lock

    async def _begin(self) -> None:
        if self._streaming:
            return
        self._streaming = True
        if self._log is not None:
            await self._log.begin()
            if self._retry_ms is not None:
                prime = encode_event(b"", event_id=self._log.position, retry_ms=self._retry_ms)
                await self._exchange.open_stream().send(prime)

    async def _event(self, message: bytes, *, ended: bool = False) -> bytes:
        if self._log is None:
            return encode_event(message) if message else b""
        event_id = await self._log.append(message, ended=ended)
        return encode_event(message, event_id=event_id) if message else b""
