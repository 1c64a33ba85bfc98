"""The same application under other servers, and mounted in somebody else's."""

import signal
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.process.asgi_server import MOUNTED, AsgiServer
from tests.process.timing import assert_within
from tests.support.blocking_http import get
from tests.support.messages import SUBSCRIPTION_ID, call, listen, text
from tests.support.server_process import PATIENCE_S, ServerProcess

pytestmark = pytest.mark.process

APP: Final = "mcp_runtime.asgi:app"
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "uvicorn": ("uvicorn", APP),
    "granian": ("granian", "--interface", "asgi", APP),
    "FastAPI": ("uvicorn", "--app-dir", MOUNTED, "mounted_in_fastapi:app"),
}
WITHOUT_LIFESPAN: Final[Mapping[str, tuple[str, ...]]] = {
    "uvicorn": ("uvicorn", "--lifespan", "off", APP),
    "granian": ("granian", "--interface", "asginl", APP),
    "FastAPI": COMMANDS["FastAPI"],
}

Start = Callable[..., ServerProcess]


@pytest.fixture(params=COMMANDS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[AsgiServer]:
    with AsgiServer(COMMANDS[request.param], tmp_path) as server:
        server.said("lifespan entered")
        server.wait_until_up()
        yield server


def test_calls_notifications_and_errors(server: AsgiServer) -> None:
    with server.connect() as connection:
        assert text(connection.ask(call("echo", 1, text="hello"))) == "hello"
        connection.send(call("count_up", 2, times=3, meta={"progressToken": "t"}))
        assert [message.get("method", "answer") for message in connection.messages()] == [
            *["notifications/progress"] * 3,
            "answer",
        ]
    with server.connect() as connection:
        assert connection.ask(call("no_such_tool", 3))["error"]["code"] == -32602
        connection.send(call("big", 4, size_bytes=5_000_000))
        assert len(text(connection.answer())) == 5_000_000


def test_a_listen_stream_hears_of_changes(server: AsgiServer) -> None:
    with server.connect() as listener, server.connect() as connection:
        listener.send(listen())
        heard = listener.messages()
        assert next(heard)["method"] == "notifications/subscriptions/acknowledged"
        connection.ask(call("change_tools"))
        assert next(heard)["method"] == "notifications/tools/list_changed"


@pytest.mark.parametrize("tool", ["hold", "hold_on"], ids=["before the response", "while it streams"])
def test_a_client_that_leaves_cancels_its_call(tool: str, server: AsgiServer) -> None:

    def until_cancelled(attempt: int) -> float:
        name = f"call {attempt}"
        with server.connect() as connection:
            connection.send(call(tool, name=name, meta={"progressToken": "t"}))
            server.said(f"{name} started")
        left = time.monotonic()
        server.said(f"{name} cancelled")
        return time.monotonic() - left

    assert_within(1.0, until_cancelled)
    with server.connect() as connection:
        assert text(connection.ask(call("echo", text="next"))) == "next"


@pytest.mark.parametrize("name", ["uvicorn", "FastAPI"])
def test_sigterm_ends_listen_streams_with_their_final_result(name: str, tmp_path: Path) -> None:
    with AsgiServer(COMMANDS[name], tmp_path) as server:
        server.wait_until_up()
        with server.connect() as listener:
            listener.send(listen("stream"))
            heard = listener.messages()
            next(heard)
            since = server.signal(signal.SIGTERM)
            assert [message["result"]["_meta"][SUBSCRIPTION_ID] for message in heard] == ["stream"]
            assert server.ended_after_s(since) < 5
        server.said("lifespan left")


def test_granian_waits_for_listen_streams_no_longer_than_it_is_told(tmp_path: Path) -> None:
    """It says nothing to the application before every connection has ended; so clients see theirs break."""
    with AsgiServer((*COMMANDS["granian"], "--workers-kill-timeout", "1"), tmp_path) as server:
        server.wait_until_up()
        with server.connect() as listener:
            listener.send(listen("stream"))
            next(listener.messages())
            assert server.ended_after_s(server.signal(signal.SIGTERM)) < 5


def test_a_call_under_way_finishes_after_sigterm(server: AsgiServer) -> None:
    with server.connect() as connection:
        connection.send(call("linger", seconds=0.8))
        server.said("linger started")
        server.signal(signal.SIGTERM)
        assert text(connection.answer()) == "done"
    server.process.wait(PATIENCE_S)
    server.said("lifespan left")


@pytest.mark.parametrize("name", WITHOUT_LIFESPAN)
def test_without_the_lifespan_it_says_what_is_missing(name: str, tmp_path: Path) -> None:
    extra = {"FORGET_THE_LIFESPAN": "1"}
    with AsgiServer(WITHOUT_LIFESPAN[name], tmp_path, extra) as server:
        statuses: list[int] = []
        server.errors.wait_until(lambda: bool(statuses) or _note_status(server, statuses))
        assert statuses == [500]
        server.errors.wait_for(lambda line: "lifespan" in line and "not running" in line)


def _note_status(server: AsgiServer, statuses: list[int]) -> bool:
    """Make a call; whether there was an answer, whose status is kept then."""
    status = _status(server)
    statuses.extend([] if status is None else [status])
    return status is not None


def _status(server: AsgiServer) -> int | None:
    """The status of a call; None where nobody is there to answer yet."""
    with server.connect() as connection:
        try:
            connection.send(call("echo", text="anybody?"))
            return connection.response().status
        except OSError:
            return None


def test_a_lifespan_that_fails_stops_uvicorn(tmp_path: Path) -> None:
    with AsgiServer(COMMANDS["uvicorn"], tmp_path, {"PROBES_START_FAILS": "1"}) as server:
        assert server.exit_code() != 0
        assert "no database today" in server.errors.text


def test_a_wrong_configuration_stops_uvicorn_with_its_reason(tmp_path: Path) -> None:
    with AsgiServer(COMMANDS["uvicorn"], tmp_path, {"MCP_RUNTIME_HTTP_PATHH": "/mcp"}) as server:
        assert server.exit_code() != 0
        assert "MCP_RUNTIME_HTTP_PATHH: there is no such variable" in server.errors.text


def test_the_hosts_own_routes_work_beside_it(tmp_path: Path) -> None:
    with AsgiServer(COMMANDS["FastAPI"], tmp_path) as server:
        server.wait_until_up()
        assert get(server.address, "/about") == (200, '{"about":"a host"}')
