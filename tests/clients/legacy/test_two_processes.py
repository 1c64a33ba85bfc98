"""Two processes with one key and nothing else in common serve a session, whichever of them a proxy picks."""

import json
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.clients.legacy.clients import CLIENTS, LegacyClient
from tests.clients.legacy.programs import Target, command_of, finish, start
from tests.clients.legacy.proxy import SERVED_BY, RoundRobin, nginx
from tests.clients.legacy.raw_client import ACCEPT, answer, call, http_client, opened, request
from tests.clients.transcripts import PLUGIN
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.clients

KEY: Final = "one key for every process of this test and nothing else"
Processes = tuple[list[str], str]
"""The processes' own endpoints, and that of the proxy before them."""


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Generator[Processes]:
    nginx()
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                ServerProcess(
                    *("--plugin", PLUGIN, "--bind", "127.0.0.1:0"),
                    directory=tmp_path_factory.mktemp(name),
                    environment={"MCP_RUNTIME_SEAL_KEYS": KEY},
                )
            )
            for name in ("first", "second")
        ]
        urls = [server.url for server in servers]
        proxy = stack.enter_context(RoundRobin(urls, tmp_path_factory.mktemp("nginx")))
        yield urls, proxy.url


@pytest.fixture
def http() -> Generator[httpx.Client]:
    with http_client() as client:
        yield client


def test_list_call_and_error_succeed_whichever_process_answers(processes: Processes, http: httpx.Client) -> None:
    urls, proxy = processes
    session = opened(http, proxy)
    asked: dict[str, Any] = {
        "list": request("tools/list"),
        "call": call("test_simple_text"),
        "tool error": call("test_error_handling"),
        "error": call("no_such_tool"),
        "ping": request("ping"),
    }
    for name, message in asked.items():
        # One for each process: the proxy takes turns.
        answers = [session.post(message) for _ in urls]
        assert {response.status_code for response in answers} == {200}, name
        assert len({response.headers[SERVED_BY] for response in answers}) == len(urls), name
        first, second = map(answer, answers)
        assert first == second, name
        assert ("error" in first) == (name == "error")


def test_a_session_that_ends_at_one_process_needs_no_other(processes: Processes, http: httpx.Client) -> None:
    urls, _ = processes
    session = opened(http, urls[0])
    assert session.delete().status_code in {200, 202, 204}
    assert session.post(request("ping")).status_code == 404


@pytest.mark.parametrize(
    "client",
    [pytest.param(one, id=one.id) for one in CLIENTS if one.id in {"python-1.30-http", "node-1.12-http"}],
)
def test_a_real_client_does_not_notice(client: LegacyClient, processes: Processes, tmp_path: Path) -> None:
    _, proxy = processes
    command = command_of(client, tmp_path, "calls.mjs" if client.is_node else "python_calls")
    running = start(command, Target(url=proxy).of(client, tmp_path), tmp_path)
    assert running.stdin is not None
    running.stdin.write("go on\n")
    running.stdin.flush()
    seen = finish(running)
    assert seen["same_session"]
    assert seen["first"] == seen["again"]
    assert seen["again"]["text"] == [False, "This is a simple text response for testing."]
    assert seen["again"]["tool_error"][0]
    assert seen["again"]["unknown_tool"][0] == -32602
    statuses = Counter(status for _, _, status in seen["requests"])
    assert set(statuses) <= {200, 202, 204}


def test_an_answer_at_the_other_process_gets_a_clear_error_and_the_question_stays_open(
    processes: Processes, http: httpx.Client
) -> None:
    (here, there), _ = processes
    session = opened(http, here, elicitation={})
    with session.posted(call("test_elicitation", 7, message="Who?")) as stream:
        question = next(message for message in stream if message.get("method") == "elicitation/create")
        account = {"username": "ann", "email": "ann@example.com"}
        reply = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": account}}
        elsewhere = session.post(reply, url=there)
        assert elsewhere.status_code == 400
        assert "another process" in elsewhere.json()["error"]["message"]
        assert session.post(reply).status_code == 202
        result = next(message for message in stream if message.get("id") == 7)["result"]
    assert result["content"][0]["text"] == f"User response: action=accept, content={json.dumps(account)}"


def test_a_message_of_http_sse_at_the_other_process_gets_a_clear_error(
    processes: Processes, http: httpx.Client
) -> None:
    (here, there), _ = processes
    with http.stream("GET", f"{here.removesuffix('/mcp')}/sse", headers={"accept": "text/event-stream"}) as response:
        lines = response.iter_lines()
        endpoint = next(line for line in lines if line.startswith("data:")).partition(":")[2].strip()
        target = httpx.URL(response.url).join(endpoint)
        elsewhere = target.copy_with(port=httpx.URL(there).port)
        ping = request("ping")
        refused = http.post(elsewhere, json=ping, headers={"accept": ACCEPT})
        assert refused.status_code == 404
        assert "another process" in answer(refused)["error"]["message"]
        assert http.post(target, json=ping).status_code == 202
