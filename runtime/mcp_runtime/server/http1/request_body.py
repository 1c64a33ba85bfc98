"""The body of a request: its bytes on their way from the wire to the application, whole or in chunks.

Rule: no byte behind its end is taken, for there the next request begins.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from httptools import HttpParserError, HttpRequestParser
from msgspec import Struct

from mcp_runtime.config.limits import Limits
from mcp_runtime.server.http1.request_head import EMPTY_LINE, RequestHead, RequestRefusedError
from mcp_runtime.server.http1.wire import MOST_READ_BYTES, READ_BYTES, Wire


class BodyState(Enum):
    """How far the body of a request is."""

    HELD_BACK = "held back"
    """Its client waits for a `100 Continue` before it sends any of it."""
    ARRIVING = "arriving"
    """Some of it is still to be taken off the wire."""
    ARRIVED = "arrived"
    """The last of it was taken off the wire."""
    GIVEN = "given"
    """The application has been given its end."""


_HELD_BACK: Final = BodyState.HELD_BACK  # Python 3.11 takes a function in Python to look one up in its Enum.
_ARRIVING: Final = BodyState.ARRIVING
_ARRIVED: Final = BodyState.ARRIVED
_GIVEN: Final = BodyState.GIVEN

BODY_STATES: Final[Mapping[BodyState, frozenset[BodyState]]] = {
    _HELD_BACK: frozenset({_ARRIVING, _ARRIVED, _GIVEN}),  # A client need not wait, and may send it all the same.
    _ARRIVING: frozenset({_ARRIVED, _GIVEN}),
    _ARRIVED: frozenset({_GIVEN}),
    _GIVEN: frozenset(),
}
"""What may follow each state."""


class RequestBody(Struct, eq=False):
    """One body. `state` is how far it is. Made by `body_of`."""

    _wire: Wire
    _chunks: "ChunkedBody | None"
    _left: int
    state: BodyState

    @property
    def is_whole(self) -> bool:
        """Whether the last of it was taken."""
        return self.state is _GIVEN or self.state is _ARRIVED

    @property
    def has_come(self) -> bool:
        """Whether nothing of it is still to be read from the client."""
        if self.state is _GIVEN or self.state is _ARRIVED:
            return True
        return self._chunks is None and len(self._wire.unread) >= self._left

    @property
    def worth_reading(self) -> int:
        """How many bytes to read at once."""
        return READ_BYTES if self._left <= READ_BYTES else min(self._left, MOST_READ_BYTES)

    def take(self) -> bytes:
        """Take what there is of it. Raises RequestRefusedError."""
        if (chunks := self._chunks) is not None:
            self._wire.pass_to(chunks.feed)
            piece = b"".join(chunks.pieces)
            chunks.pieces.clear()
            if chunks.is_complete:
                self.state = _ARRIVED
            return piece
        piece = self._wire.take(self._left)
        self._left -= len(piece)
        if not self._left:
            self.state = _ARRIVED
        return piece

    def take_whole(self) -> bytes | None:
        """Take and give all that is left, where that has come already and not in chunks."""
        wire, left = self._wire, self._left
        if self.state is _GIVEN or self._chunks is not None or len(wire.unread) < left:
            return None
        self.state, self._left = _GIVEN, 0
        return wire.take(left)

    def discard(self) -> bool:
        """Drop what there is of it; whether that was the last of it. Raises RequestRefusedError."""
        if not self.is_whole:
            self.take()
        return self.is_whole


def body_of(request: RequestHead, wire: Wire, limits: Limits) -> RequestBody:
    """The body that `request` announces."""
    facts = request.facts
    length = facts.get(b"content-length")
    if b"transfer-encoding" in facts:
        chunks, left, state = ChunkedBody(limits), 0, _ARRIVING
    else:
        left = 0 if length is None else int(length)
        chunks, state = None, _ARRIVING if left else _ARRIVED
    expected = facts.get(b"expect")
    if expected is not None and state is _ARRIVING and request.line.version == "1.1":
        state = _HELD_BACK if expected.lower() == b"100-continue" else _ARRIVING
    return RequestBody(wire, chunks, left, state)


class ChunkedBody:
    """The parser of a body in chunks. Extensions and trailers are read and dropped. No I/O here. RFC 9112 7.1"""

    __slots__ = ("_limit", "_overhead", "_parser", "_tail", "is_complete", "pieces")

    def __init__(self, limits: Limits) -> None:
        self.pieces: list[bytes] = []
        self.is_complete = False
        self._tail = b""
        self._overhead = 0
        self._limit = limits.max_header_bytes
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        """For httptools: some of it."""
        self.pieces.append(data)
        self._overhead = 0

    def on_message_complete(self) -> None:
        """For httptools."""
        self.is_complete = True

    def feed(self, data: bytes) -> bytes:
        """Take `data`; returns what comes after the end. Raises RequestRefusedError.

        httptools does not say where a message ended. It ends at an empty line, so it gets no more than up to the next.
        """
        text = self._tail + data
        view, start, searched = memoryview(text), len(self._tail), 0
        while start < len(text) and not self.is_complete:
            found = text.find(EMPTY_LINE, searched)
            end = found + len(EMPTY_LINE) if found >= 0 else len(text)
            self._overhead += end - start
            try:
                self._parser.feed_data(view[start:end])
            except HttpParserError:
                raise RequestRefusedError(400) from None
            if self._overhead > self._limit:
                raise RequestRefusedError(431)
            start = searched = end
        self._tail = text[-3:]
        return text[start:]
