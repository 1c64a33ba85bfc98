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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.node_programs import node_programs
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.conformance

PLUGIN: Final = "mcp_plugins.everything"
PACKAGE: Final = "@modelcontextprotocol/conformance"
FINE: Final = frozenset({"SUCCESS", "INFO"})
TIME_LIMIT_S: Final = 100.0

Checks = Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One run of the suite: what it is told, how many scenarios count for a revision, and those that do not (yet)."""

    arguments: tuple[str, ...]
    scored: int
    unscored: frozenset[str]

    @property
    def name(self) -> str:
        """What it is told, as part of a file's name."""
        return "_".join(self.arguments).replace("--", "")


def _of_2026(*arguments: str) -> Suite:
    pending = {"http-header-validation", "http-custom-header-server-validation", "json-schema-2020-12"}
    return Suite(arguments=(*arguments, "2026-07-28"), scored=37, unscored=frozenset(pending))


def _of_2025(*arguments: str) -> Suite:
    pending = {"server-session-lifecycle", "server-sse-polling", "json-schema-2020-12"}
    return Suite(arguments=(*arguments, "2025-11-25"), scored=30, unscored=frozenset(pending))


ALL: Final = ("--suite", "all", "--spec-version")
JUNE: Final = Suite(arguments=(*ALL, "2025-06-18"), scored=26, unscored=frozenset({"server-session-lifecycle"}))


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
LEGS: Final[Mapping[str, tuple[Suite, ...]]] = {
    "requirements": (_of_2026("--requirements"),),
    "all": (_of_2026(*ALL),),
    "requirements of 2025-11-25": (_of_2025("--requirements"),),
    # One process, one URL, two eras at the same time.
    "both eras at once": (_of_2026(*ALL), _of_2025(*ALL)),
}
RUNS: Final = [(server, LEGS[leg], f"{server}-{leg}") for server in SERVERS for leg in LEGS] + [
    ("hypercorn", (JUNE,), "hypercorn-all of 2025-06-18")
]


@pytest.fixture(scope="module", params=[run[:2] for run in RUNS], ids=[run[2] for run in RUNS])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Suite, Checks]]:
    """The checks of each suite of a leg, by scenario; the suites run at the same time against one server."""
    server, suites = request.param
    directory = tmp_path_factory.mktemp("conformance")
    with SERVERS[server](directory) as url, ExitStack() as stack:
        running = [(suite, stack.enter_context(_running(suite, url, directory))) for suite in suites]
        said = [process.communicate(timeout=TIME_LIMIT_S)[0] for _, process in running]
    checks = [(suite, _checks(directory / suite.name)) for suite, _ in running]
    assert all(of_suite for _, of_suite in checks), "\n".join(said)
    return checks


@contextmanager
def _running(suite: Suite, url: str, directory: Path) -> Generator["subprocess.Popen[str]"]:
    programs = node_programs()
    process = subprocess.Popen(
        [
            *(programs.node, programs.script(PACKAGE, "dist/index.js")),
            *("server", "--url", url, *suite.arguments, "--output-dir", str(directory / suite.name)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _checks(out: Path) -> Checks:
    found: dict[str, list[dict[str, Any]]] = {}
    for file in out.glob("server-*/checks.json"):
        name = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", file.parent.name.removeprefix("server-"))
        # The tasks extension is not served; a suite without a version leaves it out by itself.
        if not name.startswith("tasks-"):
            found[name] = json.loads(file.read_text())
    return found


def test_no_check_fails_warns_or_is_skipped(found: list[tuple[Suite, Checks]]) -> None:
    notable = [
        f"{suite.name}: {scenario}: {check['id']} {check['status']}: {check.get('errorMessage')}"
        for suite, checks in found
        for scenario, of_scenario in checks.items()
        for check in of_scenario
        if check["status"] not in FINE
    ]
    assert not notable, "\n".join(notable)


def test_every_scored_scenario_ran_and_the_pending_ones_pass_too(found: list[tuple[Suite, Checks]]) -> None:
    for suite, checks in found:
        assert checks.keys() >= suite.unscored
        assert len(checks.keys() - suite.unscored) == suite.scored


def test_every_scenario_checked_something(found: list[tuple[Suite, Checks]]) -> None:
    for _, checks in found:
        counts = Counter(
            scenario
            for scenario, of_scenario in checks.items()
            for check in of_scenario
            if check["status"] == "SUCCESS"
        )
        assert counts.keys() == checks.keys()
