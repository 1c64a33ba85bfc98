"""Fail a whole run in which a line or branch of the core was not executed. Rule: the core is all or nothing.

A pytest plugin: `-p tests.coverage_gate`, beside `--cov`. Runs of a part of the tests do without it.
"""

import json
from pathlib import Path
from typing import Any, Final, cast

import coverage
import pytest
from coverage.exceptions import NoDataError

COMPLETE: Final = (
    "runtime/mcp_runtime/protocol/*",
    "runtime/mcp_runtime/core/dispatch/dispatcher.py",
    "bridges/mcp_bridges/*",
)
"""Every line and every branch of these is executed by the tests."""

_REFUSALS: Final = pytest.StashKey[list[str]]()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):
        return  # One of xdist's workers: only the controller has everybody's data.
    refusals = _refusals(session.config.rootpath)
    session.config.stash[_REFUSALS] = refusals
    if refusals and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    refusals = config.stash.get(_REFUSALS, list[str]())
    terminalreporter.section("coverage")
    for line in refusals or ["The core is covered, every line and every branch."]:
        terminalreporter.write_line(line, red=bool(refusals))


def _refusals(root: Path) -> list[str]:
    """What is not covered, a line a file."""
    report = root / ".cache" / "coverage" / "core.json"
    measured = coverage.Coverage(config_file=str(root / "pyproject.toml"))
    measured.load()
    try:
        measured.json_report(outfile=str(report), include=[str(root / pattern) for pattern in COMPLETE])
    except NoDataError:
        return [f"nothing of {', '.join(COMPLETE)} was executed"]
    files = cast("dict[str, dict[str, Any]]", json.loads(report.read_text())["files"])
    return [line for name, file in sorted(files.items()) if (line := _missing(name, file))]


def _missing(name: str, file: dict[str, Any]) -> str:
    lines = ", ".join(str(line) for line in file["missing_lines"])
    branches = ", ".join(f"{source}->{target}" for source, target in file["missing_branches"])
    parts = [f"lines {lines}" if lines else "", f"branches {branches}" if branches else ""]
    missing = "; ".join(part for part in parts if part)
    return f"{name} is not covered: {missing}" if missing else ""
