"""The floor: an ASGI application that answers what the runtime answers and does nothing else. Rule: ten lines."""

from typing import Any

BODY = (
    b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":'
    b'{"name":"mcp-runtime","version":"0.1.0"}},"content":[{"type":"text","text":"hello"}]}}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Read the request, answer it."""
    if scope["type"] != "http":
        await lifespan(receive, send)
        return
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


async def lifespan(receive: Any, send: Any) -> None:
    """Start and stop at once."""
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})
