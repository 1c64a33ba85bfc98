"""The answer to a client that has left before it got one. Rule: nobody reads it, and it is there all the same.

Who stands between a server and an application may take a request without a response for a defect: Starlette's
BaseHTTPMiddleware raises an error then, so a host would log a traceback for each client that hangs up. Servers drop
what is sent to a client that has left. The direct way is not taken either: it leads around middleware.
"""

from collections.abc import Awaitable
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_runtime.transports.http.direct import DIRECT

_CLIENT_CLOSED_REQUEST: Final = 499
"""As nginx has it. No client sees it; the logs and metrics of a host do."""


async def serve_with_an_answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Have `app` serve one HTTP request; where it returns without having begun a response, send an empty one."""
    begun = False
    extensions = scope.get("extensions")
    if extensions and DIRECT in extensions:
        scope = {**scope, "extensions": {name: value for name, value in extensions.items() if name != DIRECT}}

    def send_and_note(message: Message) -> Awaitable[None]:  # no coroutine of its own: each piece comes through here
        nonlocal begun
        begun = True
        return send(message)

    await app(scope, receive, send_and_note)
    if not begun:
        headers = [(b"content-length", b"0")]
        with suppress(OSError):  # Some servers tell of a disconnect this way.
            await send({"type": "http.response.start", "status": _CLIENT_CLOSED_REQUEST, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
