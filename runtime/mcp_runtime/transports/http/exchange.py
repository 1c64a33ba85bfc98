"""The exchange: one HTTP request at the endpoint, and what becomes of it when it takes its time.

Rule: what its body and its call share is in here; what is done about them is the endpoint's.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp_runtime.core.calls.call import Call
from mcp_runtime.protocol.jsonrpc import RequestId
from mcp_runtime.transports.http.direct import Direct
from mcp_runtime.transports.http.patience import Watched
from mcp_runtime.transports.http.response import HeaderLines, PostResponse


class Exchange(Watched, kw_only=True):
    """One HTTP request: its ASGI ends and the direct way, its headers by name, and the response to it."""

    scope: Any
    incoming: Any
    """Where its body comes from. Nobody looks there for a disconnect (`receive`) before it has come."""
    send: Any
    direct: Direct | None
    headers: Mapping[bytes, bytes]
    extra: HeaderLines
    """Headers that whatever answers it has to have (CORS)."""
    response: PostResponse
    stopped: Callable[["Exchange"], Awaitable[None]]
    """Answers it once it was cut off in a scope that was lent."""
    time: Any = None
    """The TimeLimit of its body, and then of its call."""
    is_passed_on: bool = False
    """Whether a bridge serves it, and may borrow the lent scope."""
    request_id: RequestId | None = None
    """There once its message is known."""
    call: Call | None = None
    """There for as long as it is at work."""

    def aged(self) -> None:
        """Now time limits count: of its body, or of its call."""
        self.time.keep()

    def gone(self) -> None:
        """Over HTTP, to hang up is to cancel. Spec: 2026-07-28/basic/transports/streamable-http#cancellation"""
        if self.call is not None:
            self.call.abandon()

    async def keep_alive(self) -> None:
        """Send a comment on its response."""
        await self.response.keep_alive()

    async def finish_stopped(self) -> None:
        """Answer it, where it was cut off in a scope that was lent."""
        await self.stopped(self)
