"""How a client program is started. Rule: a client is a process that gets its target as JSON and prints its transcript."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.legacy.clients import LegacyClient
from tests.clients.node_programs import NodePrograms, node_programs
from tests.clients.transcripts import PLUGIN, TIME_LIMIT_S
from tests.support.server_process import COMMAND, clean_environment

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
ENVIRONMENTS: Final = Path(os.environ.get("MCP_RUNTIME_TEST_CLIENTS") or ROOT / ".cache" / "clients")
"""Holds a Python environment for every file in `environments`."""

TOUCHING: Final = str(HERE / "touching.py")
PLUGINS: Final = ("--plugin", PLUGIN, "--plugin", TOUCHING)
"""What a server loads that old clients talk to."""

STDIO_LOG: Final = "server.log"
"""Where a server that its client started writes its log, in the client's directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a client finds the server: `url` is its MCP endpoint (None for a client that starts one itself)."""

    url: str | None = None

    def of(self, client: LegacyClient, directory: Path) -> dict[str, Any]:
        """What the client's program is told."""
        target: dict[str, Any] = {"transport": client.spoken_on, "package": client.family.environment}
        if client.family.proxy == "mcp-remote":
            return {**target, **self._through_mcp_remote(client, directory)}
        if client.transport == "stdio":
            return {**target, **_started_by_client(directory)}
        assert self.url is not None
        url = self.url if client.transport == "http" else f"{self.url.removesuffix('/mcp')}/sse"
        return {**target, "url": url}

    def _through_mcp_remote(self, client: LegacyClient, directory: Path) -> dict[str, Any]:
        programs = node_programs()
        assert self.url is not None
        strategy = {"http": ("--transport", "http-first"), "sse": ("--transport", "sse-only")}[client.transport]
        url = self.url if client.transport == "http" else f"{self.url.removesuffix('/mcp')}/sse"
        script = programs.script("mcp-remote", "dist/proxy.js")
        # It keeps what it knows about servers in the home directory.
        environment = {"HOME": str(directory), "PATH": programs.path}
        return {"command": programs.node, "arguments": [script, url, *strategy], "environment": environment}


def _started_by_client(directory: Path) -> dict[str, Any]:
    # `exec`, so that it is the server whom the client signals; its log, so that a test can read it afterwards.
    script = 'log="$1"; shift; exec "$@" 2>>"$log"'
    serve = [COMMAND, "serve", "--stdio", "--log-format", "json", *PLUGINS]
    return {
        "command": "sh",
        "arguments": ["-c", script, "sh", str(directory / STDIO_LOG), *serve],
        "environment": {"XDG_STATE_HOME": str(directory / "state"), "PATH": os.environ["PATH"]},
    }


def command_of(client: LegacyClient, directory: Path, program: str | None = None) -> list[str]:
    """What starts its program, or another `program` for the same library. Skips where the library is not installed."""
    program = program or client.family.program
    if client.is_node:
        return _node_command(node_programs(), directory, program)
    if client.family.environment is None:
        python = Path(sys.executable)
    else:
        python = ENVIRONMENTS / client.family.environment / "bin" / "python"
    if not python.exists():
        reason = f"no {python}: scripts/test installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return [str(python), "-W", "ignore", "-m", f"tests.clients.legacy.{program}"]


def _node_command(programs: NodePrograms, directory: Path, program: str) -> list[str]:
    """Node.js looks for packages from the script's own folder upwards, so the script moves to where they are."""
    for source in HERE.glob("*.mjs"):
        shutil.copy(source, directory)
    modules = directory / "node_modules"
    if not modules.exists():
        modules.symlink_to(programs.modules)
    return [programs.node, str(directory / program)]


def start(command: list[str], target: Mapping[str, Any], directory: Path) -> subprocess.Popen[str]:
    """Start a client program."""
    return subprocess.Popen(
        [*command, json.dumps(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=directory,
        env=clean_environment(directory, {"PYTHONPATH": str(ROOT)}),
        text=True,
        start_new_session=True,
    )


def finish(client: subprocess.Popen[str], within_s: float = TIME_LIMIT_S) -> dict[str, Any]:
    """The transcript, once the client has ended. Raises AssertionError with what it said where it failed."""
    try:
        out, errors = client.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        os.killpg(client.pid, signal.SIGKILL)
        out, errors = client.communicate()
        raise AssertionError(f"not done after {within_s:.0f} s:\n{out}\n{errors}") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(client.pid, signal.SIGKILL)
    assert client.returncode == 0, f"exit code {client.returncode}:\n{out}\n{errors}"
    transcript: dict[str, Any] = json.loads(out.splitlines()[-1])
    return transcript
