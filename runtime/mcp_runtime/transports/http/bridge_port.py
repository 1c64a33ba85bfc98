"""The port where a bridge attaches to HTTP. Rule: of an older revision it knows that a message may be one's, no more.

Spec: 2026-07-28/basic/versioning#backward-compatibility-with-initialization-based-versions
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from mcp_runtime.platform.lent_scope import LentScope
from mcp_runtime.protocol.jsonrpc import Message

if TYPE_CHECKING:  # stdio reads this file too, and has no use for starlette
    from starlette.types import Receive, Scope, Send

    from mcp_runtime.core.calls.call import Reply
    from mcp_runtime.transports.http.direct import Fields
    from mcp_runtime.transports.http.event_answer import EventAnswer


class LegacyExchange(Protocol):
    """One HTTP request as a bridge sees it: what it needs of an HttpExchange."""

    answer_headers: "Fields"
    """Headers that its answer gets, whichever that is: a bridge adds its own before it answers."""

    @property
    def scope(self) -> "Scope":
        """The request in ASGI's words."""
        ...

    @property
    def incoming(self) -> "Receive":
        """Where its body comes from, and then the news that its client has left."""
        ...

    @property
    def send(self) -> "Send":
        """Where its answer goes, in ASGI's messages."""
        ...

    @property
    def request_headers(self) -> Mapping[bytes, bytes]:
        """Its headers by name."""
        ...

    @property
    def message(self) -> Message | None:
        """The one in its body, where that was read and is no batch."""
        ...

    @property
    def lent(self) -> LentScope | None:
        """A scope in which one call may be cut off, where the server has one to lend, and it was not given back."""
        ...

    async def answer(self, status: int, body: bytes, headers: "Fields" = ()) -> None:
        """Send a whole answer at once."""
        ...

    async def finish(self, reply: "Reply") -> None:
        """Send the answer to its message: as the last event where others went before it, else as plain JSON."""
        ...

    def open_stream(self) -> "EventAnswer":
        """The event stream that answers it."""
        ...


class HttpBridge(Protocol):
    """Serves what clients of older revisions send over HTTP."""

    async def serve(self, exchange: LegacyExchange, *, body: bytes | None) -> bool:
        """Answer one HTTP request: True where it was answered, False where it is none of the bridge's.

        `body` is that of a POST to the MCP endpoint whose message is legacy, read already; None for any other request.
        Raises PeerError and HttpRefusalError for the transport to answer.
        """
        ...
