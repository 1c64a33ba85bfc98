"""Spans, as the OpenTelemetry SDK exports them: names, attributes, parents, links, errors."""

import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from mcp_runtime.protocol.meta import TraceContext
from mcp_runtime.telemetry.tracing.loading import load_tracer
from mcp_runtime.telemetry.tracing.opentelemetry import OpenTelemetryTracer
from mcp_runtime.telemetry.tracing.port import RequestSpan, TracedRequest
from tests.support.spans import Spans

TRACE = "0af7651916cd43dd8448eb211c80319c"
MESSAGE = TraceContext(f"00-{TRACE}-b7ad6b7169203331-01", "rojo=00f067aa0ba902b7", "user=ada")
HTTP = TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None, None)


@pytest.fixture
def spans() -> Spans:
    return Spans()


def request(method: str = "tools/call", **facts: Any) -> TracedRequest:
    given: dict[str, Any] = {"request_id": 7, "revision": "2026-07-28", "transport": "streamable_http", **facts}
    return TracedRequest(method=method, **given)


def test_a_tool_call_is_named_and_described_as_the_conventions_say(spans: Spans) -> None:
    span = spans.of(request(name="get_weather", peer="192.0.2.7"))
    assert span.name == "tools/call get_weather"
    assert span.kind is SpanKind.SERVER
    assert dict(span.attributes or {}) == {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": "2026-07-28",
        "network.transport": "tcp",
        "network.protocol.name": "http",
        "jsonrpc.request.id": "7",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_weather",
        "client.address": "192.0.2.7",
    }
    assert span.status.status_code is StatusCode.UNSET
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "mcp_runtime"


@pytest.mark.parametrize(
    ("traced", "name", "more"),
    [
        (request("prompts/get", name="greet"), "prompts/get greet", {"gen_ai.prompt.name": "greet"}),
        (request("resources/read", uri="file:///a"), "resources/read", {"mcp.resource.uri": "file:///a"}),
        (request("tools/list"), "tools/list", {"mcp.method.name": "tools/list"}),
        (request("completion/complete", name="x"), "completion/complete", {"jsonrpc.request.id": "7"}),
        (request("tools/list", request_id="a"), "tools/list", {"jsonrpc.request.id": "a"}),
        (request("tools/list", transport="http_sse"), "tools/list", {"network.transport": "tcp"}),
        (request("tools/list", transport="stdio"), "tools/list", {"network.transport": "pipe"}),
    ],
)
def test_each_method_has_its_own_words(spans: Spans, traced: TracedRequest, name: str, more: dict[str, str]) -> None:
    span = spans.of(traced)
    assert span.name == name
    assert dict(span.attributes or {}).items() >= more.items()
    assert ("network.protocol.name" in (span.attributes or {})) is (traced.transport != "stdio")


def test_a_notification_has_no_id(spans: Spans) -> None:
    assert "jsonrpc.request.id" not in (spans.of(request(request_id=None)).attributes or {})


def test_the_context_of_the_message_is_the_parent_and_that_of_http_is_linked(spans: Spans) -> None:
    span = spans.of(request(meta=MESSAGE, http=HTTP))
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == TRACE
    assert span.parent.is_remote
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.context.trace_state == {"rojo": "00f067aa0ba902b7"}
    assert [f"{link.context.trace_id:032x}" for link in span.links] == ["4bf92f3577b34da6a3ce929d0e0e4736"]


def test_without_a_context_of_its_own_the_message_belongs_to_its_http_request(spans: Spans) -> None:
    span = spans.of(request(http=HTTP))
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert span.links == ()


def test_a_context_of_the_message_alone_links_nothing(spans: Spans) -> None:
    assert spans.of(request(meta=MESSAGE)).links == ()


def test_without_any_context_a_trace_begins(spans: Spans) -> None:
    tracer = spans.provider.get_tracer("host")
    with tracer.start_as_current_span("somebody else's"):
        span = spans.of(request())
    assert span.parent is None


def test_what_a_handler_traces_becomes_a_child(spans: Spans) -> None:
    with (
        spans.tracer.request(request(meta=MESSAGE)),
        spans.provider.get_tracer("plugin").start_as_current_span("query"),
    ):
        pass
    child, parent = spans.all
    assert child.parent is not None
    assert parent.context is not None
    assert child.parent.span_id == parent.context.span_id
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize(
    ("end", "attributes", "description"),
    [
        (
            lambda span: span.failed(-32602, "Invalid params: city"),
            {"error.type": "-32602", "rpc.response.status_code": "-32602"},
            "Invalid params: city",
        ),
        (lambda span: span.tool_failed(), {"error.type": "tool_error"}, None),
        (lambda span: span.abandoned(), {"error.type": "cancelled"}, None),
    ],
)
def test_a_failure_is_told(spans: Spans, end: Any, attributes: dict[str, str], description: str | None) -> None:
    with spans.tracer.request(request()) as span:
        told: RequestSpan = span
        end(told)
    (found,) = spans.all
    assert dict(found.attributes or {}).items() >= attributes.items()
    assert found.status.status_code is StatusCode.ERROR
    assert found.status.description == description
    assert found.events == ()


def test_what_ends_the_block_ends_the_span_without_its_words(spans: Spans) -> None:
    with pytest.raises(LookupError), spans.tracer.request(request()):
        raise LookupError("a secret")
    (found,) = spans.all
    assert dict(found.attributes or {})["error.type"] == "LookupError"
    assert found.status.status_code is StatusCode.ERROR
    assert found.status.description is None
    assert found.events == ()


def test_what_was_told_outlasts_what_ends_the_block(spans: Spans) -> None:
    def give_up() -> None:
        with spans.tracer.request(request()) as span:
            span.abandoned()
            raise LookupError

    with pytest.raises(LookupError):
        give_up()
    assert dict(spans.all[0].attributes or {})["error.type"] == "cancelled"


def test_where_the_sdk_is_in_use_there_is_a_tracer() -> None:
    assert isinstance(load_tracer(), OpenTelemetryTracer)


@pytest.mark.parametrize("use", ["", "import opentelemetry.trace"], ids=["nothing of it", "the API alone"])
def test_where_nobody_uses_the_sdk_there_is_none_and_it_is_not_imported(use: str) -> None:
    code = (
        f"{use}\nimport sys\nfrom mcp_runtime.telemetry.tracing.loading import load_tracer\n"
        "print(load_tracer(), 'opentelemetry.sdk' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60)
    assert done.stdout.strip() == "None False"


def test_without_it_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.sdk.trace")
    assert load_tracer() is None


def test_to_import_the_port_imports_nothing_of_it() -> None:
    code = "import sys, mcp_runtime.telemetry.tracing.port, mcp_runtime.telemetry.metrics; print(*[n for n in sys.modules if n.startswith(('opentelemetry', 'prometheus'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60)
    assert done.stdout.strip() == ""
