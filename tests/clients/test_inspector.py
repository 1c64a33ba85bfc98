"""The MCP Inspector's command line: what a developer tries first."""

import json
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.clients.inspector import OK, RPC_ERROR, TOOL_ERROR, Outcome
from tests.clients.inspector import inspect as run_inspector
from tests.clients.node_programs import NodePrograms, node_programs
from tests.clients.transcripts import PLUGIN
from tests.support.server_process import COMMAND, ServerProcess

pytestmark = pytest.mark.clients

Inspect = Callable[..., Outcome]


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
    return lambda *arguments: run_inspector(programs, tmp_path, target, era, *arguments)


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


@pytest.mark.parametrize("posture", ["refuse", "off"])
@pytest.mark.parametrize("transport", ["http", "stdio"])
def test_an_old_client_that_is_not_served_is_told_which_revision_is(
    transport: str, posture: str, programs: NodePrograms, tmp_path: Path
) -> None:
    bridges = {
        f"MCP_RUNTIME_BRIDGES_{name}_POSTURE": posture for name in ("HTTP_SESSIONS", "HTTP_SSE", "STDIO_HANDSHAKE")
    }
    with ServerProcess(
        *("--plugin", PLUGIN, "--bind", "127.0.0.1:0"), directory=tmp_path, environment=bridges
    ) as server:
        settings = [f"{name}={value}" for name, value in bridges.items()]
        started = ["env", *settings, COMMAND, "serve", "--stdio", "--plugin", PLUGIN]
        target = [server.url] if transport == "http" else started
        outcome = run_inspector(programs, tmp_path, target, "legacy", "--method", "tools/list")
    assert outcome.code == RPC_ERROR
    assert "2026-07-28" in outcome.error["message"]
