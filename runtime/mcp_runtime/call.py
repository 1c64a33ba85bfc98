"""One stateless call on its way through the runtime. Rule: everything a handler may know of its request is in here.

Spec: 2026-07-28/basic#statelessness
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

import anyio

from mcp_runtime.protocol.headers import MirroredHeaders
from mcp_runtime.protocol.jsonrpc import Request
from mcp_runtime.protocol.meta import MetaProbe, RequestMetaObject
from mcp_runtime.subscriptions import Subscription

Transport = Literal["stdio", "streamable_http", "http_sse"]
Notify = Callable[[bytes], Awaitable[None]]
CloseStream = Callable[[], Awaitable[None]]


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """A request and what came with it.

    `notify` sends one encoded notification on the request's own stream, waiting where the reader is slow. `headers` is
    None where no headers mirror the body. `principal` is who was authenticated, None where nobody was; `peer` the
    network address it came from, None on stdio. `close_stream` lets go of the connection and keeps the stream, None
    where that cannot be. `scope` is cancelled to abandon the call.
    """

    request: Request
    probe: MetaProbe
    transport: Transport
    notify: Notify
    headers: MirroredHeaders | None = None
    principal: str | None = None
    peer: str | None = None
    close_stream: CloseStream | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    abandoned: bool = False
    meta: RequestMetaObject = field(default_factory=RequestMetaObject)
    timeout_s: float = math.inf

    def limit_time(self, timeout_s: float) -> None:
        """Cancel the call once it has run for `timeout_s` seconds from now."""
        self.timeout_s = timeout_s
        self.scope.deadline = anyio.current_time() + timeout_s

    def abandon(self) -> None:
        """The client gave up on this call: stop work on it and send nothing more for it."""
        self.abandoned = True
        self.scope.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The encoded response, the HTTP status it travels with, and seconds for `Retry-After` where a retry may help."""

    body: bytes
    status: int = 200
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An open subscription; when it ends by the server's will, `final` is the encoded response to send last."""

    subscription: Subscription
    final: bytes


Answer = Reply | Stream
