"""An HTTP/2 client that sends any frames, right or wrong, and says what came of them. Rule: every wait has a deadline."""

import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection
from socket import socket as Socket  # noqa: N812  # a class
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from h2.errors import ErrorCodes
from hpack import Decoder, Encoder
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame

from tests.support.server_process import PATIENCE_S

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()
Field = tuple[bytes, bytes]


def get(path: bytes = b"/mcp", method: bytes = b"GET") -> list[Field]:
    """The pseudo header fields of a request."""
    return [(b":method", method), (b":scheme", b"http"), (b":authority", b"localhost"), (b":path", path)]


def block(fields: Iterable[Field]) -> bytes:
    """Header fields as HPACK, without the table that a connection shares."""
    encoder = Encoder()
    encoder.header_table_size = 0
    return bytes(encoder.encode(list(fields)))


def headers(stream: int, fields: Iterable[Field], *flags: str) -> bytes:
    """A HEADERS frame; `flags` such as END_STREAM."""
    return HeadersFrame(stream, block(fields), flags=["END_HEADERS", *flags]).serialize()


def data(stream: int, payload: bytes, *flags: str) -> bytes:
    """A DATA frame."""
    return DataFrame(stream, payload, flags=list(flags)).serialize()


@dataclass(slots=True)
class Outcome:
    """What came of a stream: a status, the end of the response, the error code of a reset."""

    status: str = ""
    is_whole: bool = False
    reset: str = ""
    credit: int = 65_535

    def __str__(self) -> str:
        return " ".join(filter(None, (self.status, "whole" if self.is_whole else "", self.reset)))


@dataclass(slots=True)
class RawHttp2:
    """One connection to the endpoint at `url`: by ALPN where `tls` is given, else by prior knowledge."""

    url: str
    tls: ssl.SSLContext | None = None
    streams: dict[int, Outcome] = field(default_factory=dict[int, Outcome])
    goodbye: str = ""
    credit: int = 65_535
    socket: Socket = field(init=False)
    _decoder: Decoder = field(default_factory=Decoder)
    _received: bytes = b""

    def __enter__(self) -> Self:
        parts = urlsplit(self.url)
        self.socket = create_connection((parts.hostname, parts.port), timeout=PATIENCE_S)
        self.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        if self.tls is not None:
            self.tls.set_alpn_protocols(["h2"])
            self.socket = self.tls.wrap_socket(self.socket, server_hostname=parts.hostname)
        self.send(PREFACE)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.socket.close()

    def send(self, frames: bytes) -> None:
        """Send these bytes, or as many as are taken."""
        with suppress(ConnectionError):
            self.socket.sendall(frames)

    def send_body(self, stream: int, size: int) -> None:
        """Send so many bytes in DATA frames, as the server gives credit for them, then END_STREAM."""
        while size:
            self.read_until(lambda: min(self.of(stream).credit, self.credit) > 0)
            step = min(size, self.of(stream).credit, self.credit, 16_384)
            size -= step
            self.of(stream).credit -= step
            self.credit -= step
            self.send(data(stream, bytes(step), *(() if size else ("END_STREAM",))))

    def of(self, stream: int) -> Outcome:
        """What has come of this stream so far."""
        return self.streams.setdefault(stream, Outcome())

    def is_over(self, stream: int) -> bool:
        """Whether nothing more comes on it."""
        return self.of(stream).is_whole or bool(self.of(stream).reset)

    def read_until(self, done: Callable[[], bool]) -> bool:
        """Read until `done`; False where the server closes the connection before."""
        while not done():
            try:
                received = self.socket.recv(65_536)
            except ConnectionError:
                return False
            if not received:
                return False
            self._received += received
            self._take_frames()
        return True

    def _take_frames(self) -> None:
        while len(self._received) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self._received[:9]))
            if len(self._received) < 9 + length:
                return
            frame.parse_body(memoryview(self._received[9 : 9 + length]))
            self._received = self._received[9 + length :]
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        outcome = self.of(frame.stream_id)
        if isinstance(frame, HeadersFrame):
            fields = self._decoder.decode(frame.data, raw=True)
            outcome.status = next(bytes(value).decode() for name, value in fields if name == b":status")
        elif isinstance(frame, RstStreamFrame):
            outcome.reset = ErrorCodes(frame.error_code).name
        elif isinstance(frame, GoAwayFrame):
            self.goodbye = ErrorCodes(frame.error_code).name
        elif (increment := getattr(frame, "window_increment", None)) is not None:
            if frame.stream_id:
                outcome.credit += increment
            else:
                self.credit += increment
        if "END_STREAM" in frame.flags:
            outcome.is_whole = True
