"""Spans in OpenTelemetry's words for MCP. Rule: names and attributes are those of its semantic conventions, no others.

https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/ (status: Development)
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

import msgspec
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, StatusCode

from mcp_runtime.protocol.meta import TraceContext
from mcp_runtime.telemetry.tracing.port import TracedRequest

_NETWORK_TRANSPORT: Final = MappingProxyType({"stdio": "pipe", "streamable_http": "tcp", "http_sse": "tcp"})
_NAME_OF: Final = MappingProxyType({"tools/call": "gen_ai.tool.name", "prompts/get": "gen_ai.prompt.name"})
"""What the name in a request of this method is called in a span."""


class OpenTelemetryTracer:
    """A tracer of spans of kind SERVER, by the provider that the process has set; without one nothing is recorded."""

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("mcp_runtime", tracer_provider=provider)

    @contextmanager
    def request(self, request: TracedRequest) -> Generator["OpenTelemetrySpan"]:
        """See `Tracer.request`. The parent is the message's own trace context, with HTTP's linked, or else HTTP's."""
        of_http = _context(request.http)
        of_message = _context(request.meta)
        has_parent = trace.get_current_span(of_message).get_span_context().is_valid
        with self._tracer.start_as_current_span(
            f"{request.method} {request.name}" if request.name and request.method in _NAME_OF else request.method,
            context=of_message if has_parent else of_http,
            kind=SpanKind.SERVER,
            attributes=_attributes(request),
            links=_links(of_http) if has_parent else (),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            told = OpenTelemetrySpan(span)
            try:
                yield told
            except BaseException as error:
                # The server stops, as a rule: what a handler raises has become an answer before.
                if not told.has_failed:
                    told.fail(type(error).__qualname__)
                raise


class OpenTelemetrySpan:
    """One open span."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.has_failed = False

    def fail(self, kind: str, message: str | None = None) -> None:
        """It went wrong, in a way that has a name."""
        self.has_failed = True
        self._span.set_attribute("error.type", kind)
        self._span.set_status(StatusCode.ERROR, message)

    def failed(self, code: int, message: str) -> None:
        """See `RequestSpan.failed`."""
        self._span.set_attribute("rpc.response.status_code", str(code))
        self.fail(str(code), message)

    def tool_failed(self) -> None:
        """See `RequestSpan.tool_failed`."""
        self.fail("tool_error")

    def abandoned(self) -> None:
        """See `RequestSpan.abandoned`."""
        self.fail("cancelled")


def _context(carried: TraceContext) -> Context:
    """What was carried, and nothing of what is current here: on an empty context, not on the ambient one."""
    fields: Mapping[str, str | None] = msgspec.structs.asdict(carried)
    return propagate.extract({name: value for name, value in fields.items() if value is not None}, context=Context())


def _links(context: Context) -> tuple[Link, ...]:
    linked = trace.get_current_span(context).get_span_context()
    return (Link(linked),) if linked.is_valid else ()


def _attributes(request: TracedRequest) -> dict[str, str]:
    found = {
        "mcp.method.name": request.method,
        "mcp.protocol.version": request.revision,
        "network.transport": _NETWORK_TRANSPORT[request.transport],
    }
    if request.transport != "stdio":
        found["network.protocol.name"] = "http"
    if request.request_id is not None:
        found["jsonrpc.request.id"] = str(request.request_id)
    if request.method == "tools/call":
        found["gen_ai.operation.name"] = "execute_tool"
    if request.name is not None and request.method in _NAME_OF:
        found[_NAME_OF[request.method]] = request.name
    if request.uri is not None:
        found["mcp.resource.uri"] = request.uri
    if request.peer is not None:
        found["client.address"] = request.peer
    return found
