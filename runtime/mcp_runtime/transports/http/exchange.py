"""The HTTP exchange: one HTTP request and its answer. Rule: whoever answers a request does it here.

What goes out directly and what by ASGI is settled here; what is done about a request is the endpoint's, or a bridge's.
Spec: 2026-07-28/basic/transports/streamable-http#sending-messages
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import anyio

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.call import Call, Reply
from mcp_runtime.platform.lent_scope import LentScope
from mcp_runtime.protocol.jsonrpc import Message
from mcp_runtime.transports.http.body_budget import BodyBudget
from mcp_runtime.transports.http.direct import Direct, Fields
from mcp_runtime.transports.http.event_answer import OVER, EventAnswer
from mcp_runtime.transports.http.patience import Watched
from mcp_runtime.transports.http.request import read_body, too_large
from mcp_runtime.transports.http.server_sent_events import encode_event

_JSON: Final = (b"content-type", b"application/json")
_JUST_JSON: Final[Fields] = (_JSON,)


class HttpExchange(Watched, kw_only=True):
    """One HTTP request, and the answer to it: plain, or from the first event on an event stream."""

    scope: Any
    incoming: Any
    """Where its body comes from. Nobody looks there for a disconnect (`receive`) before it has come."""
    send: Any
    direct: Direct | None = None
    """The short way to its server, where that is ours."""
    request_headers: Mapping[bytes, bytes]
    """Its headers by name."""
    answer_headers: Fields = ()
    """Headers that its answer gets, whichever that is (CORS)."""
    stopped: Callable[["HttpExchange"], Awaitable[None]]
    """Answers it once it was cut off in a scope that was lent."""
    time: Any = None
    """The TimeLimit of its body, and then of its call."""
    message: Message | None = None
    """The one in its body, once that was read; None for a batch."""
    is_passed_on: bool = False
    """Whether a bridge serves it, and may borrow the lent scope."""
    call: Call | None = None
    """There for as long as it is at work."""
    _events: EventAnswer | None = None

    @property
    def lent(self) -> LentScope | None:
        """A scope in which one call may be cut off, where the server has one to lend, and it was not given back."""
        return None if self.direct is None or self.direct.lent.scope is None else self.direct.lent

    def take_body(self, limits: Limits) -> bytes | None:
        """The whole body, where it has come already. Raises HttpRefusalError 413."""
        body = None if self.direct is None else self.direct.take_body()
        if body is not None and len(body) > limits.max_body_bytes:
            raise too_large(limits)
        return body

    async def read_body(self, bodies: BodyBudget) -> bytes:
        """The whole body, once it has come, within its time limit and the budget of all.

        Raises HttpRefusalError 413 or 503, ClientGoneError.
        """
        self.time.set(bodies.limits.body_timeout_s)
        body = await read_body(self.request_headers, self.incoming, self.scope, bodies)
        self.time.lift()
        return body

    async def answer(self, status: int, body: bytes, headers: Fields = ()) -> None:
        """Send a whole answer at once."""
        if rest := self._answer(status, body, headers):
            await rest

    async def finish(self, reply: Reply) -> None:
        """Send the answer to its message: as the last event where others went before it, else as plain JSON."""
        if self._events is not None and await self._events.finish(reply.body):
            return
        headers = _JUST_JSON
        if reply.retry_after_s is not None:
            headers = (_JSON, (b"retry-after", str(reply.retry_after_s).encode()))
        if rest := self._answer(reply.status, reply.body, headers):
            await rest

    def open_stream(self) -> EventAnswer:
        """The event stream that answers it, made when it is first asked for."""
        if self._events is None:
            self._events = EventAnswer(self.send, self.answer_headers, anyio.Lock())
        return self._events

    async def notify(self, message: bytes) -> None:
        """Send a notification: the first one turns the answer into an event stream."""
        await self.open_stream().send(encode_event(message))

    def aged(self) -> None:
        """Now time limits count: of its body, or of its call."""
        self.time.keep()

    def gone(self) -> None:
        """Over HTTP, to hang up is to cancel. Spec: 2026-07-28/basic/transports/streamable-http#cancellation"""
        if self.call is not None:
            self.call.abandon()

    async def keep_alive(self) -> None:
        """Send a comment on its stream."""
        await self.open_stream().keep_alive()

    async def finish_stopped(self) -> None:
        """Answer it, where it was cut off in a scope that was lent."""
        await self.stopped(self)

    def _answer(self, status: int, body: bytes, headers: Fields) -> Awaitable[None] | None:
        """What to await for that, if anything."""
        if self._events is None:
            self._events = OVER
        else:
            self._events.is_ended = True
        if self.direct is None:
            return self._send_in_two(status, body, headers)
        return self.direct.answer(status, headers + self.answer_headers, body)

    async def _send_in_two(self, status: int, body: bytes, headers: Fields) -> None:
        fields = [*headers, *self.answer_headers]  # a list of its own: middleware may add to it
        if status != 204:  # RFC 9110 8.6
            fields.append(_length(len(body)))
        await self.send({"type": "http.response.start", "status": status, "headers": fields})
        await self.send({"type": "http.response.body", "body": b"" if self.scope["method"] == "HEAD" else body})


@lru_cache(maxsize=256)
def _length(length: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % length
