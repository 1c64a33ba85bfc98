"""A client over HTTP/1.1 for a server that is a process. Rule: every wait has a deadline.

It blocks on its socket and reads when it is asked to, so that a test decides what is under way. The client of
`http_client.py` is none of that: it calls the application in this process, in virtual time.
"""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.events import messages_in
from tests.support.messages import Message, encode, headers_for
from tests.support.server_process import PATIENCE_S


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Connection:
    """One connection to the endpoint at `url`, which is an http, https or unix:FILE/PATH one; `tls` is for https."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None, timeout_s: float = PATIENCE_S) -> None:
        self._http, self.path = _open(url, tls, timeout_s)
        self._response: http.client.HTTPResponse | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, whatever is under way on it."""
        if self._response is not None:
            self._response.close()
        self._http.close()

    @property
    def socket(self) -> socket.socket:
        """The socket, connected by now."""
        if self._http.sock is None:
            self._http.connect()
        assert self._http.sock is not None
        sock: socket.socket = self._http.sock
        return sock

    def send(self, message: Message, extra: Mapping[str, str] | None = None) -> None:
        """POST `message`."""
        self.send_body(encode(message), {**headers_for(message), **(extra or {})})

    def send_body(self, body: bytes, fields: Mapping[str, str], method: str = "POST") -> None:
        """Send a request with this body and these header fields."""
        self._http.request(method, self.path, body=body, headers=dict(fields))

    def response(self) -> http.client.HTTPResponse:
        """Wait for the head of the response. Raises http.client.RemoteDisconnected, ConnectionError, TimeoutError."""
        self._response = self._http.getresponse()
        return self._response

    def messages(self) -> Iterator[Message]:
        """The messages of the response as they arrive: one of JSON, any number of an event stream."""
        response = self._response or self.response()
        if response.headers.get_content_type() == "text/event-stream":
            yield from messages_in(line.decode() for line in iter(response.readline, b""))
            return
        body = response.read()
        assert response.headers.get_content_type() == "application/json", (response.status, body)
        yield json.loads(body)

    def answer(self) -> Message:
        """The last message of the response."""
        *_, last = self.messages()
        self._response = None
        return last

    def ask(self, message: Message) -> Message:
        """Send a request and wait for the answer to it."""
        self.send(message)
        answer = self.answer()
        assert answer.get("id") == message["id"], answer
        return answer


def ask(url: str, message: Message, *, tls: ssl.SSLContext | None = None) -> Message:
    """Send a request on a connection of its own and wait for the answer."""
    with closing(Connection(url, tls=tls)) as connection:
        return connection.ask(message)


def get(url: str, path: str) -> tuple[int, str]:
    """Status and text of a GET of `path`, on a connection of its own to where `url` points."""
    with closing(Connection(url)) as connection:
        connection.path = path
        connection.send_body(b"", {}, "GET")
        response = connection.response()
        return response.status, response.read().decode()


def accepts_connections(url: str) -> bool:
    """Whether something listens at `url`."""
    with closing(Connection(url)) as connection:
        try:
            return connection.socket.fileno() >= 0
        except (ConnectionRefusedError, ConnectionResetError, FileNotFoundError):
            return False  # Reset: it was in the queue of a listener that closed.


def _open(url: str, tls: ssl.SSLContext | None, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    if url.startswith("unix:"):
        file, _, path = url.removeprefix("unix:").rpartition("/mcp")
        return _UnixConnection(file if _ else path, timeout_s), "/mcp"
    parts = urlsplit(url)
    assert parts.hostname is not None
    if parts.scheme == "https":
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=tls), parts.path
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s), parts.path
