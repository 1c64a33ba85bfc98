"""The command `mcp-runtime legacy`, run in the process of the test."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcp_runtime.cli.main import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a subcommand of `legacy` in this process, with the configuration in a folder."""

    def run_here(*args: str, cwd: Path) -> Done:
        try:
            code = main(["legacy", *args, "--config", str(cwd / "config.toml")])
        except SystemExit as stopped:
            code = int(str(stopped.code))
        printed = capfd.readouterr()
        return Done(code, printed.out, printed.err)

    return run_here
