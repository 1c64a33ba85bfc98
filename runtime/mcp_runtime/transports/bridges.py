"""The port where bridges attach. Rule: of an older revision it says no more than that a message may be one's.

Spec: 2026-07-28/basic/versioning#backward-compatibility-with-initialization-based-versions
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec import Struct

from mcp_runtime.platform.loops import LentScope
from mcp_runtime.protocol.jsonrpc import Message
from mcp_runtime.transports.http.direct import Shortcut

if TYPE_CHECKING:  # stdio uses this file too, and has no use for starlette
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from mcp_runtime.core.calls.observers import Observer
    from mcp_runtime.transports.http.watch import Watch


class LegacyExchange(Struct, frozen=True, kw_only=True):
    """One HTTP request for a bridge: its ASGI ends, its headers by name, and headers for the answer (CORS).

    `message` is the one in its body, where that was read and is no batch.
    `shortcut` is the request's, where there is one.
    """

    scope: "Scope"
    receive: "Receive"
    send: "Send"
    request_headers: Mapping[bytes, bytes]
    headers: list[tuple[bytes, bytes]]
    message: Message | None = None
    shortcut: Shortcut | None = None

    @property
    def lent(self) -> LentScope | None:
        """A scope in which one call may be cut off, where the server has one to lend, and it was not given back."""
        return None if self.shortcut is None or self.shortcut.lent.scope is None else self.shortcut.lent


class HttpBridge(Protocol):
    """Serves what clients of older revisions send over HTTP."""

    async def serve(self, exchange: LegacyExchange, *, body: bytes | None) -> bool:
        """Answer one HTTP request: True where it was answered, False where it is none of the bridge's.

        `body` is that of a POST to the MCP endpoint whose message is legacy, read already; None for any other request.
        Raises PeerError and HttpRefusalError for the transport to answer.
        """
        ...


class StdioWire(msgspec.Struct, frozen=True, kw_only=True):
    """The way back to the client on stdio: `send` writes one encoded message, `start` runs something beside others."""

    send: Callable[[bytes], Awaitable[None]]
    start: Callable[[Callable[[], Awaitable[None]]], None]


class StdioBridge(Protocol):
    """Serves what clients of older revisions send on stdin: the one conversation of this process."""

    async def serve(self, message: Message) -> None:
        """Take one legacy message; what takes time goes on beside. Raises PeerError for the transport to answer."""
        ...

    async def serve_batch(self, line: bytes) -> None:
        """Take several messages in one line, a JSON array. Raises PeerError as `serve`."""
        ...

    def close(self) -> None:
        """The input has ended: end what would go on forever."""
        ...


class Bridges(Protocol):
    """All bridges of a server. A server without them serves 2026-07-28 alone."""

    def http(self, watch: "Watch") -> HttpBridge:
        """The bridge for HTTP; `watch` looks after its calls."""
        ...

    def stdio(self, wire: StdioWire) -> StdioBridge | None:
        """A bridge for the client on stdio, None where it is off."""
        ...

    def observer(self) -> "Observer | None":
        """Who wants to know of requests of modern revisions, None for nobody: they show who could leave the past."""
        ...

    def admin_routes(self) -> "Sequence[BaseRoute]":
        """Pages for the operator."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """What has to run around all of them."""
        ...

    def close(self) -> None:
        """The server is stopping: streams end once what is at work on them is done."""
        ...
