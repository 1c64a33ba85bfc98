"""The port of tracing: a tracer and its spans. Rule: it costs nothing; OpenTelemetry is one way to fill it.

Spec: 2026-07-28/basic#meta (OpenTelemetry trace context)
"""

from contextlib import AbstractContextManager
from typing import Final, Protocol

import msgspec

from mcp_runtime.protocol.jsonrpc import RequestId
from mcp_runtime.protocol.meta import TraceContext
from mcp_runtime.telemetry.labels import TransportName

NO_TRACE: Final = TraceContext()


class TracedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request, as far as its span tells of it."""

    method: str
    request_id: RequestId | None
    revision: str
    transport: TransportName
    name: str | None = None
    """Of the tool or prompt."""
    uri: str | None = None
    """Of the resource."""
    peer: str | None = None
    """The client's network address."""
    meta: TraceContext = NO_TRACE
    """The trace context of the message."""
    http: TraceContext = NO_TRACE
    """The one in the headers of the HTTP request that brought it."""


class RequestSpan(Protocol):
    """An open span. Saying nothing means that the request went well."""

    def failed(self, code: int, message: str) -> None:
        """It was answered with a JSON-RPC error."""
        ...

    def tool_failed(self) -> None:
        """It was answered with a result whose `isError` is true."""
        ...

    def abandoned(self) -> None:
        """It was not answered: its client gave up."""
        ...


class Tracer(Protocol):
    """A maker of spans."""

    def request(self, request: TracedRequest) -> AbstractContextManager[RequestSpan]:
        """A span around the block, current in it: what the handler traces becomes its child."""
        ...
