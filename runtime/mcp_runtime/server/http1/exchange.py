"""One request over HTTP/1.1 and its answer, as ASGI has them.

Rule: what an application sends becomes one well-formed answer, or a connection that is closed before the end of it.

One task may wait in `receive` while others `send`. A head goes out together with the body. Where the length is not
known it is a stream, whose client wants to see that it has begun: its head goes out at once.
"""

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Final, Protocol, cast

import trio
from msgspec import Struct
from starlette.types import Message

from mcp_runtime.config.limits import Limits
from mcp_runtime.platform.lent_scope import LentScope
from mcp_runtime.server.http1.answer_head import AnswerHead, answer_head, length_of
from mcp_runtime.server.http1.request_head import ChunkedBody, RefusedError, RequestHead, RequestLine
from mcp_runtime.transports.http.direct import Fields

READ_BYTES: Final = 65_536
"""Read at once, and held for a client that sends its next requests before it has its answer."""
_JOINED_BYTES: Final = 65_536
"""A longer body is written after its head: to copy it costs more than a second write."""
_BODILESS: Final = frozenset((204, 304))


class Wire(Protocol):
    """The connection that an exchange is on: what was read of it, and whether its client has left.

    `has_dropped` is true where what was written last came to nothing, because its writer was cancelled.
    """

    unread: bytes
    is_gone: bool
    has_dropped: bool

    async def fill(self) -> bool:
        """Wait for more to be in `unread`. False once the client has sent its last."""
        ...

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Send `data`: what to await where the socket does not take all of it at once.

        Raises ConnectionResetError, now or then, where the client has left.
        """
        ...

    async def refuse(self, status: int) -> None:
        """Answer with nothing but `status`, and close afterwards."""
        ...

    def is_draining(self) -> bool:
        """Whether an answer that begins now is the last one."""
        ...


class Exchange(Struct, eq=False):
    """One request and its answer: see `begin`. It is the Direct of its request, too."""

    headers: Mapping[bytes, bytes] | None
    lent: LentScope
    _wire: Wire
    _fields: bytes
    _version: str
    _closes: bool
    _is_bodiless: bool
    _is_continue_due: bool
    _chunks: ChunkedBody | None
    _body_left: int
    _has_given_body: bool = False
    _waiting: trio.CancelScope | None = None
    _answer: tuple[int, Fields] | None = None
    _head: bytes = b""
    _has_sent_head: bool = False
    _is_chunked: bool = False
    _answer_left: int | None = None
    is_complete: bool = False
    _is_over: bool = False

    async def receive(self) -> Message:
        """A piece of the body; after its end, the news that the client has left or the answer is complete."""
        if self._waiting is not None:
            raise trio.BusyResourceError("another task waits in receive() already")
        if not self._has_given_body:
            if (body := self.take_body()) is not None:
                return {"type": "http.request", "body": body, "more_body": False}
            piece = await self._piece()
            if piece or self.has_whole_body:
                self._has_given_body = self.has_whole_body
                return {"type": "http.request", "body": piece, "more_body": not self._has_given_body}
        while await self._more():
            pass  # It sent the beginning of its next request.
        await trio.lowlevel.checkpoint()
        return {"type": "http.disconnect"}

    def take_body(self) -> bytes | None:
        """As `Direct` says."""
        if self._has_given_body or self._chunks is not None or len(self._wire.unread) < self._body_left:
            return None
        self._has_given_body = True
        return self._take()

    async def _piece(self) -> bytes:
        """Some of the body; nothing where it is at its end, or the client or the answer is."""
        status = 400  # For a client that sends its last in the middle of its request.
        try:
            piece = self._take()
            while not piece and not self.has_whole_body and await self._more():
                piece = self._take()
        except RefusedError as error:
            piece, status = b"", error.status
        if not piece and not self.has_whole_body and not self._is_over:
            await self._give_up(status)
        return piece

    @property
    def has_whole_body(self) -> bool:
        """Whether the last of the request's body was taken."""
        return self._body_left == 0 if self._chunks is None else self._chunks.is_complete

    def _take(self) -> bytes:
        """What there is of the body. Raises RefusedError."""
        wire, chunks = self._wire, self._chunks
        if chunks is not None:
            wire.unread = chunks.feed(wire.unread)
            piece = b"".join(chunks.pieces)
            chunks.pieces.clear()
            return piece
        piece, wire.unread = wire.unread[: self._body_left], wire.unread[self._body_left :]
        self._body_left -= len(piece)
        return piece

    def discard(self) -> bool:
        """Drop what there is of the body; whether that was the last of it. Raises RefusedError."""
        if not self.has_whole_body:
            self._take()
        return self.has_whole_body

    async def _more(self) -> bool:
        """Wait for the client to send something. False where it will not, or all is over meanwhile."""
        if self._is_over:
            return False
        if self._is_continue_due and self._answer is None:
            self._is_continue_due = False
            if rest := self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n"):
                await rest
        self._waiting = trio.CancelScope()
        try:
            with self._waiting:
                if len(self._wire.unread) < READ_BYTES:
                    return await self._wire.fill()
                await trio.sleep_forever()  # Its leaving cannot be seen behind so many requests.
        finally:
            self._waiting = None
        return False

    async def send(self, message: Message) -> None:
        """Send a piece of the answer.

        Raises ConnectionResetError where the client has left; RuntimeError, ValueError where the application errs.
        """
        kind = message["type"]
        if self._wire.is_gone or (self._is_over and not self.is_complete):
            raise ConnectionResetError("the client has left")
        if kind == "http.response.start" and self._answer is None:
            if self._start(message["status"], message.get("headers", ())) and (rest := self._write(b"")):
                await rest
        elif kind == "http.response.body" and self._answer and not self.is_complete:
            is_last = not message.get("more_body", False)
            if rest := self._write(self._as_sent(message.get("body", b""), is_last)):
                await rest
            if is_last:
                self._set_over()
            else:
                await trio.lowlevel.checkpoint()  # A socket that takes everything must not keep others from theirs.
        else:
            raise RuntimeError(f"{kind} has no place here in an answer")

    def _start(self, status: int, headers: Iterable[Iterable[bytes]]) -> bool:
        """Make the head. Whether it is to go out at once."""
        fields = cast("Fields", tuple(headers))
        try:
            head = answer_head(status, fields)
        except TypeError:  # ASGI allows a field to be anything that can be walked through, such as a list.
            fields = tuple([(name, value) for name, value in fields])
            head = answer_head(status, fields)
        lines = head.lines
        is_stream = False
        if status in _BODILESS:
            self._is_bodiless = True
        elif head.length is None:
            is_stream = not self._is_bodiless
            if self._version == "1.1":
                self._is_chunked = is_stream
                lines += b"transfer-encoding: chunked\r\n"
            else:
                self._closes = True
        self._answer, self._answer_left = (status, fields), head.length
        self._head = self._finished_head(head, lines)
        return is_stream

    def _finished_head(self, head: AnswerHead, lines: bytes) -> bytes:
        """`lines` with what else an answer says that begins now."""
        # A body that the client still sends is in the way of its next request.
        if self._closes or head.says_close or self._wire.is_draining() or not self._has_arrived:
            self._closes = True
            if not head.says_close:
                lines += b"connection: close\r\n"
        return b"%b%b\r\n" % (lines, self._fields)

    def answer(self, status: int, headers: Fields, body: bytes) -> Awaitable[None] | None:
        """As `Direct` says."""
        if self._wire.is_gone or (self._is_over and not self.is_complete):
            raise ConnectionResetError("the client has left")
        if self._answer is not None:
            raise RuntimeError("this request has its answer")
        head = answer_head(status, headers)
        if head.length is not None:
            raise ValueError("the content-length of a whole answer is not for the application to say")
        if status in _BODILESS:
            self._answer, lines, body = (status, headers), head.lines, b""
        else:
            length = length_of(len(body))
            self._answer, lines = (status, (*headers, length.field)), head.lines + length.line
        self._head = self._finished_head(head, lines)
        self.is_complete = True
        rest = self._write(b"" if self._is_bodiless else body)
        if rest is not None:
            return self._end_with(rest)
        self._set_over()
        return None

    async def _end_with(self, rest: Awaitable[None]) -> None:
        await rest
        self._set_over()

    @property
    def _has_arrived(self) -> bool:
        return self.has_whole_body or (self._chunks is None and len(self._wire.unread) >= self._body_left)

    def _as_sent(self, body: bytes, is_last: bool) -> bytes:  # noqa: FBT001  # on every request, where keywords cost
        if self._is_bodiless:
            body = b""
        elif self._answer_left is not None:
            left = self._answer_left = self._answer_left - len(body)
            if left < 0 or (is_last and left):
                raise ValueError("the body is not as long as the content-length of the answer")
        elif self._is_chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body = chunk + b"0\r\n\r\n" if is_last else chunk
        self.is_complete = is_last
        return body

    def _write(self, data: bytes) -> Awaitable[None] | None:
        """As `Wire.write`, after the head where that was not sent yet."""
        if not self._head:
            return self._put(data, is_vital=not self._is_chunked or self.is_complete)
        head, self._head = self._head, b""
        self._has_sent_head = True
        return self._put_both(head, data) if len(data) > _JOINED_BYTES else self._put(head + data, is_vital=True)

    def _put(self, data: bytes, *, is_vital: bool) -> Awaitable[None] | None:
        try:
            rest = self._wire.write(data)
        except ConnectionResetError:
            self._set_over()
            raise
        return None if rest is None else self._until_written(rest, is_vital=is_vital)

    async def _until_written(self, rest: Awaitable[None], *, is_vital: bool) -> None:
        try:
            await rest
        except ConnectionResetError:
            self._set_over()
            raise
        finally:
            if self._wire.has_dropped:  # Who sent it was cancelled, and no byte of it went out.
                self._wire.has_dropped = False
                if is_vital:
                    self._tear()

    async def _put_both(self, head: bytes, data: bytes) -> None:
        if rest := self._put(head, is_vital=True):
            try:
                await rest
            except trio.Cancelled:
                self._tear()
                raise
        if rest := self._put(data, is_vital=True):
            await rest

    def _tear(self) -> None:
        """Something of the answer is missing, and nothing may follow that would be taken for it."""
        self.is_complete = False
        self._set_over()

    def _set_over(self) -> None:
        self._is_over = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def _give_up(self, status: int) -> None:
        """Answer `status` if nothing was sent, and have the connection closed."""
        self._set_over()
        if not self._has_sent_head and not self._wire.is_gone:
            self._has_sent_head = True
            await self._wire.refuse(status)

    async def fail(self) -> None:
        """The application has ended before its answer had."""
        await self._give_up(500)

    @property
    def is_settled(self) -> bool:
        """Whether it is over, nobody waits for it, and the connection can take another request."""
        return (
            self._is_over
            and self.is_complete
            and not self._closes
            and self.has_whole_body
            and self._waiting is None
            and not self._wire.is_gone
        )

    async def finish(self) -> bool:
        """Once the application has returned: whether the connection can take another request."""
        self._set_over()
        while self._waiting is not None:  # In a task that is still to be told.
            await trio.lowlevel.checkpoint()
        if not self.is_complete or self._closes or self._wire.is_gone:
            return False
        try:
            return self.discard()
        except RefusedError:
            return False

    @property
    def summary(self) -> dict[str, Any] | None:
        """The answer, for the access log; None where it is not complete."""
        if self._answer is None or not self.is_complete:
            return None
        status, headers = self._answer
        return {"status": status, "headers": headers}


def begin(wire: Wire, request: RequestHead, limits: Limits, fields: bytes, lent: LentScope) -> Exchange:
    """The exchange that begins with `request`. `fields` are header lines for the answer; `lent` is its Direct's."""
    facts, line = request.facts, request.line
    expected, length = facts.get(b"expect"), facts.get(b"content-length")
    return Exchange(
        facts if request.comes_once else None,
        lent,
        wire,
        fields,
        line.version,
        request.is_last,
        line.method == "HEAD",
        expected is not None and line.version == "1.1" and expected.lower() == b"100-continue",
        ChunkedBody(limits) if b"transfer-encoding" in facts else None,
        0 if length is None else int(length),
    )


def scope_of(line: RequestLine, scheme: str, root_path: str, client: Any, server: Any) -> dict[str, Any]:
    """What ASGI says of a request that begins with `line`; its headers, state and extensions are still to be put in."""
    return {
        "type": "http",
        "scheme": scheme,
        "root_path": root_path,
        "client": client,
        "server": server,
        "asgi": {"spec_version": "2.1", "version": "3.0"},
        "http_version": line.version,
        "method": line.method,
        "path": line.path,
        "raw_path": line.raw_path,
        "query_string": line.query,
        "headers": None,
        "state": None,
        "extensions": None,
    }
