"""--stdio and --http in one process: one catalog, one end."""

import signal
from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_http import Connection, accepts_connections, ask
from tests.support.blocking_stdio import StdioServer
from tests.support.messages import SUBSCRIPTION_ID, call, listen, text
from tests.support.server_process import PROBES

pytestmark = pytest.mark.process

BOTH: Final = ("--http", "--bind", "127.0.0.1:0", "--plugin", PROBES)


def test_both_serve_and_hear_of_each_others_changes(tmp_path: Path) -> None:
    with StdioServer(*BOTH, directory=tmp_path) as server, Connection(server.url) as connection:
        server.send(listen("stdio"))
        assert server.receive()["method"] == "notifications/subscriptions/acknowledged"
        connection.send(listen("http"))
        heard = connection.messages()
        assert next(heard)["method"] == "notifications/subscriptions/acknowledged"

        ask(server.url, call("change_tools"))
        assert server.receive()["method"] == "notifications/tools/list_changed"
        assert next(heard)["method"] == "notifications/tools/list_changed"

        server.send(call("change_tools", 2))
        assert {message.get("method", "answer") for message in (server.receive(), server.receive())} == {
            "answer",
            "notifications/tools/list_changed",
        }
        assert next(heard)["method"] == "notifications/tools/list_changed"


def test_the_banner_is_not_on_standard_output(tmp_path: Path) -> None:
    with StdioServer(*BOTH, "--log-format", "console", directory=tmp_path) as server:
        server.errors.wait_for(lambda line: "mcp-runtime is ready" in line)
        assert text(server.ask(call("echo", text="first"))) == "first"
        server.close_stdin()
        assert server.read_to_end() == b""


@pytest.mark.parametrize("ending", ["end of input", "SIGTERM", "SIGINT"])
def test_whatever_ends_it_ends_both(ending: str, tmp_path: Path) -> None:
    with StdioServer(*BOTH, directory=tmp_path) as server, Connection(server.url) as connection:
        url = server.url
        server.send(listen("stdio"))
        assert server.receive()["method"] == "notifications/subscriptions/acknowledged"
        connection.send(listen("http"))
        heard = connection.messages()
        next(heard)

        since = server.close_stdin() if ending == "end of input" else server.signal(signal.Signals[ending])
        assert server.receive()["result"]["_meta"][SUBSCRIPTION_ID] == "stdio"
        assert [message["result"]["_meta"][SUBSCRIPTION_ID] for message in heard] == ["http"]
        assert server.ended_after_s(since) < 2
        assert server.exit_code() == 0
        assert not accepts_connections(url)


def test_an_http_call_under_way_finishes_after_the_end_of_input(tmp_path: Path) -> None:
    with StdioServer(*BOTH, directory=tmp_path) as server, Connection(server.url) as connection:
        connection.send(call("linger", seconds=0.8))
        server.said("linger started")
        server.close_stdin()
        assert text(connection.answer()) == "done"
        assert server.exit_code() == 0
