"""One HTTP request to an ASGI application, from the client's end, without a socket. Rule: ASGI is checked, not assumed.

What a real server does to an application is done here too: a body in pieces, a reader that stalls, a client that leaves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import anyio
from starlette.types import ASGIApp

from tests.support.mailbox import EndOfMail, Mailbox

_MANY: Final = 1_000_000
Gone = Literal["silent", "raises"]
"""What `send` does once the client has left: nothing, as under Hypercorn, or raise OSError, as ASGI 2.4 allows."""


class ProtocolViolation(AssertionError):
    """The application broke the ASGI protocol."""


@dataclass
class Response:
    """What has come back so far."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of a header, None where it is absent; one that comes twice is an error."""
        found = [value for key, value in self.headers if key == name.encode()]
        assert len(found) <= 1, self.headers
        return found[0].decode("latin-1") if found else None


class Exchange:
    """A request being made.

    `window` is how many pieces of the response the reader lets wait; the application's next `send` waits too.
    """

    def __init__(
        self,
        *,
        headers: Mapping[str, str] | Sequence[tuple[bytes, bytes]],
        method: str = "POST",
        path: str = "/mcp",
        client: tuple[str, int] | None = ("127.0.0.1", 50_000),
        window: int = _MANY,
        gone: Gone = "silent",
        root_path: str = "",
        query: str = "",
    ) -> None:
        self.response = Response()
        self.unread_by_app = 0
        self.left = anyio.Event()
        """Set when the client left."""
        self.started = anyio.Event()
        """Set when status and headers are there."""
        self.complete = anyio.Event()
        """Set when the response is there to its end."""
        self.returned = anyio.Event()
        """Set when the application is done with the request."""
        self.waiting_to_send = False
        """Whether the application waits for the reader."""
        self.after_left: list[dict[str, Any]] = []
        """What the application still sent when the client was gone."""
        self._gone = gone
        self._uploads: Mailbox[dict[str, Any]] = Mailbox()
        self._downloads: Mailbox[bytes] = Mailbox(window)
        self._uploaded = False
        raw = (
            [(key.lower().encode(), value.encode("latin-1")) for key, value in headers.items()]
            if isinstance(headers, Mapping)
            else list(headers)
        )
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4" if gone == "raises" else "2.1"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": root_path,
            "query_string": query.encode("latin-1"),
            "headers": raw if any(key == b"host" for key, _ in raw) else [(b"host", b"127.0.0.1:8000"), *raw],
            "client": client,
            "server": ("127.0.0.1", 8000),
            "state": {},
        }

    async def run(self, app: ASGIApp) -> None:
        """Have `app` serve the request."""
        try:
            await app(self._scope, self._receive, self._send)
        finally:
            self.returned.set()
            self._downloads.end()

    # The application's end.

    async def _receive(self) -> dict[str, Any]:
        try:
            message = await self._uploads.get()
        except EndOfMail:
            return {"type": "http.disconnect"}
        self.unread_by_app -= len(message["body"])
        return message

    async def _send(self, message: Any) -> None:
        await anyio.lowlevel.checkpoint()
        if self.left.is_set():
            self.after_left.append(message)
        match message["type"]:
            case "http.response.start":
                self._start(message)
            case "http.response.body":
                await self._body(message)
            case other:
                raise ProtocolViolation(f"unknown message {other}")

    def _start(self, message: dict[str, Any]) -> None:
        if self.started.is_set():
            raise ProtocolViolation("http.response.start came twice")
        self._leave_check()
        if not isinstance(message["headers"], list):
            raise ProtocolViolation("middleware of a host adds to the headers, which can be done to a list only")
        self.response.status = message["status"]
        self.response.headers = [(bytes(key), bytes(value)) for key, value in message.get("headers", [])]
        for key, value in self.response.headers:
            if key != key.lower() or any(byte in key + value for byte in b"\r\n\0"):
                raise ProtocolViolation(f"header {key!r}: {value!r}")
        self.started.set()

    async def _body(self, message: dict[str, Any]) -> None:
        if not self.started.is_set() and not self.left.is_set():
            raise ProtocolViolation("http.response.body came before http.response.start")
        if self.complete.is_set():
            raise ProtocolViolation("http.response.body came after the end")
        self._leave_check()
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        if chunk:
            self.waiting_to_send = True
            try:
                await self._downloads.put_and_wait(chunk)
            except EndOfMail:
                self._leave_check()
                return
            finally:
                self.waiting_to_send = False
        self.response.body += chunk
        if not more:
            self._end()

    def _end(self) -> None:
        length = self.response.header("content-length")
        bodiless = self._scope["method"] == "HEAD"
        if length is not None and not bodiless and int(length) != len(self.response.body):
            raise ProtocolViolation(f"content-length {length}, body of {len(self.response.body)}")
        self.complete.set()
        self._downloads.end()
        if self._uploaded:
            self._uploads.end()

    def _leave_check(self) -> None:
        if self.left.is_set() and self._gone == "raises":
            raise OSError("the client is gone")

    # The client's end.

    def upload(self, chunk: bytes, *, more: bool = False) -> None:
        """Send a piece of the body, the last one unless there is `more`."""
        self.unread_by_app += len(chunk)
        self._uploads.put({"type": "http.request", "body": chunk, "more_body": more})
        if not more:
            self._uploaded = True
            if self.complete.is_set():
                self._uploads.end()

    def disconnect(self) -> None:
        """Leave, without a word."""
        self.left.set()
        self._uploads.end()
        self._downloads.end()

    async def read(self) -> bytes | None:
        """The next piece of the response's body, None at its end."""
        try:
            return await self._downloads.get()
        except EndOfMail:
            return None

    async def read_all(self) -> Response:
        """The response, read to its end."""
        while await self.read() is not None:
            pass
        await self.returned.wait()
        return self.response
