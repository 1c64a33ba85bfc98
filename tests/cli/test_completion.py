"""`mcp-runtime completion` writes a script that the shell takes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mcp_runtime.cli.commands.completion import SHELLS
from mcp_runtime.cli.exit_codes import ExitCode
from tests.cli.running import run_command

pytestmark = pytest.mark.process


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script_with_every_command(tmp_path: Path, shell: str) -> None:
    done = run_command("completion", shell, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    for word in ("serve", "check", "tools", "init", "completion", "--log-level"[2:]):
        assert word in done.stdout


def complete(script: str, words: str) -> list[str]:
    """What bash would offer after these words."""
    program = f"{script}\nCOMP_WORDS=({words} '')\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
    program += '_shtab_mcp_runtime\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    bash = shutil.which("bash")
    assert bash is not None
    return subprocess.run([bash, "-c", program], capture_output=True, text=True, check=True).stdout.split()


def test_bash_offers_commands_then_values(tmp_path: Path) -> None:
    script = run_command("completion", "bash", cwd=tmp_path).stdout
    assert {"serve", "check", "tools", "init", "completion"} <= set(complete(script, "mcp-runtime"))
    assert set(complete(script, "mcp-runtime completion")) >= set(SHELLS)
    assert {"debug", "info", "warning"} <= set(complete(script, "mcp-runtime serve --log-level"))
