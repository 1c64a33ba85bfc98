"""The page on the admin bind: it shows the ledger, and no request can make it do anything else."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import trio
from starlette.applications import Starlette
from starlette.testclient import TestClient

from mcp_bridges.deprecation.decisions.policy import Policy
from mcp_bridges.deprecation.reports.html import STYLE
from mcp_bridges.deprecation.reports.page import legacy_page
from mcp_runtime.server.http.admin import admin_app
from mcp_runtime.server.progress import ServerStage
from tests.bridges.deprecation.ledgers import client, seconds
from tests.bridges.deprecation.reports.test_report import DAY, Story


@pytest.fixture
def path(tmp_path: Path) -> Path:
    async def tell() -> Path:
        story = Story(tmp_path)
        await story.watched(5)
        story.called(client("acme", user_agent="<b>acme</b>"), "ping", times=3)
        story.called(client("zebra"), "jsonrpc.batch", days_ago=60)
        await story.ledger.flush()
        return story.fixture.path

    return trio.run(tell)


def served(path: Path) -> Starlette:
    return admin_app(lambda: ServerStage.READY, routes=[legacy_page(path, Policy(), now=lambda: seconds(DAY))])


@pytest.fixture
def browser(path: Path) -> TestClient:
    return TestClient(served(path))


def test_it_shows_the_last_thirty_days(browser: TestClient) -> None:
    answer = browser.get("/legacy")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for said in (
        "1 client has used something of the past",
        "acme/1.0",
        "&lt;b&gt;acme&lt;/b&gt;",
        "2027-07-28",
        "The ledger was watching on 5 of these 30 days.",
    ):
        assert said in answer.text
    assert "zebra" not in answer.text


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("", 30),
        ("?days=90", 90),
        ("?days=1", 1),
        ("?days=0", 1),
        ("?days=9999", 3660),
        ("?days=99999", 30),
        ("?days=-5", 30),
        ("?days=x", 30),
        ("?days=%D9%A3", 30),
        ("?other=1", 30),
    ],
)
def test_it_shows_as_many_days_as_it_is_asked_for_within_reason(browser: TestClient, query: str, days: int) -> None:
    answer = browser.get(f"/legacy{query}")
    assert f"from {DAY - timedelta(days - 1)} to {DAY}." in answer.text
    assert ("zebra" in answer.text) is (days > 60)


def test_it_may_load_nothing_and_run_nothing(browser: TestClient) -> None:
    headers = browser.get("/legacy").headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


def test_there_is_nothing_to_post(browser: TestClient) -> None:
    assert browser.post("/legacy").status_code == 405
    assert browser.head("/legacy").status_code == 200


def test_without_a_ledger_it_says_so(tmp_path: Path) -> None:
    answer = TestClient(served(tmp_path / "<none>.db")).get("/legacy")
    assert answer.status_code == 503
    assert "there is no ledger at" in answer.text
    assert "&lt;none&gt;" in answer.text


def test_an_empty_ledger_is_a_page_too(tmp_path: Path) -> None:
    async def tell() -> Path:
        story = Story(tmp_path)
        await story.watched(1)
        return story.fixture.path

    answer = TestClient(served(trio.run(tell))).get("/legacy")
    assert answer.status_code == 200
    assert "Nobody has used something of the past" in answer.text


def test_the_other_admin_endpoints_are_beside_it(browser: TestClient) -> None:
    assert browser.get("/healthz").text == "ok\n"
    assert browser.get("/metrics").status_code == 404


_PALETTES = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", half)) for half in STYLE.split("@media")]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", _PALETTES, ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [
        ("ink", "surface", 4.5),
        ("ink", "raised", 4.5),
        ("muted", "surface", 4.5),
        ("accent", "surface", 4.5),
        ("late", "surface", 4.5),
        ("modern", "surface", 3),
        ("legacy", "surface", 3),
    ],
)
def test_colours_are_far_enough_apart(palette: dict[str, str], ink: str, ground: str, least: float) -> None:
    assert contrast(palette[ink], palette[ground]) >= least
