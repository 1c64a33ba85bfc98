"""The admin endpoints: health and metrics, for whoever runs the process.

Rule: on a bind of its own, never on the one that clients reach.
"""

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from mcp_runtime.server.progress import ServerStage

MetricsText = Callable[[str], tuple[bytes, str]]
"""The text of all metrics for an Accept header, and its content type."""


def admin_app(
    stage: Callable[[], ServerStage], *, metrics: MetricsText | None = None, routes: Sequence[BaseRoute] = ()
) -> Starlette:
    """The application of the admin endpoints.

    `/healthz`: 200 while the process lives.

    `/readyz`: 200, "ready", while it takes new calls; 503 before that, "starting", and "draining" from the signal on.
    `/metrics`: what `metrics` gives, where it is not None. `routes` are served beside them.
    """

    async def healthz(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> PlainTextResponse:
        now = stage()
        return PlainTextResponse(f"{now.value}\n", status_code=200 if now is ServerStage.READY else 503)

    own = [Route("/healthz", healthz), Route("/readyz", readyz)]
    if metrics is not None:
        own.append(_metrics_route(metrics))
    return Starlette(routes=[*own, *routes])


def _metrics_route(text_for: MetricsText) -> Route:
    async def metrics(request: Request) -> Response:
        body, content_type = text_for(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})

    return Route("/metrics", metrics)
