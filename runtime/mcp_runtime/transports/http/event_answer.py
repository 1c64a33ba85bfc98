"""An event answer: the answer to one HTTP request as an event stream. Rule: nothing follows its end, or a torn event.

Spec: 2026-07-28/basic/transports/streamable-http#receiving-messages
"""

from contextlib import suppress
from typing import Any, Final

import anyio
import anyio.lowlevel
from msgspec import Struct

from mcp_runtime.transports.http.direct import Fields
from mcp_runtime.transports.http.server_sent_events import KEEP_ALIVE, encode_event

# no-store and X-Accel-Buffering: what a cache keeps or a proxy holds back is no stream.
_HEADERS: Final[Fields] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class EventAnswer(Struct, eq=False):
    """The event stream that answers one request; its head goes out with the first event."""

    _send: Any
    _headers: Fields
    """Headers beside its own (CORS)."""
    _lock: Any
    is_ended: bool = False
    """Whether nothing more is to be sent."""
    _is_begun: bool = False
    _torn: bool = False

    async def begin(self) -> None:
        """Send the head, for a client that waits for that."""
        await self.send(b"")

    async def keep_alive(self) -> None:
        """Send a comment, so that whoever counts idle seconds on the way starts anew."""
        await self.send(KEEP_ALIVE)

    async def send(self, event: bytes) -> None:
        """Send one encoded event. Does nothing once the answer has ended or the client is gone."""
        # Some servers take what is sent to a client that left without waiting for anything. Here a cancelled call
        # stops, while nothing is torn yet, and others get their turn.
        await anyio.lowlevel.checkpoint()
        if self.is_ended:
            return
        async with self._lock:
            if self._is_over():
                return
            # A cancelled send leaves nobody knowing what went out; all that is left then is to hang up.
            self._torn = True
            try:
                await self._send_head()
                await self._send({"type": "http.response.body", "body": event, "more_body": True})
            except OSError:
                return  # The client is gone; it is watched too, which ends the call.
            self._torn = False

    async def end(self, event: bytes = b"") -> None:
        """Send a last encoded event, if any, and end the stream. Does nothing where the client is gone."""
        if self.is_ended:
            return
        self.is_ended = True
        async with self._lock:
            if self._torn:
                return
            with suppress(OSError):  # As in `send`: the call goes on without the connection.
                await self._send_head()
                await self._send({"type": "http.response.body", "body": event})

    async def finish(self, message: bytes) -> bool:
        """End the stream with `message` as its last event: False where it has not begun, and need not."""
        if self.is_ended:
            return True
        self.is_ended = True
        async with self._lock:
            if self._torn:
                return True
            if self._is_begun:
                await self._send({"type": "http.response.body", "body": encode_event(message)})
            return self._is_begun

    def _is_over(self) -> bool:
        """Whether nothing more can be sent. Ask with the lock held: an event on its way looks torn to others."""
        return self.is_ended or self._torn

    async def _send_head(self) -> None:
        if not self._is_begun:
            fields = [*_HEADERS, *self._headers]  # a list of its own: middleware may add to it
            await self._send({"type": "http.response.start", "status": 200, "headers": fields})
            self._is_begun = True


OVER: Final = EventAnswer(None, (), None, is_ended=True)
"""Stands where a request was answered in another way: it sends nothing."""
