"""Standard streams that are closed or full: what can be served is, and what cannot be shown is said in a sentence."""

import json
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_http import accepts_connections, ask
from tests.support.messages import call, encode, text
from tests.support.server_process import COMMAND, PATIENCE_S, ServerProcess, clean_environment

pytestmark = pytest.mark.process

HOST: Final = 6
PRINTING: Final = '''\
import sys
from mcp_runtime import Plugin
plugin = Plugin("printing")
print("to standard output", flush=True)
print("to standard error", file=sys.stderr, flush=True)
@plugin.tool
def shout(text: str) -> str:
    """Print, and return it loudly."""
    print(text, flush=True)
    return text.upper()
'''


def _shell(
    line: str, directory: Path, *, stdin: bytes = b"", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell in which `$M` is the command, to its end."""
    return subprocess.run(
        ["sh", "-c", line],
        cwd=directory,
        env={**clean_environment(directory, environment), "M": COMMAND},
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "streams",
    ["<&-", ">&-", "2>&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", ">/dev/full 2>/dev/full"],
)
def test_http_is_served_whatever_the_streams_are(streams: str, tmp_path: Path) -> None:
    """A plugin may print all the same, and no socket takes the place of standard error."""
    (tmp_path / "printing.py").write_text(PRINTING)
    bind = f"unix:{tmp_path}/server.sock"
    script = f'exec "$0" serve --plugin printing.py --bind {bind} {streams}'
    with ServerProcess(COMMAND, directory=tmp_path, command=("sh", "-c", script)) as server:
        _wait_until_it_listens(server, bind)
        assert text(ask(bind, call("shout", text="hello"))) == "HELLO"
        behind = [str(Path(f"/proc/{server.pid}/fd/{fd}").readlink()) for fd in (0, 1, 2)]
        assert [one for one in behind if not one.startswith(("/dev/", "pipe:"))] == []
        server.signal()
        assert server.exit_code() == 0, server.errors.text


def _wait_until_it_listens(server: ServerProcess, bind: str) -> None:
    """Where it cannot say so: its standard error is what is missing."""
    deadline = time.monotonic() + PATIENCE_S
    while not accepts_connections(bind):
        assert server.process.poll() is None, server.errors.text
        assert time.monotonic() < deadline
        select.select([], [], [], 0.02)


@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full"])
def test_stdio_is_served_without_a_standard_error(streams: str, tmp_path: Path) -> None:
    (tmp_path / "printing.py").write_text(PRINTING)
    asked = encode(call("shout", text="hello")) + b"\n"
    done = _shell(f'"$M" serve --stdio --plugin printing.py {streams}', tmp_path, stdin=asked)
    assert text(json.loads(done.stdout)) == "HELLO"
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("streams", [">&-", "<&- >&-"])
def test_stdio_without_a_standard_output_is_refused(streams: str, tmp_path: Path) -> None:
    done = _shell(f'"$M" serve --stdio {streams}', tmp_path)
    assert done.returncode == HOST
    assert done.stderr == (
        b"mcp-runtime: standard output is closed, and the client on stdio would get its answers there\n"
    )


def test_stdio_ends_when_its_answers_cannot_be_written(tmp_path: Path) -> None:
    asked = encode(call("shout", text="hello")) + b"\n"
    done = _shell('"$M" serve --stdio --log-format json >/dev/full', tmp_path, stdin=asked)
    assert done.returncode == 0
    assert json.loads(done.stderr)["event"] == "stdout_closed"


COMMANDS: Final = (
    "--version",
    "tools",
    "check",
    "init new",
    "completion bash",
    "legacy features",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_that_its_output_cannot_be_written(command: str, tmp_path: Path) -> None:
    for streams, reason in ((">&-", "it is closed"), (">/dev/full", "No space left on device")):
        done = _shell(f'"$M" {command} {streams}', tmp_path)
        assert done.stderr.decode() == f"mcp-runtime: cannot write to standard output: {reason}\n"
        assert done.returncode == HOST
        shutil.rmtree(tmp_path / "new", ignore_errors=True)


@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_what_went_wrong_is_in_the_exit_code_where_it_cannot_be_said(streams: str, tmp_path: Path) -> None:
    assert _shell(f'"$M" check --config none.toml {streams}', tmp_path).returncode == 3


def test_whoever_has_read_enough_is_no_error(tmp_path: Path) -> None:
    done = _shell('"$M" completion bash | head -1', tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8:strict"])
def test_an_encoding_without_a_character_does_not_stop_a_command(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text(
        "from mcp_runtime import Plugin\nplugin = Plugin('words')\n"
        "@plugin.tool\ndef say() -> str:\n    'Un th\u00e9 \u2603.'\n    return ''\n",
        encoding="utf-8",
    )
    done = _shell('"$M" tools --plugin words.py', tmp_path, environment={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    assert "Un th\u00e9" in done.stdout.decode("latin-1" if encoding == "latin-1" else "utf-8")


def test_the_package_is_a_command_too(tmp_path: Path) -> None:
    for module in ("mcp_runtime", "mcp_runtime.cli"):
        done = _shell(f'"{sys.executable}" -m {module} --version', tmp_path)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.startswith(b"mcp-runtime ")
