"""The past is being retired, and real clients are there while it is. Rule: the old notice, the new ones do not."""

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.clients.legacy.clients import CLIENTS, LegacyClient
from tests.clients.legacy.programs import Target, command_of, finish, start
from tests.clients.transcripts import PLUGIN
from tests.support.messages import call, headers_for
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.clients

TEXT: Final = "Please update Example Desk: https://desk.example/update"
BROWNOUT_S: Final = 6
"""How long the brownout goes on: long enough to start two clients in."""


def _client(wanted: str) -> LegacyClient:
    return next(client for client in CLIENTS if client.id == wanted)


def _serve(directory: Path, **deprecation: str) -> ServerProcess:
    variables = {f"MCP_RUNTIME_DEPRECATION_{key.upper()}": value for key, value in deprecation.items()}
    return ServerProcess("--plugin", PLUGIN, "--bind", "127.0.0.1:0", directory=directory, environment=variables)


def _modern_call(url: str) -> httpx.Response:
    message = call("test_simple_text")
    return httpx.post(url, json=message, headers=headers_for(message))


def test_a_brownout_turns_an_sse_client_away_for_a_while_and_no_modern_one(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    begins = now.replace(second=0, microsecond=0)
    length_s = int((now - begins).total_seconds()) + BROWNOUT_S
    window = f"transport.http_sse = {begins:%Y-%m-%dT%H:%MZ} for={length_s}s"
    client = _client("python-1.30-sse")
    with _serve(tmp_path, brownouts=window, stages="transport.http_sse = brownout") as server:
        target = Target(url=server.url).of(client, tmp_path)
        command = [sys.executable, "-W", "ignore", "-m", "tests.clients.legacy.python_present"]
        present = start(command, {"url": server.url}, tmp_path)
        running = start(command_of(client, tmp_path, "python_patient"), target, tmp_path)
        assert present.stdout is not None
        assert running.stdout is not None
        assert present.stdout.readline() == "calling\n"
        assert running.stdout.readline() == "refused\n"
        during = _modern_call(server.url)
        transcript = finish(running, BROWNOUT_S * 3)
        after = _modern_call(server.url)
        undisturbed = finish(present)
    ends = begins + timedelta(seconds=length_s)
    [(status, retry_after)] = transcript["refusals"]
    assert status == 503
    assert 0 < int(retry_after) <= (ends - now).total_seconds() + 1
    assert "test_simple_text" in transcript["tools"]
    assert during.status_code == after.status_code == 200
    assert during.json()["result"]["content"] == after.json()["result"]["content"]
    assert undisturbed["version"] == "2026-07-28"
    assert undisturbed["calls"] > 5
    assert undisturbed["texts"] == [during.json()["result"]["content"][0]["text"]]
    for response in (during, after):
        assert not {"deprecation", "sunset", "link", "legacy-brownout", "retry-after"} & set(response.headers)


@pytest.mark.parametrize(
    ("wanted", "program", "says"),
    [
        ("node-1.12-http", "calls.mjs", r"410[\s\S]*2026-07-28"),
        ("node-1.32-http", "calls.mjs", r"410[\s\S]*2026-07-28|2026-07-28[\s\S]*410"),
        ("python-2-legacy-http", None, "No longer served here"),
    ],
)
def test_after_the_end_an_old_client_shows_its_user_the_operators_words(
    wanted: str, program: str | None, says: str, tmp_path: Path
) -> None:
    client = _client(wanted)
    with _serve(tmp_path, stages="transport.session_id = gone", message=TEXT) as server:
        running = start(command_of(client, tmp_path, program), Target(url=server.url).of(client, tmp_path), tmp_path)
        _, errors = running.communicate("go on\n", timeout=20)
        modern = _modern_call(server.url)
    assert running.returncode != 0
    assert re.search(says, errors), errors
    assert TEXT in errors
    assert modern.status_code == 200


OLD_PYTHON: Final = ("python-1.9-http", "python-1.9-sse", "python-1.30-http", "python-1.30-sse")


@pytest.mark.parametrize("wanted", OLD_PYTHON)
def test_where_a_method_alone_has_ended_every_old_client_shows_those_words_and_goes_on(
    wanted: str, tmp_path: Path
) -> None:
    client = _client(wanted)
    with _serve(tmp_path, stages="ping = gone, logging.set_level = gone", message=TEXT) as server:
        running = start(
            command_of(client, tmp_path, "python_refused"), Target(url=server.url).of(client, tmp_path), tmp_path
        )
        transcript = finish(running)
    for method in ("ping", "logging/setLevel"):
        code, message = transcript[method]
        assert code == -32601
        assert message.endswith(TEXT)
    assert "test_simple_text" in transcript["tools"]


@pytest.mark.parametrize("wanted", OLD_PYTHON)
def test_after_the_end_an_old_python_client_shows_the_status_alone(wanted: str, tmp_path: Path) -> None:
    """It reads no body that comes with an error: once it does, what documentation says of it is out of date."""
    client = _client(wanted)
    with _serve(tmp_path, stages="transport.session_id = gone, transport.http_sse = gone", message=TEXT) as server:
        running = start(
            command_of(client, tmp_path, "python_refused"), Target(url=server.url).of(client, tmp_path), tmp_path
        )
        _, errors = running.communicate("go on\n", timeout=20)
    assert running.returncode != 0
    assert "410 Gone" in errors
    assert TEXT not in errors  # The how-to says so.


def test_every_answer_to_an_old_client_says_when_it_ends_and_what_comes_instead(tmp_path: Path) -> None:
    with _serve(tmp_path, replacement_url="https://desk.example/mcp") as server, httpx.Client() as http:
        old: dict[str, Any] = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "o", "version": "1"},
            },
        }
        accept = {"accept": "application/json, text/event-stream"}
        opened = http.post(server.url, json=old, headers=accept)
        session = {**accept, "mcp-session-id": opened.headers["mcp-session-id"]}
        answers = [opened]
        told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        listed = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        params = {"name": "test_tool_with_progress", "_meta": {"progressToken": 1}}
        called = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}
        answers += [http.post(server.url, json=message, headers=session) for message in (told, listed, called)]
        for url in (server.url, server.url.removesuffix("/mcp") + "/sse"):
            with http.stream("GET", url, headers={**session, "accept": "text/event-stream"}) as stream:
                answers.append(stream)
        answers.append(http.delete(server.url, headers=session))
        answers.append(http.post(server.url, json={"jsonrpc": "2.0", "id": 4, "method": "ping"}, headers=session))
    assert [answer.status_code for answer in answers] == [200, 202, 200, 200, 200, 200, 200, 404]
    for answer in answers[:-1]:
        assert re.fullmatch(r"@\d+", answer.headers["deprecation"])
        assert answer.headers["sunset"].endswith("GMT")
        assert '<https://desk.example/mcp>; rel="successor-version"' in answer.headers["link"]
