"""The application inside somebody's middleware: WRAPPED_BY names it. Rule: nothing here but what a host would write."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_runtime.asgi import create_app


async def _add_a_header(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers["x-wrapped"] = "yes"
    return response


def _counts_bytes(app: ASGIApp) -> ASGIApp:
    """What tutorials show as a pure ASGI wrapper."""

    async def wrapper(scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Any) -> None:
            await send(message)

        await app(scope, receive, counting)

    return wrapper


mcp = create_app()
_LAYERS: Final[Mapping[str, Callable[[ASGIApp], ASGIApp]]] = {
    "BaseHTTPMiddleware": lambda app: BaseHTTPMiddleware(app, _add_a_header),
    "two BaseHTTPMiddlewares": lambda app: BaseHTTPMiddleware(BaseHTTPMiddleware(app, _add_a_header), _add_a_header),
    "GZipMiddleware": GZipMiddleware,
    "BaseHTTPMiddleware around GZipMiddleware": lambda app: BaseHTTPMiddleware(GZipMiddleware(app), _add_a_header),
    "CORSMiddleware": lambda app: CORSMiddleware(app, allow_origins=["*"]),
    "a function": _counts_bytes,
    "a host with middleware": lambda app: Starlette(
        routes=[Mount("/", app)],
        middleware=[Middleware(BaseHTTPMiddleware, _add_a_header)],
        lifespan=mcp.lifespan,
    ),
}
app = _LAYERS[os.environ["WRAPPED_BY"]](mcp)
