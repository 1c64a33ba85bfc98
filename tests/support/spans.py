"""Spans as the OpenTelemetry SDK exports them, kept in memory. Rule: a provider of its own; the process has none."""

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.core.dispatch.tracing_dispatcher import CallSpans
from mcp_runtime.telemetry.tracing.opentelemetry import OpenTelemetryTracer
from mcp_runtime.telemetry.tracing.port import TracedRequest, Tracer


class Spans:
    """A tracer, and what it has exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer: Tracer = OpenTelemetryTracer(self.provider)

    @property
    def all(self) -> list[ReadableSpan]:
        """In the order in which they ended."""
        return list(self._exporter.get_finished_spans())

    @property
    def only(self) -> ReadableSpan:
        """The one that there is."""
        (span,) = self.all
        return span

    def of(self, request: TracedRequest) -> ReadableSpan:
        """The span of a request that goes well."""
        with self.tracer.request(request):
            pass
        return self.all[-1]


def traced(runtime: Runtime) -> Spans:
    """The spans of what `runtime`, which runs, is asked from here on."""
    spans = Spans()
    runtime.dispatcher.trace(CallSpans(spans.tracer, runtime.catalog).around)
    return spans


def facts(span: ReadableSpan) -> dict[str, object]:
    """Its attributes."""
    return dict(span.attributes or {})
