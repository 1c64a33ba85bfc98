"""The MCP Inspector's command line, run once. Rule: a run is one call; its exit code says what came of it."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.clients.node_programs import NodePrograms
from tests.clients.transcripts import TIME_LIMIT_S
from tests.support.server_process import clean_environment

# Exit codes of the Inspector.
OK: Final = 0
RPC_ERROR: Final = 1
TOOL_ERROR: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one run of the Inspector ended: its exit code, and the result or error that it printed."""

    code: int
    result: Any
    error: Any


def inspect(programs: NodePrograms, directory: Path, target: list[str], era: str, *arguments: str) -> Outcome:
    """Run it against a server, found at the URL in `target`, with options, or started by the command there."""
    entry = programs.script(".bin", "mcp-inspector")
    url, command = (target, []) if target[0].startswith("http") else ([], ["--", *target])
    done = subprocess.run(
        [programs.node, entry, "--cli", *url, "--protocol-era", era, *arguments, "--format", "json", "-q", *command],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        text=True,
        timeout=TIME_LIMIT_S,
        env={**clean_environment(directory), "PATH": programs.path},
    )
    return Outcome(
        code=done.returncode,
        result=json.loads(done.stdout)["result"] if done.stdout.startswith('{"result"') else None,
        error=_last_json(done.stderr),
    )


def _last_json(text: str) -> Any:
    lines = [line for line in text.splitlines() if line.startswith('{"error"')]
    return json.loads(lines[-1])["error"] if lines else text
