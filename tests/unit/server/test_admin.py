"""The admin application: health, metrics, and what others bring."""

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from mcp_runtime.server.http.admin import admin_app
from mcp_runtime.server.progress import ServerStage
from mcp_runtime.telemetry.metrics import Metrics
from mcp_runtime.telemetry.prometheus_text import PrometheusText


@pytest.mark.parametrize(
    ("stage", "status", "text"),
    [
        (ServerStage.STARTING, 503, "starting\n"),
        (ServerStage.READY, 200, "ready\n"),
        (ServerStage.DRAINING, 503, "draining\n"),
    ],
)
def test_health(stage: ServerStage, status: int, text: str) -> None:
    browser = TestClient(admin_app(lambda: stage))
    assert browser.get("/healthz").text == "ok\n"
    answer = browser.get("/readyz")
    assert (answer.status_code, answer.text) == (status, text)
    assert browser.get("/metrics").status_code == 404


def test_metrics_come_in_the_format_that_is_asked_for() -> None:
    metrics = Metrics(methods=["tools/call"])
    metrics.request("modern", "2026-07-28", "stdio", "tools/call", "ok", 0.1)
    browser = TestClient(admin_app(lambda: ServerStage.READY, metrics=PrometheusText(metrics).text))
    plain = browser.get("/metrics", headers={"accept": "*/*"})
    assert plain.headers["content-type"].startswith("text/plain")
    assert plain.headers["cache-control"] == "no-store"
    assert 'mcp_requests_total{era="modern",method="tools/call"' in plain.text
    asked = browser.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert asked.headers["content-type"].startswith("application/openmetrics-text")
    assert asked.text.endswith("# EOF\n")
    assert browser.post("/metrics").status_code == 405


def test_routes_of_others_are_beside_it() -> None:
    async def page(_: Request) -> PlainTextResponse:
        return PlainTextResponse("a page")

    browser = TestClient(admin_app(lambda: ServerStage.READY, routes=[Route("/legacy", page)]))
    assert browser.get("/legacy").text == "a page"
    assert browser.get("/readyz").status_code == 200
