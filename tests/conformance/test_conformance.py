"""The official conformance suite, against the server as a process. Rule: green means that nothing is even a warning.

The suite's own exit code knows failures alone, so this reads what it wrote down: OUT/server-SCENARIO-TIME/checks.json.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.node_programs import node_programs
from tests.process.server_process import ServerProcess

pytestmark = pytest.mark.conformance

PLUGIN: Final = "mcp_plugins.everything"
PACKAGE: Final = "@modelcontextprotocol/conformance"
SCORED: Final = 37
UNSCORED: Final = frozenset({"http-header-validation", "http-custom-header-server-validation", "json-schema-2020-12"})
FINE: Final = frozenset({"SUCCESS", "INFO"})
TIME_LIMIT_S: Final = 100.0

Checks = Mapping[str, list[dict[str, Any]]]


@contextmanager
def _hypercorn(directory: Path) -> Generator[str]:
    with ServerProcess("--plugin", PLUGIN, "--bind", "127.0.0.1:0", directory=directory) as server:
        yield server.url
        server.signal()
        assert server.exit_code() == 0
        assert {event["level"] for event in server.events()} <= {"info", "warning"}, server.errors.text


@contextmanager
def _uvicorn(directory: Path) -> Generator[str]:
    environment = {"MCP_RUNTIME_PLUGINS": PLUGIN, "MCP_RUNTIME_LOGGING_FORMAT": "json"}
    # It is given a listening socket as its standard input: so its port is known, and is nobody else's.
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ServerProcess(
            *("-m", "uvicorn", "--fd", "0", "mcp_runtime.asgi:app"),
            directory=directory,
            environment=environment,
            command=(sys.executable,),
            stdin=listener.fileno(),
        ) as server,
    ):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        server.signal()
        server.exit_code()
        assert {event["level"] for event in server.events()} <= {"info", "warning"}, server.errors.text


SERVERS: Final = {"hypercorn": _hypercorn, "uvicorn": _uvicorn}
LEGS: Final = {
    "requirements": ("--requirements", "2026-07-28"),
    "all": ("--suite", "all", "--spec-version", "2026-07-28"),
}


@pytest.fixture(scope="module", params=[f"{server}-{leg}" for server in SERVERS for leg in LEGS])
def checks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checks:
    """The checks of one run of the suite, by scenario."""
    programs = node_programs()
    server, leg = str(request.param).split("-")
    directory = tmp_path_factory.mktemp("conformance")
    out = directory / "out"
    with SERVERS[server](directory) as url:
        suite = subprocess.Popen(
            [
                *(programs.node, programs.script(PACKAGE, "dist/index.js")),
                *("server", "--url", url, *LEGS[leg], "--output-dir", str(out)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = suite.communicate(timeout=TIME_LIMIT_S)
        finally:
            if suite.poll() is None:
                os.killpg(suite.pid, signal.SIGKILL)
                suite.communicate()
    found: dict[str, list[dict[str, Any]]] = {}
    for file in out.glob("server-*/checks.json"):
        name = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", file.parent.name.removeprefix("server-"))
        # The tasks extension is not served; a suite without a version leaves it out by itself.
        if not name.startswith("tasks-"):
            found[name] = json.loads(file.read_text())
    assert found, said
    return found


def test_no_check_fails_warns_or_is_skipped(checks: Checks) -> None:
    notable = [
        f"{scenario}: {check['id']} {check['status']}: {check.get('errorMessage')}"
        for scenario, of_scenario in checks.items()
        for check in of_scenario
        if check["status"] not in FINE
    ]
    assert not notable, "\n".join(notable)


def test_every_scored_scenario_ran_and_the_pending_ones_pass_too(checks: Checks) -> None:
    assert checks.keys() >= UNSCORED
    assert len(checks.keys() - UNSCORED) == SCORED


def test_every_scenario_checked_something(checks: Checks) -> None:
    counts = Counter(
        scenario for scenario, of_scenario in checks.items() for check in of_scenario if check["status"] == "SUCCESS"
    )
    assert counts.keys() == checks.keys()
