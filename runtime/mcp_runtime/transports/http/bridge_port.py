"""The port where a bridge attaches to HTTP. Rule: of an older revision it knows that a message may be one's, no more.

Spec: 2026-07-28/basic/versioning#backward-compatibility-with-initialization-based-versions
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from mcp_runtime.platform.lent_scope import LentScope
from mcp_runtime.protocol.jsonrpc import Message
from mcp_runtime.transports.http.direct import Direct

if TYPE_CHECKING:  # stdio reads this file too, and has no use for starlette
    from starlette.types import Receive, Scope, Send


class LegacyExchange(Struct, frozen=True, kw_only=True):
    """One HTTP request for a bridge."""

    scope: "Scope"
    receive: "Receive"
    send: "Send"
    request_headers: Mapping[bytes, bytes]
    """Its headers by name."""
    headers: list[tuple[bytes, bytes]]
    """Headers for the answer (CORS)."""
    message: Message | None = None
    """The one in its body, where that was read and is no batch."""
    direct: Direct | None = None

    @property
    def lent(self) -> LentScope | None:
        """A scope in which one call may be cut off, where the server has one to lend, and it was not given back."""
        return None if self.direct is None or self.direct.lent.scope is None else self.direct.lent


class HttpBridge(Protocol):
    """Serves what clients of older revisions send over HTTP."""

    async def serve(self, exchange: LegacyExchange, *, body: bytes | None) -> bool:
        """Answer one HTTP request: True where it was answered, False where it is none of the bridge's.

        `body` is that of a POST to the MCP endpoint whose message is legacy, read already; None for any other request.
        Raises PeerError and HttpRefusalError for the transport to answer.
        """
        ...
