"""Transcripts of foreign clients, and how one is started. Rule: a client is a process that prints one JSON object.

A client script gets its target as JSON in its first argument: "url", or "command", "arguments" and "environment"; and
the "mode" to find out the revision by. It does what `Transcript` has a key for, prints "listening" once its last
subscription stands, and the transcript when the server has ended that one.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypedDict

from tests.support.server_process import COMMAND, ServerProcess, clean_environment

PLUGIN: Final = "mcp_plugins.everything"
TIME_LIMIT_S: Final = 40.0


class Transcript(TypedDict):
    """What a client saw."""

    version: str
    server: str | None
    tools: list[str]
    resources: list[str]
    templates: list[str]
    prompts: list[str]
    text: str
    header_text: str
    image_type: str
    tool_error: str
    bad_argument: str
    unknown_tool: int
    unknown_resource: int
    progress: list[float]
    logs: list[Any]
    accepted: str
    declined: str
    sampled: str
    roots: str
    many: str
    rounds: str
    prompt: str
    prompt_after_question: str
    completion: list[str]
    resource: str
    template: str
    blob: str
    changes: list[str]
    tools_after: list[str]
    ended: str


@contextmanager
def conversation(script: Sequence[str], *, transport: str, mode: str, directory: Path) -> Generator[Transcript]:
    """The transcript of a client that talks to the conformance fixture over `transport`, "http" or "stdio"."""
    if transport == "http":
        with ServerProcess("--plugin", PLUGIN, "--bind", "127.0.0.1:0", directory=directory) as server:
            target: dict[str, Any] = {"url": server.url, "mode": mode}
            yield _talk(script, target, directory, server.signal)
            assert server.exit_code() == 0, server.errors.text
            assert {event["level"] for event in server.events()} <= {"info", "warning"}, server.errors.text
        return
    pid_file, code_file = directory / "pid", directory / "code"
    target = {
        "command": "sh",
        # The client starts the server, so its pid and exit code have to be told.
        "arguments": [
            *(
                "-c",
                'pid="$1" code="$2"; shift 2; exec 3<&0; "$@" <&3 3<&- & echo $! >"$pid"; wait $!; echo $? >"$code"',
                "sh",
            ),
            *(str(pid_file), str(code_file), COMMAND, "serve", "--stdio", "--plugin", PLUGIN),
        ],
        "environment": {"XDG_STATE_HOME": str(directory)},
        "mode": mode,
    }
    yield _talk(script, target, directory, lambda: os.kill(int(pid_file.read_text()), signal.SIGTERM))
    assert code_file.read_text().strip() == "0"


def _talk(
    script: Sequence[str], target: Mapping[str, Any], directory: Path, end_server: Callable[[], object]
) -> Transcript:
    client = subprocess.Popen(
        [*script, json.dumps(target)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=directory,
        env=clean_environment(directory),
        text=True,
        start_new_session=True,
    )
    try:
        assert client.stdout is not None
        first = client.stdout.readline().strip()
        if first == "listening":
            end_server()
        out, errors = client.communicate(timeout=TIME_LIMIT_S)
        assert client.returncode == 0, f"{first}\n{out}\n{errors}"
        transcript: Transcript = json.loads(out)
        return transcript
    finally:
        with suppress(ProcessLookupError):
            os.killpg(client.pid, signal.SIGKILL)
        client.communicate()


PYTHON: Final = (sys.executable, "-W", "ignore")
