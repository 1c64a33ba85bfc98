"""Old clients over HTTP for a server that is a process: a session, and HTTP+SSE of 2024-11-05.

Rule: each request has a connection of its own, which is closed with the client.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from http.client import HTTPResponse
from types import TracebackType
from typing import Final, Self

from tests.support.blocking_http import Connection
from tests.support.messages import Message, encode

_ACCEPT: Final = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
_CAPABILITIES: Final[Message] = {"elicitation": {}, "sampling": {}, "roots": {}}


def old(method: str, request_id: int | str, **params: object) -> Message:
    """A request of the past."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def old_call(tool: str, request_id: int | str = 1, *, token: str | None = None, **arguments: object) -> Message:
    """A tools/call; with `token` it asks for progress."""
    meta = {} if token is None else {"_meta": {"progressToken": token}}
    return old("tools/call", request_id, name=tool, arguments=arguments, **meta)


def initialize(revision: str) -> Message:
    """The request that begins a conversation."""
    info = {"name": "old-process-test", "version": "1"}
    return old("initialize", 0, protocolVersion=revision, capabilities=_CAPABILITIES, clientInfo=info)


class _OldClient:
    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def _send(self, path: str, method: str, body: bytes, fields: Mapping[str, str]) -> Connection:
        connection = self._stack.enter_context(Connection(self._url))
        connection.path = path
        connection.send_body(body, fields, method)
        return connection


class SessionClient(_OldClient):
    """A client in a session of `revision` at `url`, whose endpoint is at `path`."""

    def __init__(self, url: str, path: str = "/mcp", *, revision: str = "2025-06-18") -> None:
        super().__init__(url)
        self._path = path
        self._headers = {**_ACCEPT, "mcp-protocol-version": revision}
        response = self.open(initialize(revision)).response()
        self._headers["mcp-session-id"] = response.headers["mcp-session-id"]
        response.read()

    def open(self, message: Message | list[Message]) -> Connection:
        """POST a message, or a batch; the response comes on the connection."""
        return self._send(self._path, "POST", encode(message), self._headers)

    def listen(self, last_event_id: str | None = None) -> HTTPResponse:
        """Open the GET stream, or take one up."""
        fields = {**self._headers, "accept": "text/event-stream"}
        if last_event_id is not None:
            fields["last-event-id"] = last_event_id
        return self._send(self._path, "GET", b"", fields).response()

    def status(self, message: Message) -> int:
        """POST a message; the status of the answer, which is read to its end."""
        response = self.open(message).response()
        response.read()
        return response.status

    def end(self) -> int:
        """DELETE the session; the status of the answer."""
        return self._send(self._path, "DELETE", b"", self._headers).response().status


class SseClient(_OldClient):
    """A client with an HTTP+SSE stream at `url`, below `prefix`."""

    def __init__(self, url: str, prefix: str = "") -> None:
        super().__init__(url)
        self.connection = self._send(f"{prefix}/sse", "GET", b"", {"accept": "text/event-stream"})
        self.response = self.connection.response()
        self._endpoint = f"{prefix}/{next(self._data())}"
        self.post(initialize("2024-11-05"))
        assert "result" in next(self.messages())

    def _data(self) -> Iterator[str]:
        for line in iter(self.response.readline, b""):
            if line.startswith(b"data:"):
                yield line.decode().removeprefix("data:").strip()

    def messages(self) -> Iterator[Message]:
        """What is said on the stream, to its end."""
        yield from map(json.loads, self._data())

    def post(self, message: Message) -> None:
        """Send a message, whose answer comes on the stream."""
        response = self._send(self._endpoint, "POST", encode(message), _ACCEPT).response()
        assert response.status == 202, response.read()
