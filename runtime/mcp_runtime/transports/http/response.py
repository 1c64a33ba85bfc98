"""The response to one POST: JSON, or from the first notification on an event stream. Rule: nothing follows its end.

Spec: 2026-07-28/basic/transports/streamable-http#receiving-messages
"""

from collections.abc import Awaitable
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

import anyio
import anyio.lowlevel
from msgspec import Struct

from mcp_runtime.core.calls.call import Reply
from mcp_runtime.transports.http.direct import Direct, Fields
from mcp_runtime.transports.http.server_sent_events import KEEP_ALIVE, encode_event

HeaderLines = list[tuple[bytes, bytes]]
"""Header lines of an answer, in order."""

_JSON: Final = (b"content-type", b"application/json")
_JUST_JSON: Final[Fields] = (_JSON,)
# no-store and X-Accel-Buffering: what a cache keeps or a proxy holds back is no stream.
_STREAM_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class PostResponse(Struct, eq=False):
    """The response to one request."""

    _send: Any
    _extra: HeaderLines
    """Headers that it gets whatever happens (CORS)."""
    _direct: Direct | None = None
    """The request's, where there is one."""
    _has_body: bool = True
    """False where its body is left out (HEAD)."""
    _streaming: bool = False
    _finished: bool = False
    _torn: bool = False
    _lock: Any = None

    async def notify(self, message: bytes) -> None:
        """Send a notification: the first one turns the response into an event stream."""
        await self.send_event(encode_event(message))

    async def keep_alive(self) -> None:
        """Send a comment, so that whoever counts idle seconds on the way starts anew."""
        await self.send_event(KEEP_ALIVE)

    async def begin_events(self) -> None:
        """Send the head of an event stream, for a client that waits for that."""
        await self.send_event(b"")

    async def send_event(self, chunk: bytes) -> None:
        """Send one encoded event of an event stream. Does nothing once the response has ended or the client is gone."""
        # Some servers take what is sent to a client that left without waiting for anything. Here a cancelled call
        # stops, while nothing is torn yet, and others get their turn.
        await anyio.lowlevel.checkpoint()
        if self._finished:
            return
        if self._lock is None:
            self._lock = anyio.Lock()
        async with self._lock:
            if self._is_over():
                return
            # A cancelled send leaves nobody knowing what went out; all that is left then is to hang up.
            self._torn = True
            try:
                if not self._streaming:
                    await self._start(200, _STREAM_HEADERS)
                    self._streaming = True
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
            except OSError:
                return  # The client is gone; it is watched too, which ends the call.
            self._torn = False

    async def end(self, chunk: bytes = b"") -> None:
        """Send a last encoded event, if any, and end the event stream. Does nothing where the client is gone."""
        if self._finished:
            return
        self._finished = True
        async with self._lock or anyio.Lock():
            if self._torn:
                return
            with suppress(OSError):  # As in `send_event`: the call goes on without the connection.
                if not self._streaming:
                    await self._start(200, _STREAM_HEADERS)
                await self._send({"type": "http.response.body", "body": chunk})

    def _is_over(self) -> bool:
        """Whether nothing more can be sent. Ask with the lock held: an event on its way looks torn to others."""
        return self._finished or self._torn

    async def finish(self, reply: Reply) -> None:
        """Send the answer and end the response: as the last event of a stream, else as a plain JSON body."""
        if self._lock is not None:
            self._finished = True
            async with self._lock:
                if self._torn:
                    return
                if self._streaming:
                    await self._send({"type": "http.response.body", "body": encode_event(reply.body)})
                    return
        headers = _JUST_JSON
        if reply.retry_after_s is not None:
            headers = (_JSON, (b"retry-after", str(reply.retry_after_s).encode()))
        if rest := self._answer(reply.status, reply.body, headers):
            await rest

    async def send(self, status: int, body: bytes, headers: Fields = ()) -> None:
        """Send a whole response at once."""
        if rest := self._answer(status, body, headers):
            await rest

    def _answer(self, status: int, body: bytes, headers: Fields) -> Awaitable[None] | None:
        """What to await for that, if anything."""
        self._finished = True
        if self._direct is None:
            return self._send_in_two(status, body, headers)
        return self._direct.answer(status, (*headers, *self._extra) if self._extra else headers, body)

    async def _send_in_two(self, status: int, body: bytes, headers: Fields) -> None:
        fields = [*headers, *self._extra]  # a list of its own: middleware may add to it
        if status != 204:  # RFC 9110 8.6
            fields.append(_length(len(body)))
        await self._send({"type": "http.response.start", "status": status, "headers": fields})
        await self._send({"type": "http.response.body", "body": body if self._has_body else b""})

    async def _start(self, status: int, headers: HeaderLines) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self._extra]})


@lru_cache(maxsize=256)
def _length(length: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % length
