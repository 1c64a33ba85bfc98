"""The page in real Chromium, light and dark, wide and narrow: axe-core finds nothing, and it asks for nothing else."""

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import trio
import uvicorn

from mcp_bridges.deprecation.decisions.policy import Policy
from mcp_bridges.deprecation.reports.page import legacy_page
from mcp_runtime.server.http.admin import admin_app
from mcp_runtime.server.progress import ServerStage
from tests.bridges.deprecation.ledgers import client, seconds
from tests.bridges.deprecation.reports.test_report import DAY, Story
from tests.clients.node_programs import node_programs

pytestmark = pytest.mark.clients

SCRIPT: Final = Path(__file__).parents[3] / "clients" / "page_audit.mjs"
_TIME_LIMIT_S: Final = 120
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")

Audit = Callable[..., Any]


def chromium() -> str:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium here: none of {', '.join(_NAMES)}")
    return found


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A page with everything on it: every prospect, long names, hostile ones, two months of both eras."""

    async def tell() -> Path:
        story = Story(tmp_path_factory.mktemp("page"))
        await story.watched(60)
        for days_ago in range(60):
            story.called(
                client("claude-code", transport="http_sse", version="2.1.330", principal="ada@example.com"),
                "transport.http_sse",
                "protocol.handshake",
                days_ago=days_ago,
                times=1 + days_ago,
            )
            story.called(client("mcp", version="0.1.0"), "ping", days_ago=days_ago)
            story.called(client("x" * 200, user_agent="y" * 200, principal="z" * 200), "ping", days_ago=days_ago)
            story.called(client("<script>alert(1)</script>"), "ping", days_ago=days_ago)
            both = client("both")
            story.called(both, "feature.sampling", days_ago=days_ago)
            story.ledger.note_modern(both, "2026-07-28", at=seconds(DAY) - days_ago * 86_400)
        await story.ledger.flush()
        return story.fixture.path

    app = admin_app(lambda: ServerStage.READY, routes=[legacy_page(trio.run(tell), Policy(), now=lambda: seconds(DAY))])
    with listening(app) as address:
        yield f"{address}/legacy?days=60"


@contextmanager
def listening(app: Any) -> Generator[str]:
    # No logging of its own: it would be left to the tests that come after in this process.
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    socket = server.config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    try:
        # The socket listens from now on for whoever connects; the server takes them when it is up.
        socket.listen()
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def audit(url: str, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    browser, programs = chromium(), node_programs()
    folder = tmp_path_factory.mktemp("audit")
    if not (programs.modules / "puppeteer-core").is_dir():
        pytest.skip("puppeteer-core is not installed: scripts/test does it, where npm is")
    # Node.js looks for packages from the script's own folder upwards.
    (folder / "node_modules").symlink_to(programs.modules)
    script = shutil.copy(SCRIPT, folder)

    def run(scheme: str, width: int) -> Any:
        screenshot = folder / f"{scheme}-{width}.png"
        done = subprocess.run(
            [programs.node, str(script), browser, url, scheme, str(width), str(screenshot)],
            capture_output=True,
            check=False,
            text=True,
            timeout=_TIME_LIMIT_S,
        )
        assert done.returncode == 0, done.stderr
        return {**json.loads(done.stdout), "screenshot": screenshot}

    return run


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize(("scheme", "background"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 26)")])
def test_everybody_can_read_it(audit: Audit, url: str, scheme: str, background: str, width: int) -> None:
    seen = audit(scheme, width)
    assert seen["violations"] == []
    assert seen["passes"] > 20
    # axe-core cannot measure what is scrolled away or stands in a picture: test_page.py measures all colours.
    assert {one["id"] for one in seen["incomplete"]} <= {"color-contrast"}
    assert seen["background"] == background
    assert seen["overflows"] is False
    assert seen["bars"] == 60
    assert seen["status"] == 200
    assert seen["title"] == "Old MCP clients, 2027-07-01"
    assert seen["screenshot"].read_bytes().startswith(b"\x89PNG")
    # A browser asks for an icon by itself.
    assert [one for one in seen["requests"] if not one.endswith("/favicon.ico")] == [url]
    assert [one for one in seen["logged"] if "favicon" not in one and "404" not in one] == []
