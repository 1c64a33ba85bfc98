"""The runtime's cost of a call. Rule: `dispatcher` is from bytes to bytes, `asgi` what an ASGI server would see.

Takes one of the two words and seconds; reads the body and headers of the request, as JSON, from stdin.
"""

import json
import sys
from collections.abc import Awaitable, Callable

import trio
from in_process import (  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]  # beside this program
    asgi,
    measure,
)
from runtime_plugin import (  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]  # beside this program
    plugin,
)

from mcp_runtime.asgi import create_app
from mcp_runtime.assembly.http_app import HttpApp
from mcp_runtime.config import load_config
from mcp_runtime.core.calls.call import Call, Reply
from mcp_runtime.core.calls.time_limit import TimeLimit
from mcp_runtime.protocol.headers import read_headers
from mcp_runtime.protocol.jsonrpc import Request
from mcp_runtime.protocol.messages import read_message


async def main() -> None:
    """Measure."""
    given = json.load(sys.stdin)
    body, headers = given["body"].encode(), given["headers"]
    app = create_app(load_config(None, environ={}), plugin)
    async with app.lifespan():
        way = asgi(app, body, headers) if sys.argv[1] == "asgi" else dispatched(app, body, headers)
        await measure(way, float(sys.argv[2]))


def dispatched(app: HttpApp, body: bytes, headers: dict[str, str]) -> Callable[[], Awaitable[bytes]]:
    """The path of a message without HTTP."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def notify(_: bytes) -> None:
        raise AssertionError("nothing is notified here")

    async def once() -> bytes:
        request = read_message(body)
        assert isinstance(request, Request)
        scope = trio.CancelScope()
        call = Call(
            request=request,
            transport="streamable_http",
            notify=notify,
            headers=read_headers(raw),
            time=TimeLimit(cutter=scope, began=trio.current_time(), now=trio.current_time),
        )
        reply = await app.runtime.dispatcher.dispatch_within(scope, call)
        assert isinstance(reply, Reply)
        return reply.body

    return once


trio.run(main)
