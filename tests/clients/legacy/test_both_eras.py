"""One server, at one URL, serves both eras at once; a handler does not know which of them it serves."""

from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.clients.legacy.clients import CLIENTS, LegacyClient
from tests.clients.legacy.programs import Target, command_of, start
from tests.clients.legacy.raw_client import answer, call, http_client, opened
from tests.clients.transcripts import PLUGIN
from tests.support.messages import call as modern_call
from tests.support.messages import headers_for
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.clients

ASKING: Final = "test_input_required_result_elicitation"
ANN: Final[dict[str, Any]] = {"action": "accept", "content": {"name": "Ann"}}
GREETING: Final = [{"type": "text", "text": "Hello, Ann!"}]


@pytest.fixture
def http() -> Generator[httpx.Client]:
    with http_client() as client:
        yield client


def test_the_same_handler_asks_a_2026_client_by_retry_and_a_2025_client_by_push(
    http: httpx.Client, tmp_path: Path
) -> None:
    with ServerProcess("--plugin", PLUGIN, "--bind", "127.0.0.1:0", directory=tmp_path) as server:
        session = opened(http, server.url, elicitation={})
        with session.posted(call(ASKING, 7)) as stream:
            pushed = next(stream)
            assert pushed["method"] == "elicitation/create"

            # The question to the old client is open while the new one is asked the same.
            message = modern_call(ASKING)
            first = answer(http.post(server.url, json=message, headers=headers_for(message)))["result"]
            assert first["resultType"] == "input_required"
            (key,) = first["inputRequests"]
            assert first["inputRequests"][key]["params"]["message"] == pushed["params"]["message"]
            again = {"inputResponses": {key: ANN}, "requestState": first["requestState"]}
            message = {**message, "params": {**message["params"], **again}}
            assert (
                answer(http.post(server.url, json=message, headers=headers_for(message)))["result"]["content"]
                == GREETING
            )

            session.post({"jsonrpc": "2.0", "id": pushed["id"], "result": ANN})
            assert next(stream)["result"]["content"] == GREETING


def _client(wanted: str) -> LegacyClient:
    return next(client for client in CLIENTS if client.id == wanted)


def test_one_old_client_is_refused_by_a_rule_and_another_is_served(tmp_path: Path) -> None:
    rules = {"MCP_RUNTIME_BRIDGES_CLIENTS_RULES": "refuse name=sdk-1-12 version=<2"}
    with ServerProcess(*("--plugin", PLUGIN, "--bind", "127.0.0.1:0"), directory=tmp_path, environment=rules) as server:
        target = Target(url=server.url)
        said = {
            name: _said(_client(name), program, target, tmp_path)
            for name, program in (("node-1.12-http", "calls.mjs"), ("node-1.32-http", "calls.mjs"))
        }
    code, errors = said["node-1.12-http"]
    assert code != 0
    assert "2026-07-28" in errors
    assert said["node-1.32-http"] == (0, "")


def _said(client: LegacyClient, program: str, target: Target, directory: Path) -> tuple[int, str]:
    own = directory / client.id
    own.mkdir()
    running = start(command_of(client, own, program), target.of(client, own), own)
    _, errors = running.communicate("go on\n", timeout=20)
    return running.returncode, errors
