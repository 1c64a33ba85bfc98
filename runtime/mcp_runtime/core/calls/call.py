"""One stateless call on its way through the runtime. Rule: everything a handler may know of its request is in here.

Spec: 2026-07-28/basic#statelessness
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import anyio
from msgspec import UNSET, Struct, field
from msgspec.structs import asdict

from mcp_runtime.core.calls.subscriptions import Subscription
from mcp_runtime.platform.loops import ANY_LOOP, new_scope
from mcp_runtime.protocol.headers import Headers
from mcp_runtime.protocol.jsonrpc import Request
from mcp_runtime.protocol.meta import RequestMetaObject, trace_context
from mcp_runtime.telemetry.labels import OutcomeName, TransportName

Notify = Callable[[bytes], Awaitable[None]]
CloseStream = Callable[[], Awaitable[None]]

_NO_META: Final = RequestMetaObject()


class Call(Struct, kw_only=True, eq=False):
    """A request and what came with it.

    `notify` sends one encoded notification on the request's
    own stream, waiting where the reader is slow. `headers` is None where no headers mirror the body. `principal` is who
    was authenticated, None where nobody was; `peer` the network address it came from, None on stdio. `close_stream`
    lets go of the connection and keeps the stream, None where that cannot be. `http_headers` are all headers of its
    HTTP request by name, None on stdio; `asked` the methods of what the handler wanted to know from the client.
    `spoken` is the revision of its client where a bridge speaks for it.

    `scope` is cancelled to abandon the call. The dispatcher enters it, unless the transport is `in_scope` already; then
    the transport asks the dispatcher for an answer when the scope was cancelled. `watched_after_s` is when somebody
    calls `keep_time`, infinite where nobody does. `now` is the loop's clock; `began` is when the call came in, by that,
    where it was just now; `ends_at` when its time is up.
    """

    request: Request
    transport: TransportName
    notify: Notify
    headers: Headers | None = None
    principal: str | None = None
    peer: str | None = None
    close_stream: CloseStream | None = None
    http_headers: Mapping[bytes, bytes] | None = None
    asked: list[str] = []
    spoken: str | None = None
    scope: anyio.CancelScope = field(default_factory=new_scope)
    in_scope: bool = False
    abandoned: bool = False
    meta: RequestMetaObject = _NO_META
    timeout_s: float = math.inf
    watched_after_s: float = math.inf
    now: Callable[[], float] = ANY_LOOP.now
    began: float | None = None
    ends_at: float = math.inf

    def limit_time(self, timeout_s: float) -> None:
        """Cancel the call once it has run for `timeout_s` seconds."""
        self.timeout_s = timeout_s
        self.ends_at = (self.now() if self.began is None else self.began) + timeout_s
        # A deadline costs as much as the rest of a small call, and most calls are over before it could matter.
        if timeout_s <= self.watched_after_s:
            self.scope.deadline = self.ends_at

    def keep_time(self) -> None:
        """The call is not over yet: from here on its time limit counts."""
        self.watched_after_s = math.inf
        if self.ends_at < math.inf:
            self.scope.deadline = self.ends_at

    async def tell(self, message: bytes) -> None:
        """`notify`, unless the call's time is up: then it is cancelled before anything is sent."""
        if self.is_late:
            self.scope.cancel()
        await self.notify(message)

    @property
    def is_late(self) -> bool:
        """Whether its time is up: a handler that blocks its thread is not stopped when it should be."""
        return self.ends_at < math.inf and self.now() >= self.ends_at

    def log_fields(self) -> dict[str, object]:
        """What every log event about it says: method and id, its client, and the trace that it is part of."""
        fields: dict[str, object] = {"method": self.request.method, "request_id": self.request.id}
        info = self.meta.client_info
        if info is not UNSET:
            fields["client"] = f"{info.name}/{info.version}"
        trace = trace_context(self.meta)
        fields.update((name, value) for name, value in asdict(trace).items() if value is not None)
        return fields

    def abandon(self) -> None:
        """The client gave up on this call: stop work on it and send nothing more for it."""
        self.abandoned = True
        self.scope.cancel()


class Reply(Struct, frozen=True, kw_only=True):
    """The encoded response, the HTTP status it travels with, and seconds for `Retry-After` where a retry may help.

    `outcome` is what it comes to, for those who count.
    """

    body: bytes
    status: int = 200
    retry_after_s: int | None = None
    outcome: OutcomeName = "ok"


class Stream(Struct, frozen=True, kw_only=True):
    """An open subscription; when it ends by the server's will, `final` is the encoded response to send last."""

    subscription: Subscription
    final: bytes


Answer = Reply | Stream
