"""The MCP Inspector's command line in both eras, against one server process."""

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final

import pytest

from tests.clients.inspector import OK, RPC_ERROR, TOOL_ERROR, Outcome, inspect
from tests.clients.legacy.clients import INSPECTOR_ERAS
from tests.clients.node_programs import node_programs
from tests.clients.transcripts import PLUGIN
from tests.support.server_process import COMMAND, ServerProcess

pytestmark = pytest.mark.clients

Inspect = Callable[..., Outcome]
TEXT: Final = [{"type": "text", "text": "This is a simple text response for testing."}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    node_programs()
    directory = tmp_path_factory.mktemp("inspector")
    with ServerProcess("--plugin", PLUGIN, "--bind", "127.0.0.1:0", directory=directory) as server:
        yield server


@pytest.fixture(params=INSPECTOR_ERAS, ids="-".join)
def inspector(request: pytest.FixtureRequest, server: ServerProcess, tmp_path: Path) -> Inspect:
    era, transport = request.param
    target = {
        "http": [server.url],
        "sse": [f"{server.url.removesuffix('/mcp')}/sse", "--transport", "sse"],
        "stdio": [COMMAND, "serve", "--stdio", "--plugin", PLUGIN],
    }[transport]
    return lambda *arguments: inspect(node_programs(), tmp_path, target, era, *arguments)


def test_it_calls_a_tool(inspector: Inspect) -> None:
    outcome = inspector("--method", "tools/call", "--tool-name", "test_simple_text")
    assert outcome.code == OK, outcome.error
    assert outcome.result["content"] == TEXT


@pytest.mark.parametrize("inspector", [("legacy", "http")], ids="-".join, indirect=True)
class TestInTheLegacyEra:
    def test_it_lists_tools(self, inspector: Inspect) -> None:
        outcome = inspector("--method", "tools/list")
        assert outcome.code == OK, outcome.error
        assert outcome.result["tools"][0]["name"] == "test_simple_text"

    def test_it_reports_a_tool_that_failed(self, inspector: Inspect) -> None:
        outcome = inspector("--method", "tools/call", "--tool-name", "test_error_handling")
        assert outcome.code == TOOL_ERROR

    def test_it_reports_a_question_that_it_cannot_answer(self, inspector: Inspect) -> None:
        outcome = inspector("--method", "tools/call", "--tool-name", "test_input_required_result_elicitation")
        assert outcome.code == RPC_ERROR
        assert "elicitation" in outcome.error["message"]

    def test_it_reads_a_resource(self, inspector: Inspect) -> None:
        outcome = inspector("--method", "resources/read", "--uri", "test://template/7/data")
        assert outcome.code == OK, outcome.error
        assert json.loads(outcome.result["contents"][0]["text"])["id"] == "7"
