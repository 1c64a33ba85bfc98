"""The facts of a request: what a handler may know of it. Rule: read-only, and the same in a thread as in a task."""

from typing import TYPE_CHECKING

from msgspec import UNSET

from mcp_runtime.core.calls.call import Call
from mcp_runtime.protocol.errors import missing_capability
from mcp_runtime.protocol.jsonrpc import RequestId
from mcp_runtime.protocol.meta import (
    ClientCapabilities,
    Implementation,
    MetaObject,
    TraceContext,
    raw_meta,
    trace_context,
)
from mcp_runtime.telemetry.labels import TransportName
from mcp_runtime.telemetry.log.log import get_logger

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class RequestFacts:
    """The base of both contexts: the facts of the request that a call carries."""

    _call: Call

    @property
    def request_id(self) -> RequestId:
        """The JSON-RPC id of the request."""
        return self._call.request.id

    @property
    def method(self) -> str:
        """The method of the request, "tools/call" for instance."""
        return self._call.request.method

    @property
    def protocol_version(self) -> str:
        """The revision the request is written in."""
        version = self._call.meta.protocol_version
        return "" if version is UNSET else version

    @property
    def client_info(self) -> Implementation | None:
        """Who the client says it is: for display and logs, never for decisions."""
        info = self._call.meta.client_info
        return None if info is UNSET else info

    @property
    def client_capabilities(self) -> ClientCapabilities:
        """What the client declared for this request."""
        capabilities = self._call.meta.client_capabilities
        return ClientCapabilities() if capabilities is UNSET else capabilities

    @property
    def principal(self) -> str | None:
        """Who was authenticated, None where nobody was."""
        return self._call.principal

    @property
    def transport(self) -> TransportName:
        """What the request came over: "stdio", "streamable_http" or "http_sse"."""
        return self._call.transport

    @property
    def meta(self) -> MetaObject:
        """The request's whole `_meta`, decoded anew each time."""
        return raw_meta(self._call.request.params)

    @property
    def trace(self) -> TraceContext:
        """The W3C trace context the client sent. Spec: 2026-07-28/basic#meta"""
        return trace_context(self._call.meta)

    @property
    def log(self) -> "FilteringBoundLogger":
        """The operator's log, with this call's fields on every event. Not sent to the client; see `message`."""
        return get_logger("mcp_runtime.plugin")

    def require(
        self, *, elicitation: bool = False, elicitation_url: bool = False, sampling: bool = False, roots: bool = False
    ) -> None:
        """Refuse the call now, with -32021, unless the client declared these capabilities."""
        declared = self.client_capabilities
        missing: dict[str, object] = {}
        modes: dict[str, object] = {
            mode: {}
            for mode, is_missing in (
                ("form", elicitation and not _does_forms(declared)),
                ("url", elicitation_url and not _does_urls(declared)),
            )
            if is_missing
        }
        if modes:
            # Undeclared and empty means forms. Spec: 2026-07-28/client/elicitation#capabilities
            undeclared = declared.elicitation is UNSET
            missing["elicitation"] = {} if undeclared and modes == {"form": {}} else modes
        if sampling and declared.sampling is UNSET:
            missing["sampling"] = {}
        if roots and declared.roots is UNSET:
            missing["roots"] = {}
        if missing:
            raise missing_capability(missing)


def _does_forms(declared: ClientCapabilities) -> bool:
    elicitation = declared.elicitation
    if elicitation is UNSET:
        return False
    # An empty object is the old way to say "forms". Spec: 2026-07-28/client/elicitation#capabilities
    return elicitation.form is not UNSET or elicitation.url is UNSET


def _does_urls(declared: ClientCapabilities) -> bool:
    elicitation = declared.elicitation
    return elicitation is not UNSET and elicitation.url is not UNSET
