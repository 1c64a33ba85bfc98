"""Call spans: one around each call. Rule: they learn from what goes in and out; the dispatcher tells them nothing.

What a client makes up names no span: methods and tools that nobody knows would be series without end.
"""

from collections.abc import Mapping
from typing import Any, Final

import anyio
import msgspec
from msgspec import Raw, Struct

from mcp_runtime.core.calls.call import Answer, Call, Reply
from mcp_runtime.core.catalog.catalog import Catalog
from mcp_runtime.core.dispatch.dispatcher import CutOff, Serve
from mcp_runtime.core.dispatch.methods import METHODS
from mcp_runtime.protocol.meta import TraceContext, read_trace, trace_context
from mcp_runtime.protocol.revisions import MODERN_REVISIONS
from mcp_runtime.telemetry.metrics import NO_REVISION, OTHER
from mcp_runtime.telemetry.tracing.port import NO_TRACE, RequestSpan, TracedRequest, Tracer


class CallSpans:
    """The maker of spans, with `tracer`. `catalog` has the names that are known."""

    def __init__(self, tracer: Tracer, catalog: Catalog) -> None:
        self._tracer = tracer
        self._catalog = catalog

    async def around(self, call: Call, serve: Serve, cut_off: CutOff) -> Answer | None:
        """The answer of `serve`, as a span; where its transport stops the call, the span says what it came to."""
        with self._tracer.request(self._describe(call)) as span:
            try:
                answer = await serve(call)
            except anyio.get_cancelled_exc_class():
                if call.abandoned or call.time.is_over:
                    _tell(span, cut_off(call))
                raise
            _tell(span, answer)
            return answer

    def _describe(self, call: Call) -> TracedRequest:
        method = call.request.method
        subject = _subject(call.request.params)
        return TracedRequest(
            method=method if method in METHODS else OTHER,
            request_id=call.request.id,
            revision=_revision(call),
            transport=call.transport,
            name=self._known(method, subject.name),
            uri=subject.uri if isinstance(subject.uri, str) else None,
            peer=call.peer,
            meta=NO_TRACE if call.request.probe.meta is None else trace_context(call.request.probe.meta),
            http=NO_TRACE if call.http_headers is None else _trace_of(call.http_headers),
        )

    def _known(self, method: str, name: object) -> str | None:
        if not isinstance(name, str):
            return None
        match method:
            case "tools/call":
                entry: object = self._catalog.tools.get_entry(name)
            case "prompts/get":
                entry = self._catalog.prompts.get_entry(name)
            case _:
                entry = None
        return None if entry is None else name


class _Subject(Struct):
    name: Any = None
    uri: Any = None


class _Error(Struct):
    code: int
    message: str


class _Failure(Struct):
    error: _Error


_subject_decoder: Final = msgspec.json.Decoder(_Subject)
_failure_decoder: Final = msgspec.json.Decoder(_Failure)


def _subject(params: Raw) -> _Subject:
    try:
        return _subject_decoder.decode(params)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Subject()  # What is malformed is the dispatcher's to refuse.


def _revision(call: Call) -> str:
    if call.spoken is not None:
        return call.spoken
    version = call.request.probe.version
    if version is None:
        return NO_REVISION
    return version if version in MODERN_REVISIONS else OTHER


def _trace_of(headers: Mapping[bytes, bytes]) -> TraceContext:
    found = (headers.get(name) for name in (b"traceparent", b"tracestate", b"baggage"))
    return read_trace(*(None if value is None else value.decode("latin-1") for value in found))


def _tell(span: RequestSpan, answer: Answer | None) -> None:
    if answer is None:
        span.abandoned()
    elif isinstance(answer, Reply) and answer.outcome == "tool_error":
        span.tool_failed()
    elif isinstance(answer, Reply) and answer.outcome != "ok":
        error = _failure_decoder.decode(answer.body).error
        span.failed(error.code, error.message)
