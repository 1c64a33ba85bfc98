"""The call: one request on its way through the runtime. Rule: all that a handler may know of its request is in here.

Spec: 2026-07-28/basic#statelessness
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from msgspec import UNSET, Struct
from msgspec.structs import asdict

from mcp_runtime.core.calls.subscriptions import Subscription
from mcp_runtime.core.calls.time_limit import TimeLimit
from mcp_runtime.platform.shares import share_key
from mcp_runtime.protocol.headers import Headers
from mcp_runtime.protocol.jsonrpc import Request
from mcp_runtime.protocol.meta import RequestMetaObject, trace_context
from mcp_runtime.telemetry.labels import OutcomeName, TransportName

Notify = Callable[[bytes], Awaitable[None]]
CloseStream = Callable[[], Awaitable[None]]

_NO_META: Final = RequestMetaObject()
_MAX_FACT_CHARS: Final = 512
"""As long as a tracestate may be. Spec: https://www.w3.org/TR/trace-context/#tracestate-limits"""


def short(fact: object) -> object:
    """What a client states of itself or its request, as far as each log event about it repeats that."""
    return fact[:_MAX_FACT_CHARS] if isinstance(fact, str) else fact


class Call(Struct, kw_only=True, eq=False):
    """A request and what came with it. It is served inside the scope that its `time` is cut off in."""

    request: Request
    transport: TransportName
    notify: Notify
    """Sends one encoded notification on the request's own stream, waiting where the reader is slow."""
    time: TimeLimit
    headers: Headers | None = None
    """The headers that mirror the body, None where none do."""
    principal: str | None = None
    peer: str | None = None
    """The network address that it came from, None on stdio."""
    close_stream: CloseStream | None = None
    """Lets go of the connection and keeps the stream, None where that cannot be."""
    http_headers: Mapping[bytes, bytes] | None = None
    """All headers of its HTTP request by name, None on stdio."""
    asked: list[str] = []
    """The methods of what the handler wanted to know from the client."""
    answered: list[str] = []
    """The answers that the handler heard, in that order: accept, decline or cancel of a user, else "answered"."""
    spoken: str | None = None
    """The revision of its client where a bridge speaks for it."""
    abandoned: bool = False
    meta: RequestMetaObject = _NO_META

    @property
    def share_key(self) -> str | None:
        """The key of its client, by which is counted what one client holds and asks for; None where it has no share."""
        return share_key(self.principal, self.peer)

    async def tell(self, message: bytes) -> None:
        """`notify`, unless the call's time is up: then it is cancelled before anything is sent."""
        if self.time.is_over:
            self.time.cutter.cancel()
        await self.notify(message)

    def log_fields(self) -> dict[str, object]:
        """The fields of every log event about it: method and id, its client, and the trace that it is part of."""
        fields: dict[str, object] = {"method": short(self.request.method), "request_id": short(self.request.id)}
        info = self.meta.client_info
        if info is not UNSET:
            fields["client"] = short(f"{info.name}/{info.version}")
        trace = trace_context(self.meta)
        fields.update((name, short(value)) for name, value in asdict(trace).items() if value is not None)
        return fields

    def abandon(self) -> None:
        """The client gave up on this call: stop work on it and send nothing more for it."""
        self.abandoned = True
        self.time.cutter.cancel()


class Reply(Struct, frozen=True, kw_only=True):
    """The answer to a call: one encoded response."""

    body: bytes
    status: int = 200
    """The HTTP status it travels with."""
    retry_after_s: int | None = None
    """Seconds for `Retry-After`, where a retry may help."""
    outcome: OutcomeName = "ok"
    """What it comes to, for those who count."""


class Stream(Struct, frozen=True, kw_only=True):
    """The answer that stays open: a subscription, and the encoded response to send last where the server ends it."""

    subscription: Subscription
    final: bytes


Answer = Reply | Stream
