"""`serve --stdio` starts at once, so it imports nothing that it may not need."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import clean_environment, discover

pytestmark = pytest.mark.process

NOT_NEEDED = ("shtab", "hypercorn", "starlette", "cryptography", "structlog", "difflib", "asyncio", "pydantic")


def imported(*args: str, cwd: Path, stdin: str = "") -> set[str]:
    """The modules that a command line imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mcp_runtime.cli", *args],
        cwd=cwd,
        env=clean_environment(cwd),
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def test_stdio_without_plugins_imports_none_of_these(tmp_path: Path) -> None:
    modules = imported("serve", "--stdio", cwd=tmp_path, stdin=discover())
    assert "trio" in modules
    assert [name for name in NOT_NEEDED if name in modules] == []


@pytest.mark.parametrize("line", [["--version"], ["completion", "bash"], ["init"]])
def test_a_command_that_serves_nothing_imports_no_event_loop(tmp_path: Path, line: list[str]) -> None:
    modules = imported(*line, cwd=tmp_path)
    assert [name for name in ("trio", "pydantic", "structlog") if name in modules] == []
