"""Refusals on the wire. Rule: a JSON-RPC error that says what is spoken here, and where to go."""

from typing import Final

from mcp_bridges.gate.port import ANSWERED, Refusal, Verdict
from mcp_runtime.core.calls.call import Reply
from mcp_runtime.protocol.errors import UNSUPPORTED_PROTOCOL_VERSION, PeerError
from mcp_runtime.protocol.jsonrpc import RequestId, encode_error
from mcp_runtime.protocol.revisions import MODERN_REVISIONS

REFUSED_STATUS: Final = 400


class RefusedError(PeerError):
    """A refusal of what the peer sent. `is_answer` is whether it is the answer to its method, and no more."""

    def __init__(self, refusal: Refusal) -> None:
        self.is_answer = refusal.status == ANSWERED
        super().__init__(
            refusal.code,
            refusal.message,
            refusal.data,
            http_status=refusal.status,
            retry_after_s=refusal.retry_after_s,
        )


def raise_refusal(verdict: Verdict) -> None:
    """Raise RefusedError where `verdict` refuses."""
    if verdict.refusal is not None:
        raise RefusedError(verdict.refusal)


def not_served(what: str, replacement_url: str) -> Refusal:
    """The refusal of a posture: `what`, "HTTP+SSE" for instance. Spec: 2026-07-28/basic/versioning"""
    spoken = ", ".join(MODERN_REVISIONS)
    where = f" at {replacement_url}" if replacement_url else ""
    data: dict[str, object] = {"supported": list(MODERN_REVISIONS)}
    if replacement_url:
        data["replacement"] = replacement_url
    return Refusal(
        status=REFUSED_STATUS,
        code=UNSUPPORTED_PROTOCOL_VERSION,
        message=f"{what} is not served here any more; use MCP {spoken}{where}",
        data=data,
    )


def as_reply(request_id: RequestId | None, error: PeerError) -> Reply:
    """An error as the transport sends it."""
    return Reply(body=encode_error(request_id, error), status=error.http_status, retry_after_s=error.retry_after_s)
