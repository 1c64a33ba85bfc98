"""A server on a loopback socket in this test's own trio run, and a client that sends bytes. Rule: the client is dumb."""

import re
import socket
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import trio
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_runtime.config import Config, HttpConfig
from mcp_runtime.config.limits import Limits
from mcp_runtime.server.http.http_server import serve_http
from mcp_runtime.server.http.sockets import open_listeners

Parser = Literal["httptools", "h11"]
PARSERS: Final[tuple[Parser, ...]] = ("httptools", "h11")
PATIENCE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass(slots=True)
class Peer:
    """One client connection."""

    stream: trio.abc.HalfCloseableStream | trio.SSLStream[trio.SocketStream]
    received: bytes = b""
    address: object = None

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def end(self) -> None:
        """Send nothing more, but go on reading."""
        assert isinstance(self.stream, trio.SocketStream)
        await self.stream.send_eof()

    async def more(self) -> bool:
        """Read on; False at the end."""
        try:
            data = await self.stream.receive_some(65_536)
        except trio.BrokenResourceError:
            return False
        self.received += bytes(data)
        return bool(data)

    async def until(self, end: bytes) -> bytes:
        """Everything up to and with `end`."""
        while end not in self.received:
            assert await self.more(), f"the connection ended after {self.received!r}"
        taken, found, self.received = self.received.partition(end)
        return taken + found

    async def exactly(self, size: int) -> bytes:
        while len(self.received) < size:
            assert await self.more(), f"the connection ended after {len(self.received)} of {size} bytes"
        taken, self.received = self.received[:size], self.received[size:]
        return taken

    async def to_the_end(self) -> bytes:
        """Everything until the server closes."""
        while await self.more():
            pass
        taken, self.received = self.received, b""
        return taken

    async def is_closed(self) -> bool:
        return await self.to_the_end() == b""

    async def head(self) -> Answer:
        """The next answer without its body."""
        lines = (await self.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = [line.partition(": ") for line in lines[1:-2]]
        return Answer(int(lines[0].split()[1]), [(name.lower(), value) for name, _, value in fields], b"")

    async def answer(self, *, head_only: bool = False) -> Answer:
        """The next answer, however it is framed."""
        head = await self.head()
        if head_only or head.status in {100, 204, 304}:
            return head
        if (length := head.header("content-length")) is not None:
            body = await self.exactly(int(length))
        elif head.header("transfer-encoding") == "chunked":
            body = b"".join([chunk async for chunk in self.chunks()])
        else:
            body = await self.to_the_end()
        return Answer(head.status, head.headers, body)

    async def chunks(self) -> AsyncGenerator[bytes]:
        while size := int(await self.until(b"\r\n"), 16):
            yield await self.exactly(size)
            assert await self.exactly(2) == b"\r\n"
        assert await self.exactly(2) == b"\r\n"


@dataclass(slots=True, kw_only=True)
class Served:
    """The server: where it is, and how to have it end."""

    port: int
    tls: ssl.SSLContext | None = None
    draining: trio.Event = field(default_factory=trio.Event)
    ended: trio.Event = field(default_factory=trio.Event)

    @asynccontextmanager
    async def peer(self, *, receive_buffer_bytes: int | None = None) -> AsyncGenerator[Peer]:
        sock = trio.socket.socket()
        if receive_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        await sock.connect(("127.0.0.1", self.port))
        plain = trio.SocketStream(sock)
        stream = (
            trio.SSLStream(plain, self.tls, server_hostname="127.0.0.1", https_compatible=True) if self.tls else plain
        )
        try:
            yield Peer(stream, address=sock.getsockname())
        finally:
            await trio.aclose_forcefully(stream)

    async def statuses(self, *parts: bytes) -> list[int]:
        """The statuses of all that is answered to a client that sends these one by one, and then no more."""
        with trio.fail_after(PATIENCE_S):
            async with self.peer() as peer:
                with suppress(trio.BrokenResourceError):  # It is refused and closed half-way.
                    for part in parts:
                        await peer.send(part)
                    await peer.end()
                received = await peer.to_the_end()
        return [int(status) for status in re.findall(rb"(?:^|(?<=\n)|(?<=\}))HTTP/1\.1 (\d{3})", received)]


@asynccontextmanager
async def serving(
    app: ASGIApp,
    *,
    parser: Parser = "httptools",
    limits: Limits | None = None,
    tls: tuple[Path, Path, ssl.SSLContext] | None = None,
    **http: Any,
) -> AsyncGenerator[Served]:
    """Serve `app`. `http` are keys of HttpConfig; `tls` is certificate, key and a context for clients."""
    if tls is not None:
        http |= {"tls_certificate_file": str(tls[0]), "tls_key_file": str(tls[1])}
    config = HttpConfig(parser=parser, **http)
    [listener] = open_listeners(Config(), "http.bind", ["127.0.0.1:0"], scheme="http")
    served = Served(port=listener.sock.getsockname()[1], tls=tls[2] if tls else None)
    async with trio.open_nursery() as nursery:

        async def serve(*, task_status: "trio.TaskStatus[list[str]]" = trio.TASK_STATUS_IGNORED) -> None:
            await serve_http(
                app,
                [listener],
                config,
                limits=limits or Limits(),
                tls=tls is not None,
                drain=served.draining.wait,
                task_status=task_status,
            )
            served.ended.set()

        await nursery.start(serve)
        yield served
        nursery.cancel_scope.cancel()


async def whole_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        body += bytes(message["body"])
        if not message["more_body"]:
            return body


async def reply(
    send: Send, body: bytes = b"", status: int = 200, headers: Sequence[tuple[bytes, bytes]] | None = None
) -> None:
    if headers is None:
        headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what was asked: `{METHOD target body}`."""
    try:
        body = await whole_body(receive)
    except ConnectionResetError:
        return
    await reply(send, b"{%b %b %b}" % (scope["method"].encode(), scope["raw_path"], body))
