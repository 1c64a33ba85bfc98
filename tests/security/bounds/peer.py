"""A server with small limits, as one case of the table of bounds meets it. Rule: what a case holds ends with the case."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from select import select
from typing import Any, Final

from tests.support.blocking_http import Connection
from tests.support.messages import Message, encode, headers_for
from tests.support.server_process import PATIENCE_S, ServerProcess

SOMEBODY: Final = "203.0.113.7"
"""The address of a client that has a share, by the word of a trusted proxy."""
POST_HEAD: Final = (
    b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"accept: application/json, text/event-stream\r\n"
)

Case = Callable[["Peer"], str]
"""Tries a bound at its edge: what is at it passes, which the case asserts. Returns what became of one past it, in the
words of the table."""


class Answer:
    """One answer over HTTP: its status, its header fields in lower case, and its JSON."""

    def __init__(self, connection: Connection) -> None:
        response = connection.response()
        self.status = response.status
        self.fields = {name.lower(): value for name, value in response.headers.items()}
        self.is_stream = response.headers.get_content_type() == "text/event-stream"
        body = b"" if self.is_stream else response.read()
        self.message: Any = json.loads(body) if body else None

    @property
    def code(self) -> int | None:
        """The code of the error that it is."""
        return self.message["error"]["code"] if "error" in self.message else None

    @property
    def words(self) -> str:
        """What an error says, or the text of a tool's result."""
        if "error" in self.message:
            return str(self.message["error"]["message"])
        return "".join(block.get("text", "") for block in self.message["result"]["content"])


class Peer:
    """A server and what one case has open to it."""

    def __init__(self, process: ServerProcess, url: str, directory: Path, stack: ExitStack) -> None:
        self.process = process
        self.url = url
        self.directory = directory
        self.stack = stack

    def connect(self) -> Connection:
        return self.stack.enter_context(Connection(self.url))

    def sent(self, message: Message, address: str | None = None) -> Connection:
        """A connection with a request under way, of the client at an address, or of one that nobody names."""
        connection = self.connect()
        connection.send(message, {} if address is None else {"x-forwarded-for": address})
        return connection

    def ask(self, message: Message, address: str | None = None) -> Answer:
        return Answer(self.sent(message, address))

    def post(self, body: bytes, message: Message) -> Answer:
        """The answer to `body`, with the header fields of `message`."""
        connection = self.connect()
        connection.send_body(body, headers_for(message))
        return Answer(connection)

    def get(self, path: str, fields: Mapping[str, str]) -> Answer:
        connection = self.connect()
        connection.path = path
        connection.send_body(b"", {"accept": "text/event-stream", **fields}, "GET")
        return Answer(connection)

    def raw(self, data: bytes) -> Connection:
        """A connection on which these bytes were sent, and no more."""
        connection = self.connect()
        with suppress(ConnectionError):
            connection.socket.sendall(data)
        return connection

    def wait_until(self, holds: Callable[[], bool]) -> None:
        self.process.errors.wait_until(holds)


def rest_of(connection: Connection) -> bytes:
    """All that comes until the server closes the connection."""
    received = b""
    with suppress(ConnectionError):
        while more := connection.socket.recv(65_536):
            received += more
    return received


def status_of(head: bytes) -> str:
    """The status in the head of a response of HTTP/1.1."""
    return head.partition(b" ")[2][:3].decode()


def with_something_to_read(connections: Sequence[Connection], wait_s: float = PATIENCE_S) -> list[Connection]:
    by_socket = {connection.socket: connection for connection in connections}
    return [by_socket[one] for one in select(list(by_socket), [], [], wait_s)[0]]


def padded(message: Message, size_bytes: int) -> bytes:
    """A message of this length."""
    return encode(message).ljust(size_bytes)


def edge(passes: Callable[[int], bool], low: int, high: int) -> int:
    """The last number that passes, of `low`, which has to, up to `high`, which must not."""
    assert passes(low)
    assert not passes(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low
