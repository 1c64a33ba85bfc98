"""The command line: what every command has in common."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from mcp_runtime.cli.exit_codes import MEANINGS, ExitCode
from mcp_runtime.cli.failures import explain
from mcp_runtime.cli.main import main
from mcp_runtime.config import ConfigError
from tests.cli.running import clean_environment, run_command

pytestmark = pytest.mark.process


def test_the_installed_command_says_its_version(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("mcp-runtime")
    done = subprocess.run(
        [command, "--version"],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"mcp-runtime {version('mcp-runtime-bridge')}\n"


def test_help_names_every_command(tmp_path: Path) -> None:
    done = run_command("--help", cwd=tmp_path)
    assert done.returncode == ExitCode.OK
    first_words = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ")}
    assert {"serve", "check", "tools", "init", "completion"} <= first_words


@pytest.mark.parametrize("line", [[], ["srve"], ["serve", "--bnd", "x"], ["serve", "--plug", "x"], ["completion"]])
def test_a_wrong_command_line_is_exit_code_2(tmp_path: Path, line: list[str]) -> None:
    done = run_command(*line, cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    assert "usage: mcp-runtime" in done.stderr


def test_every_exit_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mcp_runtime.cli", "completion", "bash"],
        cwd=tmp_path,
        env={**clean_environment(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    with process:
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == ExitCode.OK


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.py").write_text("from mcp_runtime import Plugin\nplugin = Plugin('odd', settings=int)\n")
    with pytest.raises(TypeError):
        main(["check", "--plugin", "odd.py"])


def test_several_failures_at_once_are_no_single_message() -> None:
    group = ExceptionGroup("", [ConfigError("a", "b", "c", "d"), ConfigError("e", "f", "g", "h")])
    with pytest.raises(ExceptionGroup):
        explain(group)


def test_ctrl_c_before_serving_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slow.py").write_text("raise KeyboardInterrupt\n")
    assert main(["check", "--plugin", "slow.py"]) == ExitCode.INTERRUPTED
