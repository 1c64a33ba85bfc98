"""The past is in quarantine: without `mcp_bridges` the present is served, and its tests are green.

Rule: the package is made absent in processes of their own, for whatever they start too.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_http import Connection, ask, get
from tests.support.messages import Message, encode, request
from tests.support.server_process import COMMAND, ServerProcess, clean_environment

ROOT: Final = Path(__file__).parents[2]
_PATIENCE_S: Final = 120.0

SITECUSTOMIZE: Final = """
import sys
from importlib.abc import MetaPathFinder


class Absent(MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname.partition(".")[0] == "mcp_bridges":
            raise ModuleNotFoundError("No module named 'mcp_bridges'", name="mcp_bridges")


sys.meta_path.insert(0, Absent())
"""
"""Python imports it before anything else: as good as a deleted folder."""

OLD: Final[Message] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}},
}
OLD_HEADERS: Final = {"content-type": "application/json", "accept": "application/json, text/event-stream"}

MODERN: Final = ("tests/transports", "tests/replay", "tests/spec/test_streamable_http.py")
ONE_LOOP: Final = "not http-asyncio and not older"
"""Of the modern tests, those on trio: that the other loop does as well is shown elsewhere."""


@pytest.fixture
def absent(tmp_path: Path) -> str:
    """A folder for PYTHONPATH that makes the bridges absent."""
    folder = tmp_path / "quarantine"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    return str(folder)


def test_the_quarantine_holds(absent: str) -> None:
    code = "import mcp_runtime\ntry:\n import mcp_bridges.gate.port\nexcept ModuleNotFoundError as e: print(e.name)"
    environment = {**os.environ, "PYTHONPATH": absent}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "mcp_bridges\n"


@pytest.mark.process
def test_without_bridges_the_modern_tests_are_green(absent: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={tmp_path}", "-k", ONE_LOOP]
    done = subprocess.run(
        [*command, *MODERN],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": absent},
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    summary = re.search(r"(\d+) passed", done.stdout)
    assert summary is not None
    assert int(summary[1]) > 300
    assert "failed" not in done.stdout


@pytest.mark.process
def test_without_bridges_a_server_serves_the_present_and_tells_the_past_what_is_spoken(
    absent: str, tmp_path: Path
) -> None:
    environment = {"PYTHONPATH": absent}
    with ServerProcess("--bind", "127.0.0.1:0", directory=tmp_path, environment=environment) as server:
        assert ask(server.url, request("server/discover"))["result"]["supportedVersions"] == ["2026-07-28"]
        with Connection(server.url) as connection:
            connection.send_body(encode(OLD), OLD_HEADERS)
            assert connection.answer()["error"]["data"]["supported"] == ["2026-07-28"]
            connection.send_body(b"", {"accept": "text/event-stream"}, "GET")
            assert connection.response().status == 405
        assert get(server.url, "/sse")[0] == 404


@pytest.mark.process
def test_without_bridges_stdio_serves_the_present_and_tells_the_past_what_is_spoken(
    absent: str, tmp_path: Path
) -> None:
    lines = encode(OLD) + b"\n" + encode(request("server/discover", id=2)) + b"\n"
    done = subprocess.run(
        [COMMAND, "serve", "--stdio"],
        input=lines,
        env=clean_environment(tmp_path, {"PYTHONPATH": absent}),
        cwd=tmp_path,
        capture_output=True,
        timeout=_PATIENCE_S,
        check=True,
    )
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["error"]["data"]["supported"] == ["2026-07-28"]
    assert second["result"]["supportedVersions"] == ["2026-07-28"]
