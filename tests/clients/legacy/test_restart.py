"""A server that is killed and started again goes on with the sessions of its clients."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.clients.legacy.clients import CLIENTS, LegacyClient
from tests.clients.legacy.programs import PLUGINS, Target, command_of, finish, start
from tests.clients.legacy.raw_client import call, http_client, messages, opened, request
from tests.clients.transcripts import PLUGIN
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.clients

OLD_CLIENTS = [
    pytest.param(client, "calls.mjs" if client.is_node else "python_calls", id=client.id)
    for client in CLIENTS
    if client.id in {"python-1.30-http", "node-1.12-http"}
]


@pytest.mark.parametrize(("client", "program"), OLD_CLIENTS)
def test_the_next_call_after_a_sigkill_succeeds_with_the_old_session(
    client: LegacyClient, program: str, tmp_path: Path
) -> None:
    command = command_of(client, tmp_path, program)
    with ServerProcess("--plugin", PLUGIN, "--bind", "127.0.0.1:0", directory=tmp_path) as killed:
        url = killed.url
        running = start(command, Target(url=url).of(client, tmp_path), tmp_path)
        assert running.stdout is not None
        assert running.stdout.readline() == "opened\n", finish(running)
    # Leaving the block sent SIGKILL.
    with ServerProcess("--plugin", PLUGIN, "--bind", urlsplit(url).netloc, directory=tmp_path) as server:
        assert server.url == url
        assert running.stdin is not None
        running.stdin.write("go on\n")
        running.stdin.flush()
        seen = finish(running)
        server.signal()
        assert server.exit_code() == 0
    assert seen["same_session"]
    _assert_calls(seen["first"])
    _assert_calls(seen["again"])


def test_what_a_session_set_before_a_sigkill_holds_after_it(tmp_path: Path) -> None:
    watched = "touch://watched"
    with http_client() as http:
        with ServerProcess(*PLUGINS, "--bind", "127.0.0.1:0", directory=tmp_path) as killed:
            session = opened(http, killed.url)
            session.post(request("logging/setLevel", level="error"))
            session.post(request("resources/subscribe", uri=watched))
            ended = opened(http, killed.url)
            ended.delete()
        with ServerProcess(*PLUGINS, "--bind", urlsplit(session.url).netloc, directory=tmp_path) as server:
            assert server.url == session.url
            assert len(messages(session.post(call("test_tool_with_logging")))) == 1
            with session.stream() as stream:
                session.post(call("touch", uri=watched))
                updates = (one for one in stream if one["method"] == "notifications/resources/updated")
                assert next(updates)["params"]["uri"] == watched
            assert ended.post(request("ping")).status_code == 404


def test_a_client_of_http_sse_comes_back_after_a_sigkill_and_goes_on_without_initialize(tmp_path: Path) -> None:
    """Its EventSource connects again by itself, and the library above it notices nothing."""
    (client,) = (one for one in CLIENTS if one.id == "node-1.12-sse")
    command = command_of(client, tmp_path, "calls.mjs")
    with ServerProcess("--plugin", PLUGIN, "--bind", "127.0.0.1:0", directory=tmp_path) as killed:
        url = killed.url
        running = start(command, Target(url=url).of(client, tmp_path), tmp_path)
        assert running.stdout is not None
        assert running.stdout.readline() == "opened\n", finish(running)
    with ServerProcess("--plugin", PLUGIN, "--bind", urlsplit(url).netloc, directory=tmp_path) as server:
        assert server.url == url
        assert running.stdin is not None
        running.stdin.write("go on\n")
        running.stdin.flush()
        seen = finish(running)
    _assert_calls(seen["first"])
    _assert_calls(seen["again"])


def _assert_calls(calls: dict[str, Any]) -> None:
    assert "test_simple_text" in calls["tools"]
    assert calls["text"] == [False, "This is a simple text response for testing."]
    assert calls["tool_error"] == [True, "This tool intentionally returns an error for testing"]
    assert calls["unknown_tool"][0] == -32602
