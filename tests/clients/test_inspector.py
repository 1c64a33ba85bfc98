"""The MCP Inspector's command line: what a developer tries first."""

import json
import subprocess
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.conversation import PLUGIN, TIME_LIMIT_S
from tests.clients.node_programs import NodePrograms, node_programs
from tests.process.server_process import COMMAND, ServerProcess, clean_environment

pytestmark = pytest.mark.clients

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


Inspect = Callable[..., Outcome]


def _inspect(programs: NodePrograms, directory: Path, target: list[str], era: str, *arguments: str) -> Outcome:
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


@pytest.fixture(scope="module")
def programs() -> NodePrograms:
    return node_programs()


@pytest.fixture(scope="module")
def server(programs: NodePrograms, tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    directory = tmp_path_factory.mktemp("inspector")
    with ServerProcess("--plugin", PLUGIN, "--bind", "127.0.0.1:0", directory=directory) as server:
        yield server


@pytest.fixture(params=["http-auto", "http-modern", "stdio-auto", "stdio-modern"])
def inspect(request: pytest.FixtureRequest, programs: NodePrograms, server: ServerProcess, tmp_path: Path) -> Inspect:
    """Runs the Inspector against the server, found at its URL or started as a child."""
    transport, era = str(request.param).split("-")
    target = [server.url] if transport == "http" else [COMMAND, "serve", "--stdio", "--plugin", PLUGIN]
    return lambda *arguments: _inspect(programs, tmp_path, target, era, *arguments)


def test_it_lists_tools(inspect: Inspect) -> None:
    outcome = inspect("--method", "tools/list")
    assert outcome.code == OK, outcome.error
    assert outcome.result["tools"][0]["name"] == "test_simple_text"


def test_it_calls_a_tool_with_a_mirrored_argument(inspect: Inspect) -> None:
    outcome = inspect("--method", "tools/call", "--tool-name", "test_x_mcp_header", "--tool-arg", "region=eu-north-1")
    assert outcome.code == OK, outcome.error
    assert outcome.result["content"] == [{"type": "text", "text": "Region: eu-north-1"}]


@pytest.mark.parametrize("inspect", ["http-auto", "stdio-modern"], indirect=True)
class TestOnceForEachTransport:
    def test_it_reports_a_tool_that_failed(self, inspect: Inspect) -> None:
        outcome = inspect("--method", "tools/call", "--tool-name", "test_error_handling")
        assert outcome.code == TOOL_ERROR
        assert outcome.result["content"][0]["text"] == "This tool intentionally returns an error for testing"

    def test_it_reports_a_question_that_it_cannot_answer(self, inspect: Inspect) -> None:
        outcome = inspect("--method", "tools/call", "--tool-name", "test_input_required_result_elicitation")
        assert outcome.code == RPC_ERROR
        assert "elicitation" in outcome.error["message"]

    def test_it_reads_a_resource(self, inspect: Inspect) -> None:
        outcome = inspect("--method", "resources/read", "--uri", "test://template/7/data")
        assert outcome.code == OK, outcome.error
        assert json.loads(outcome.result["contents"][0]["text"])["id"] == "7"

    def test_it_gets_a_prompt(self, inspect: Inspect) -> None:
        arguments = ("--prompt-args", "arg1=a", "arg2=b")
        outcome = inspect("--method", "prompts/get", "--prompt-name", "test_prompt_with_arguments", *arguments)
        assert outcome.code == OK, outcome.error
        assert outcome.result["messages"][0]["content"]["text"] == "Prompt with arguments: arg1='a', arg2='b'"

    def test_it_lists_the_rest(self, inspect: Inspect) -> None:
        outcome = inspect("--method", "resources/templates/list")
        assert outcome.code == OK, outcome.error
        assert [one["uriTemplate"] for one in outcome.result["resourceTemplates"]] == ["test://template/{id}/data"]


@pytest.mark.parametrize("transport", ["http", "stdio"])
def test_an_old_client_is_told_which_revision_is_served(
    transport: str, programs: NodePrograms, server: ServerProcess, tmp_path: Path
) -> None:
    target = [server.url] if transport == "http" else [COMMAND, "serve", "--stdio", "--plugin", PLUGIN]
    outcome = _inspect(programs, tmp_path, target, "legacy", "--method", "tools/list")
    assert outcome.code == RPC_ERROR
    assert "2026-07-28" in outcome.error["message"]
