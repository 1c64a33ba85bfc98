"""HTTP requests as bytes and their answers as messages. Rule: one connection a question, every wait has a deadline."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

from tests.support.messages import encode, headers_for, request

Message = dict[str, Any]

PATH: Final = "/mcp"
HOST: Final = "127.0.0.1:8000"
"""Whatever the port really is: some only take a name with one."""
PATIENCE_S: Final = 20.0
LEGACY_VERSION: Final = "2025-11-25"


def post(body: bytes, headers: Mapping[str, str], path: str = PATH) -> bytes:
    """A whole HTTP/1.1 request."""
    fields = {"host": HOST, **headers, "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def modern(method: str, params: Mapping[str, Any] | None = None, **options: Any) -> bytes:
    """A request of 2026-07-28. `options` are those of `tests.support.messages.request`."""
    message = request(method, params, **{"capabilities": {}, **options})
    return post(encode(message), headers_for(message))


def legacy_headers(session: str | None = None) -> dict[str, str]:
    """What a client of 2025-11-25 sends with a message, in `session` where there is one."""
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if session is not None:
        headers |= {"mcp-session-id": session, "mcp-protocol-version": LEGACY_VERSION}
    return headers


def legacy(message: Message, session: str | None = None) -> bytes:
    """A message of 2025-11-25, in `session` where there is one."""
    return post(encode(message), legacy_headers(session))


INITIALIZE: Final[Message] = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": LEGACY_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1.0"},
    },
}
INITIALIZED: Final[Message] = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class Exchange:
    """One request on a connection of its own, and the response to it as far as its head."""

    def __init__(self, port: int, sent: bytes) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        try:
            self.connection.sendall(sent)
            self.response = http.client.HTTPResponse(self.connection)
            self.response.begin()
        except BaseException:
            self.connection.close()
            raise

    def messages(self) -> Iterator[Message]:
        """Its messages as they arrive."""
        return messages_of(self.response)

    def close(self) -> None:
        """Hang up."""
        self.response.close()
        self.connection.close()


def messages_of(response: http.client.HTTPResponse) -> Iterator[Message]:
    """The messages in the body of `response` as they arrive."""
    if response.headers.get_content_type() == "text/event-stream":
        for data in events(response):
            yield json.loads(data)
        return
    body = response.read()
    if body:
        yield json.loads(body)


def events(stream: IO[bytes] | http.client.HTTPResponse) -> Iterator[str]:
    """The data of the server-sent events in `stream`, what has none left out."""
    data: list[str] = []
    for raw in iter(stream.readline, b""):
        line = raw.decode().rstrip("\r\n")
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            text, data = "\n".join(data), []
            if text:
                yield text


def ask(port: int, sent: bytes) -> list[Message]:
    """The messages of the answer. Raises OSError, ValueError where there is none, or none of JSON."""
    exchange = Exchange(port, sent)
    try:
        return list(exchange.messages())
    finally:
        exchange.close()
