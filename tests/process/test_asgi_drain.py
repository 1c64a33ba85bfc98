"""SIGTERM under other servers: what is at work has the grace, whichever stream it is on."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.process.asgi_server import MOUNTED, AsgiServer
from tests.support.blocking_old_http import SessionClient, SseClient, old_call
from tests.support.messages import SUBSCRIPTION_ID, Message, listen, text
from tests.support.server_process import PATIENCE_S

pytestmark = pytest.mark.process

LASTS_S: Final = 2.0
"""How long a call goes on after the signal: longer than streams have to say goodbye."""
GRACE_S: Final = "10"
UVICORN: Final = ("uvicorn", "mcp_runtime.asgi:app")
COMMANDS: Final = {
    "uvicorn": UVICORN,
    "uvicorn with a limit": (*UVICORN, "--timeout-graceful-shutdown", GRACE_S),
    "uvicorn on h11": (*UVICORN, "--http", "h11"),
    "FastAPI": ("uvicorn", "--app-dir", MOUNTED, "mounted_in_fastapi:app"),
    "granian": ("granian", "--interface", "asgi", "mcp_runtime.asgi:app", "--workers-kill-timeout", GRACE_S),
}


def _serve(name: str, directory: Path, **more: str) -> AsgiServer:
    return AsgiServer(COMMANDS[name], directory, {"MCP_RUNTIME_HTTP_DRAIN_GRACE_S": GRACE_S, **more})


def _finishes(server: AsgiServer, heard: Callable[[], Iterator[Message]]) -> list[Message]:
    """What is said after the signal, on a stream with a call that goes on for a while."""
    server.said("linger started")
    since = server.signal(signal.SIGTERM)
    messages = list(heard())
    assert time.monotonic() - since > LASTS_S / 2
    return messages


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn with a limit", "uvicorn on h11", "FastAPI"])
def test_a_call_on_http_sse_has_the_grace_and_then_its_stream_ends(name: str, tmp_path: Path) -> None:
    with _serve(name, tmp_path) as server:
        server.wait_until_up()
        with SseClient(server.address, server.prefix) as client:
            client.post(old_call("linger", 1, seconds=LASTS_S))
            (answer,) = _finishes(server, client.messages)
            assert text(answer) == "done"
        assert server.process.wait(PATIENCE_S) in {0, -signal.SIGTERM}
        server.said("lifespan left")
        assert "Traceback" not in server.errors.text


def test_under_granian_a_call_on_http_sse_has_the_time_that_workers_have(tmp_path: Path) -> None:
    """The stream itself is not told that the server stops; it is cut when that time is over."""
    with _serve("granian", tmp_path) as server:
        server.wait_until_up()
        with SseClient(server.address) as client:
            client.post(old_call("linger", 1, seconds=LASTS_S))
            server.said("linger started")
            server.signal(signal.SIGTERM)
            assert text(next(client.messages())) == "done"
        server.process.wait(PATIENCE_S)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_call_in_a_session_has_the_grace(name: str, tmp_path: Path) -> None:
    with _serve(name, tmp_path) as server:
        server.wait_until_up()
        with SessionClient(server.address, f"{server.prefix}/mcp") as client:
            connection = client.open(old_call("linger", 1, seconds=LASTS_S))
            (answer,) = _finishes(server, connection.messages)
            assert text(answer) == "done"
        server.process.wait(PATIENCE_S)


@pytest.mark.parametrize("name", ["uvicorn", "FastAPI"])
def test_streams_with_nothing_at_work_end_at_once(name: str, tmp_path: Path) -> None:
    with _serve(name, tmp_path) as server:
        server.wait_until_up()
        with (
            SseClient(server.address, server.prefix) as old,
            SessionClient(server.address, f"{server.prefix}/mcp") as session,
            server.connect() as listener,
        ):
            stream = session.listen()
            listener.send(listen("stream"))
            heard = listener.messages()
            next(heard)
            since = server.signal(signal.SIGTERM)
            assert [message["result"]["_meta"][SUBSCRIPTION_ID] for message in heard] == ["stream"]
            assert list(old.messages()) == []
            stream.read()
            assert server.ended_after_s(since) < 5
        assert "Traceback" not in server.errors.text


def _hold(server: AsgiServer, client: Any) -> None:
    client.post(old_call("hold", 1, name="stuck"))
    server.said("stuck started")


def test_a_call_on_http_sse_beyond_the_grace_is_cut(tmp_path: Path) -> None:
    with _serve("uvicorn", tmp_path, MCP_RUNTIME_HTTP_DRAIN_GRACE_S="2") as server:
        server.wait_until_up()
        with SseClient(server.address) as client:
            _hold(server, client)
            assert 2 <= server.ended_after_s(server.signal(signal.SIGTERM)) < 6
            server.said("stuck cancelled")
            server.said("lifespan left")


def test_uvicorns_own_limit_counts_where_it_is_shorter(tmp_path: Path) -> None:
    with AsgiServer((*UVICORN, "--timeout-graceful-shutdown", "1"), tmp_path) as server:
        server.wait_until_up()
        with SseClient(server.address) as client:
            _hold(server, client)
            assert server.ended_after_s(server.signal(signal.SIGTERM)) < 5
            server.said("stuck cancelled")
            server.said("lifespan left")
