"""A client on each kind of wire, of either era, that may have several requests under way. Rule: answers go by their id."""

import json
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any, Final, Protocol

from tests.support.blocking_http import Connection
from tests.support.blocking_stdio import StdioServer
from tests.support.messages import Message, encode, headers_for, request

_ACCEPT: Final = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


def old(method: str, params: Message, request_id: int | str) -> Message:
    """A request as clients before 2026-07-28 write it."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def opening(revision: str) -> Message:
    """An `initialize`."""
    info = {"name": "old-desk", "version": "3.1"}
    return old("initialize", {"protocolVersion": revision, "capabilities": {}, "clientInfo": info}, "opening")


class Wire(Protocol):
    """Sends requests, and waits for the answer to one of them."""

    def start(self, request_id: str, method: str, **params: Any) -> None:
        """Send a request."""
        ...

    def wait(self, request_id: str) -> Message:
        """The answer to it."""
        ...

    def close(self) -> None:
        """Leave."""
        ...


class _OneChannel:
    """Answers that come on one channel, in any order."""

    def __init__(self) -> None:
        self._answers: dict[str, Message] = {}

    def receive(self) -> Message:
        """The next message."""
        raise NotImplementedError

    def wait(self, request_id: str) -> Message:
        """The answer to this request."""
        while request_id not in self._answers:
            message = self.receive()
            if "method" not in message:
                self._answers[str(message["id"])] = message
        return self._answers.pop(request_id)

    def close(self) -> None:
        """Leave."""


class StdioWire(_OneChannel):
    """Standard input and output of `server`; with a handshake where it is `old`."""

    def __init__(self, server: StdioServer, *, is_old: bool) -> None:
        super().__init__()
        self._server = server
        self._is_old = is_old
        if is_old:
            server.ask(opening("2025-11-25"))

    def receive(self) -> Message:
        """The next line."""
        return self._server.receive()

    def start(self, request_id: str, method: str, **params: Any) -> None:
        """Send a request."""
        self._server.send(old(method, params, request_id) if self._is_old else request(method, params, id=request_id))


class HttpWire:
    """Requests by POST, on connections that are kept; in a session where it is `old`."""

    def __init__(self, *, connect: Any, is_old: bool) -> None:
        self._connect = connect
        self._free: list[Connection] = []
        self._waiting: dict[str, Connection] = {}
        self._session: dict[str, str] = {}
        if is_old:
            connection = self._connection()
            connection.send_body(encode(opening("2025-06-18")), _ACCEPT)
            self._session = {"mcp-session-id": connection.response().headers["mcp-session-id"]}
            connection.answer()
            self._free.append(connection)

    def _connection(self) -> Connection:
        if self._free:
            return self._free.pop()
        connection: Connection = self._connect()
        return connection

    def start(self, request_id: str, method: str, **params: Any) -> None:
        """Send a request."""
        connection = self._waiting[request_id] = self._connection()
        if self._session:
            connection.send_body(encode(old(method, params, request_id)), {**_ACCEPT, **self._session})
        else:
            message = request(method, params, id=request_id)
            connection.send_body(encode(message), headers_for(message))

    def wait(self, request_id: str) -> Message:
        """The answer to this request."""
        connection = self._waiting.pop(request_id)
        answer = connection.answer()
        assert answer["id"] == request_id
        self._free.append(connection)
        return answer

    def close(self) -> None:
        """Close the connections."""
        for connection in (*self._free, *self._waiting.values()):
            connection.close()


class SseWire(_OneChannel):
    """A stream of 2024-11-05, and what is posted for it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._stream, self._posts = Connection(url), Connection(url)
        self._stream.path = "/sse"
        self._stream.send_body(b"", {"accept": "text/event-stream"}, "GET")
        self._data = _data(self._stream.response())
        self._posts.path = next(self._data)
        if not self._posts.path.startswith("/"):
            self._posts.path = f"/{self._posts.path}"
        self._post(opening("2024-11-05"))
        self.wait("opening")

    def _post(self, message: Message) -> None:
        self._posts.send_body(encode(message), _ACCEPT)
        response = self._posts.response()
        assert response.status == 202, response.read()
        response.read()

    def receive(self) -> Message:
        """The next event."""
        return dict(json.loads(next(self._data)))

    def start(self, request_id: str, method: str, **params: Any) -> None:
        """Send a request."""
        self._post(old(method, params, request_id))

    def close(self) -> None:
        """Close stream and connection."""
        with suppress(OSError):
            self._stream.close()
        self._posts.close()


def _data(response: HTTPResponse) -> Iterator[str]:
    for line in iter(response.readline, b""):
        if line.startswith(b"data:"):
            yield line.removeprefix(b"data:").strip().decode()
