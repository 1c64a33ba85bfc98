"""The answer to a request: what the application says of it, on its way to the wire.

Rule: it becomes one well-formed answer, or a connection that is closed before the end of it.

A head goes out together with the body. Where the length is not known it is a stream, whose client wants to see that it
has begun: its head goes out at once.
"""

from collections.abc import Awaitable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, Protocol, cast

import trio
from msgspec import Struct
from starlette.types import Message

from mcp_runtime.server.failures import ClientLeftError
from mcp_runtime.server.http1.answer_head import AnswerHead, answer_head, length_of
from mcp_runtime.server.http1.request_body import RequestBody
from mcp_runtime.server.http1.request_head import RequestHead
from mcp_runtime.server.http1.wire import Wire
from mcp_runtime.transports.http.direct import Fields

_JOINED_BYTES: Final = 65_536
"""A longer piece is not copied to have what goes before and after it beside it."""
_BODILESS: Final = frozenset((204, 304))


class AnswerState(Enum):
    """How far an answer is."""

    AWAITED = "awaited"
    """The application has said nothing of it."""
    HELD = "held"
    """Its head is made, and waits for some of its body."""
    BEGUN = "begun"
    """Its head is sent, and the last of its body is not known yet."""
    ENDING = "ending"
    """The last of it is known, and is being written."""
    COMPLETE = "complete"
    """All of it was written, or will be before anything else."""
    BROKEN = "broken"
    """Something of it is missing, and nothing may follow on the connection that would be taken for it."""


_AWAITED: Final = AnswerState.AWAITED  # Python 3.11 takes a function in Python to look one up in its Enum.
_HELD: Final = AnswerState.HELD
_BEGUN: Final = AnswerState.BEGUN
_ENDING: Final = AnswerState.ENDING
_COMPLETE: Final = AnswerState.COMPLETE
_BROKEN: Final = AnswerState.BROKEN

ANSWER_STATES: Final[Mapping[AnswerState, frozenset[AnswerState]]] = {
    _AWAITED: frozenset({_HELD, _ENDING, _BROKEN}),
    _HELD: frozenset({_BEGUN, _ENDING, _BROKEN}),
    _BEGUN: frozenset({_ENDING, _BROKEN}),
    _ENDING: frozenset({_COMPLETE, _BROKEN}),
    _COMPLETE: frozenset({_BROKEN}),  # by a piece that another task was still to write
    _BROKEN: frozenset(),
}
"""What may follow each state."""


class Framing(Enum):
    """How a client finds the end of an answer's body."""

    NONE = "none"
    """There is no body, whatever the application sends."""
    LENGTH = "length"
    CHUNKS = "chunks"
    CLOSE = "close"
    """It ends with the connection, as over HTTP/1.0."""


_NONE: Final = Framing.NONE
_LENGTH: Final = Framing.LENGTH
_CHUNKS: Final = Framing.CHUNKS


class AnswerPort(Protocol):
    """The connection, as an answer sees it."""

    async def refuse(self, status: int) -> None:
        """Answer with nothing but `status`, and close afterwards."""
        ...

    def is_draining(self) -> bool:
        """Whether an answer that begins now is the last one."""
        ...


class Http1Answer(Struct, eq=False):
    """One answer, to a request whose body is `_body`. Made by `answer_to`."""

    _wire: Wire
    _port: AnswerPort
    _body: RequestBody
    _version: str
    _server_lines: bytes
    _framing: Framing
    closes: bool
    """Whether no other request can follow on the connection."""
    state: AnswerState = _AWAITED
    watcher: trio.CancelScope | None = None
    """The scope of who waits for it to be over."""
    _said: tuple[int, Fields] | None = None
    _head: bytes = b""
    _left: int = 0

    async def send(self, message: Message) -> None:
        """Send a piece of it, as ASGI has it.

        Raises ConnectionResetError where the client has left; RuntimeError, ValueError where the application errs.
        """
        kind = message["type"]
        self._check_client()
        if kind == "http.response.start" and self.state is _AWAITED:
            if self._start(message["status"], message.get("headers", ())) and (rest := self._write(b"")):
                await rest
        elif kind == "http.response.body" and (self.state is _HELD or self.state is _BEGUN):
            is_last = not message.get("more_body", False)
            if rest := self._write_framed(message.get("body", b""), is_last):
                await rest
            if is_last:
                self.end()
            else:
                await trio.lowlevel.checkpoint()  # A socket that takes everything must not keep others from theirs.
        else:
            raise RuntimeError(f"{kind} has no place here in an answer")

    def send_whole(self, status: int, headers: Fields, body: bytes) -> Awaitable[None] | None:
        """Send all of it, as `Direct.answer` says."""
        if self._wire.is_gone or self.state is not _AWAITED:
            self._check_client()
            raise RuntimeError("this request has its answer")
        head = answer_head(status, headers)
        if head.length is not None:
            raise ValueError("the content-length of a whole answer is not for the application to say")
        if status in _BODILESS:
            self._said, lines, body = (status, headers), head.lines, b""
        else:
            length = length_of(len(body))
            self._said, lines = (status, (*headers, length.field)), head.lines + length.line
        self._head = self._finished_head(head, lines)
        self.state = _ENDING
        if self._framing is _NONE:
            body = b""
        rest = self._write(body) if len(body) <= _JOINED_BYTES else self._write_long(b"", body, b"")
        if rest is not None:
            return self._end_with(rest)
        self.end()
        return None

    async def _end_with(self, rest: Awaitable[None]) -> None:
        await rest
        self.end()

    def _check_client(self) -> None:
        if self._wire.is_gone or self.state is _BROKEN:
            raise ClientLeftError

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
            self._framing = _NONE
        elif head.length is not None:
            self._left = head.length
        else:
            is_stream = self._framing is not _NONE
            framing = Framing.CLOSE
            if self._version == "1.1":
                framing = _CHUNKS
                lines += b"transfer-encoding: chunked\r\n"
            else:
                self.closes = True
            if is_stream:
                self._framing = framing
        self._said = status, fields
        self._head = self._finished_head(head, lines)
        self.state = _HELD
        return is_stream

    def _finished_head(self, head: AnswerHead, lines: bytes) -> bytes:
        """`lines` with what else an answer says that begins now."""
        # A body that the client still sends is in the way of its next request.
        if self.closes or head.says_close or self._port.is_draining() or not self._body.has_come:
            self.closes = True
            if not head.says_close:
                lines += b"connection: close\r\n"
        return b"%b%b\r\n" % (lines, self._server_lines)

    def _write_framed(self, body: bytes, is_last: bool) -> Awaitable[None] | None:  # noqa: FBT001  # keywords cost
        """Write a piece of the body. Raises ValueError where its length is not what the head says."""
        framing = self._framing
        before = after = b""
        if framing is _NONE:
            body = b""
        elif framing is _LENGTH:
            left = self._left = self._left - len(body)
            if left < 0 or (is_last and left):
                raise ValueError("the body is not as long as the content-length of the answer")
        elif framing is _CHUNKS:
            if body:
                before, after = b"%x\r\n" % len(body), b"\r\n"
            if is_last:
                after += b"0\r\n\r\n"
        if is_last:
            self.state = _ENDING
        if len(body) > _JOINED_BYTES:
            return self._write_long(before, body, after)
        return self._write(before + body + after)

    def _write(self, data: bytes) -> Awaitable[None] | None:
        """As `Wire.write`, after the head where that was not sent yet."""
        if head := self._head:  # `_take_head` without the call, for there is one of these a request
            self._head = b""
            if self.state is _HELD:
                self.state = _BEGUN
            data = head + data
        try:
            rest = self._wire.write(data)
        except ConnectionResetError:
            self.end()
            raise
        return None if rest is None else self._until_written(rest, is_vital=self._is_vital(head))

    def _write_long(self, before: bytes, data: bytes, after: bytes) -> Awaitable[None] | None:
        """As `_write`, with what goes before and after it, without a copy of it."""
        head = self._take_head()
        try:
            rest = self._wire.write_pieces(head + before, data, after)
        except ConnectionResetError:
            self.end()
            raise
        return None if rest is None else self._until_written(rest, is_vital=self._is_vital(head))

    def _take_head(self) -> bytes:
        """The head, where it was not sent yet: it is now."""
        head, self._head = self._head, b""
        if head and self.state is _HELD:
            self.state = _BEGUN
        return head

    def _is_vital(self, head: bytes) -> bool:
        """Whether the connection is no good without what is written now."""
        return bool(head) or self._framing is not _CHUNKS or self.state is _ENDING

    async def _until_written(self, rest: Awaitable[None], *, is_vital: bool) -> None:
        try:
            await rest
        except ConnectionResetError:
            self.end()
            raise
        finally:
            if self._wire.takes_back() and is_vital:  # Who sent it was cancelled, and no byte of it went out.
                self._break()

    def _break(self) -> None:
        self.state = _BROKEN
        self.end()

    def end(self) -> None:
        """It is over: nothing more is said, and who waits for that is told."""
        if self.state is _ENDING:
            self.state = _COMPLETE
        elif self.state is not _COMPLETE:
            self.state = _BROKEN
        if self.watcher is not None:
            self.watcher.cancel()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is said."""
        return self.state is _COMPLETE or self.state is _BROKEN

    @property
    def has_last(self) -> bool:
        """Whether the application has said the last of it."""
        return self.state is _ENDING or self.state is _COMPLETE

    async def give_up(self, status: int) -> None:
        """Answer `status` if nothing was sent, and have the connection closed."""
        was_sent = self.state is not _AWAITED and self.state is not _HELD
        self.end()
        if not was_sent and not self._wire.is_gone:
            await self._port.refuse(status)

    @property
    def summary(self) -> dict[str, Any] | None:
        """The answer, for the access log; None where it is not complete."""
        if self._said is None or not self.has_last:
            return None
        status, headers = self._said
        return {"status": status, "headers": headers}


def answer_to(
    request: RequestHead, body: RequestBody, wire: Wire, port: AnswerPort, server_lines: bytes
) -> Http1Answer:
    """The answer to `request`, whose body is `body`. `server_lines` are header lines of every answer."""
    line = request.line
    framing = _NONE if line.method == "HEAD" else _LENGTH
    return Http1Answer(wire, port, body, line.version, server_lines, framing, request.is_last)
