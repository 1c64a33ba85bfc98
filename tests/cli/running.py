"""`mcp-runtime` as a process. Rule: a command runs as its user runs it, with nothing of the tester's environment."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

COMMAND: Final = (sys.executable, "-m", "mcp_runtime.cli")
_TIME_LIMIT_S: Final = 60
"""Only what hangs takes as long; a test that waits for it fails."""


def clean_environment(home: Path, **variables: str) -> dict[str, str]:
    """The tester's environment, without configuration, and with a home of its own."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MCP_RUNTIME_", "XDG_"))}
    return {**kept, "HOME": str(home), "NO_COLOR": "1", **variables}


def run_command(
    *args: str, cwd: Path, variables: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run one command line in `cwd` to its end."""
    return subprocess.run(
        [*COMMAND, *args],
        cwd=cwd,
        env=clean_environment(cwd, **(variables or {})),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIME_LIMIT_S,
    )


@contextmanager
def serving(*args: str, cwd: Path, variables: Mapping[str, str] | None = None) -> Generator[subprocess.Popen[str]]:
    """`mcp-runtime serve` with these options, as long as the block lasts; killed if it lasts too long."""
    process = subprocess.Popen(
        [*COMMAND, "serve", *args],
        cwd=cwd,
        env=clean_environment(cwd, **(variables or {})),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(_TIME_LIMIT_S, process.kill)
    watchdog.start()
    try:
        with process:
            try:
                yield process
            finally:
                process.terminate()
    finally:
        watchdog.cancel()


def lines_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """What it writes on standard error, up to the line with `text`. AssertionError where it ends without."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line.rstrip("\n"))
        if text in line:
            return lines
    raise AssertionError("\n".join(lines))


def events_in(lines: list[str]) -> list[dict[str, Any]]:
    """The JSON events among these lines."""
    return [json.loads(line) for line in lines if line.startswith("{")]


def discover() -> str:
    """A server/discover request, as one line."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}) + "\n"
