"""Health for whoever runs the process. Rule: on a bind of its own, never on the one that clients reach."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def admin_app(is_ready: Callable[[], bool]) -> Starlette:
    """`/healthz`: 200 while the process lives.

    `/readyz`: 200 while it takes new calls, 503 before and while it drains.
    """

    async def healthz(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ready\n") if is_ready() else PlainTextResponse("draining\n", status_code=503)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz)])
