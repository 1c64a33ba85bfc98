"""A client over one HTTP/2 connection to a process, which shows every frame's event. Rule: every wait has a deadline."""

import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events

from tests.support.events import messages_in
from tests.support.messages import Message, encode, headers_for
from tests.support.server_process import PATIENCE_S

_CANCEL: Final = 8
"""The error code of a client that lost interest. RFC 9113, section 7."""


class Http2Connection:
    """A connection to the endpoint at `url`: by ALPN where `tls` is given, else by prior knowledge."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._authority, self._path, self._scheme = parts.netloc, parts.path, parts.scheme
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S)
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
            secured = tls.wrap_socket(self.socket, server_hostname=parts.hostname)
            assert secured.selected_alpn_protocol() == "h2"
            self.socket = secured
        self._h2 = h2.connection.H2Connection(config=h2.config.H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._flush()
        self.seen: list[h2.events.Event] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection without a word."""
        self.socket.close()

    def send(self, message: Message, extra: Mapping[str, str] | None = None) -> int:
        """POST `message`, with `extra` header fields. Returns the number of its stream."""
        stream = self._h2.get_next_available_stream_id()
        fields = [
            (":method", "POST"),
            (":scheme", self._scheme),
            (":authority", self._authority),
            (":path", self._path),
            *{**headers_for(message), **(extra or {})}.items(),
        ]
        self._h2.send_headers(stream, fields)
        self._h2.send_data(stream, encode(message), end_stream=True)
        self._flush()
        return stream

    def reset(self, stream: int) -> None:
        """Give up on one stream."""
        self._h2.reset_stream(stream, _CANCEL)
        self._flush()

    def fields(self, stream: int) -> dict[str, str]:
        """The header fields of the response, once they are there."""
        self._read_until(lambda: any(isinstance(e, h2.events.ResponseReceived) for e in self._of(stream)))
        response = next(e for e in self._of(stream) if isinstance(e, h2.events.ResponseReceived))
        return {str(name): str(value) for name, value in response.headers}

    def messages(self, stream: int, count: int | None = None) -> list[Message]:
        """The messages of the response: all of them once it is complete, or the first `count` as soon as they came."""
        fields = self.fields(stream)
        if not fields["content-type"].startswith("text/event-stream"):
            self._read_until(lambda: self.is_complete(stream))
            return [json.loads(self._body(stream))]
        self._read_until(lambda: self.is_complete(stream) or len(self._events(stream)) >= (count or 1_000_000))
        return self._events(stream)

    def answer(self, stream: int) -> Message:
        """The last message of the response."""
        return self.messages(stream)[-1]

    def ask(self, message: Message) -> Message:
        """Send a request and wait for the answer."""
        return self.answer(self.send(message))

    def settle(self) -> None:
        """Wait until both sides know each other's settings."""
        self._read_until(lambda: any(isinstance(event, h2.events.SettingsAcknowledged) for event in self.seen))

    def read_to_end(self) -> None:
        """Read until the server closes the connection."""
        while data := self.socket.recv(65_536):
            self.seen.extend(self._h2.receive_data(data))

    def is_complete(self, stream: int) -> bool:
        """Whether the server has ended its side of the stream."""
        return any(isinstance(event, h2.events.StreamEnded) for event in self._of(stream))

    def _events(self, stream: int) -> list[Message]:
        lines = self._body(stream).decode().split("\n")
        return list(messages_in(lines[:-1]))

    def _body(self, stream: int) -> bytes:
        return b"".join(event.data for event in self._of(stream) if isinstance(event, h2.events.DataReceived))

    def _of(self, stream: int) -> list[h2.events.Event]:
        return [event for event in self.seen if getattr(event, "stream_id", None) == stream]

    def _read_until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline, self.seen[-3:]
            data = self.socket.recv(65_536)
            assert data, f"the server closed the connection; before that: {self.seen[-3:]}"
            for event in self._h2.receive_data(data):
                self.seen.append(event)
                if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                    self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self._flush()

    def _flush(self) -> None:
        self.socket.sendall(self._h2.data_to_send())
