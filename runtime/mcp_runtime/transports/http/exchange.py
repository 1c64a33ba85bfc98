"""One HTTP request at the endpoint, and what becomes of it when it takes its time.

Rule: what its body and its call share is in here; what is done about them is the endpoint's.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp_runtime.core.calls.call import Call
from mcp_runtime.protocol.jsonrpc import RequestId
from mcp_runtime.transports.http.direct import Direct
from mcp_runtime.transports.http.response import Headers, PostResponse
from mcp_runtime.transports.http.watch import Watched


class Exchange(Watched, kw_only=True):
    """One HTTP request, with its ASGI ends and the way around them, its headers by name, and the response to it.

    `incoming` is where its body comes from; nobody looks there for a disconnect (`receive`) before it has come. `extra`
    are headers that whatever answers it has to have (CORS). `stopped` answers it once it was cut off in a scope that
    was lent. `is_passed_on` where a bridge serves it, and may borrow that. `time` limits its body and then its call.
    `request_id` and `call` are there once its message is known, the latter only for as long as it is at work.
    """

    scope: Any
    incoming: Any
    send: Any
    direct: Direct | None
    headers: Mapping[bytes, bytes]
    extra: Headers
    response: PostResponse
    stopped: Callable[["Exchange"], Awaitable[None]]
    time: Any = None
    is_passed_on: bool = False
    request_id: RequestId | None = None
    call: Call | None = None

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
