"""Where the server listens: several addresses at once, IPv4, IPv6, Unix sockets; and what happens where it cannot."""

import socket
import stat
from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_http import ask
from tests.support.messages import call, text
from tests.support.server_process import PROBES, ServerProcess

pytestmark = pytest.mark.process

CANNOT_BIND: Final = 5
ANY: Final = "127.0.0.1:0"


def test_it_listens_on_every_address_it_was_given(tmp_path: Path) -> None:
    binds = [ANY, ANY, "localhost:0", "[::1]:0", f"unix:{tmp_path}/mcp.sock"]
    arguments = [part for bind in binds for part in ("--bind", bind)]
    with ServerProcess("--plugin", PROBES, *arguments, directory=tmp_path) as server:
        urls = server.urls
        answers = [text(ask(url, call("echo", text=url))) for url in urls]
        server.signal()
        assert server.exit_code() == 0
    assert answers == urls
    hosts = [url.rpartition(":")[0] for url in urls]
    assert hosts == ["http://127.0.0.1", "http://127.0.0.1", "http://localhost", "http://[::1]", "unix"]
    assert len(set(urls)) == len(urls)


def test_http_is_the_default_and_configured_by_the_environment(tmp_path: Path) -> None:
    environment = {"MCP_RUNTIME_HTTP_BIND": ANY, "MCP_RUNTIME_PLUGINS": PROBES, "MCP_RUNTIME_HTTP_PATH": "/tools/mcp"}
    with ServerProcess(directory=tmp_path, environment=environment) as server:
        assert server.url.endswith("/tools/mcp")
        assert text(ask(server.url, call("echo", text="here"))) == "here"


class TestUnixSocket:
    def test_only_its_owner_may_use_it_and_it_is_gone_afterwards(self, tmp_path: Path) -> None:
        path = tmp_path / "mcp.sock"
        with ServerProcess("--plugin", PROBES, "--bind", f"unix:{path}", directory=tmp_path) as server:
            ask(server.url, call("echo", text="up"))
            mode = path.stat().st_mode
            assert stat.S_ISSOCK(mode)
            assert stat.S_IMODE(mode) == 0o600
            server.signal()
            assert server.exit_code() == 0
        assert not path.exists()

    def test_the_file_that_a_killed_process_left_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "mcp.sock"
        with ServerProcess("--plugin", PROBES, "--bind", f"unix:{path}", directory=tmp_path) as first:
            first.event("listening")
            first.process.kill()
            first.exit_code()
        assert path.is_socket()
        with ServerProcess("--plugin", PROBES, "--bind", f"unix:{path}", directory=tmp_path) as second:
            assert text(ask(second.url, call("echo", text="again"))) == "again"

    def test_one_that_somebody_listens_on_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "mcp.sock"
        with ServerProcess("--plugin", PROBES, "--bind", f"unix:{path}", directory=tmp_path) as first:
            url = first.url
            with ServerProcess("--plugin", PROBES, "--bind", f"unix:{path}", directory=tmp_path) as second:
                assert second.exit_code() == CANNOT_BIND
                _assert_says(second, f"cannot listen on unix:{path}", "Traceback")
            assert text(ask(url, call("echo", text="mine"))) == "mine"

    def test_a_file_of_another_kind_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "precious"
        path.write_text("data")
        with ServerProcess("--plugin", PROBES, "--bind", f"unix:{path}", directory=tmp_path) as server:
            assert server.exit_code() == CANNOT_BIND
            _assert_says(server, "is no socket", "Traceback")
        assert path.read_text() == "data"

    def test_it_is_gone_although_the_next_address_cannot_be_had(self, tmp_path: Path) -> None:
        path = tmp_path / "mcp.sock"
        with socket.create_server(("127.0.0.1", 0)) as taken:
            bind = f"127.0.0.1:{taken.getsockname()[1]}"
            with ServerProcess("--bind", f"unix:{path}", "--bind", bind, directory=tmp_path) as server:
                assert server.exit_code() == CANNOT_BIND
        assert not path.exists()

    def test_a_successor_that_took_the_path_over_keeps_it(self, tmp_path: Path) -> None:
        """A deployment may move a new socket into place before it stops the old process."""
        path, successor = tmp_path / "mcp.sock", tmp_path / "successor.sock"
        with (
            ServerProcess("--plugin", PROBES, "--bind", f"unix:{path}", directory=tmp_path) as old,
            ServerProcess("--plugin", PROBES, "--bind", f"unix:{successor}", directory=tmp_path) as new,
        ):
            old.event("listening")
            new.event("listening")
            successor.replace(path)
            old.signal()
            assert old.exit_code() == 0
            assert path.is_socket()
            assert text(ask(f"unix:{path}/mcp", call("echo", text="mine now"))) == "mine now"


@pytest.mark.parametrize("key", ["http.bind", "admin.bind"])
def test_an_address_in_use_is_the_operators_error(key: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        environment = {"MCP_RUNTIME_HTTP_BIND": ANY, f"MCP_RUNTIME_{key.replace('.', '_').upper()}": bind}
        with ServerProcess("--plugin", PROBES, directory=tmp_path, environment=environment) as server:
            assert server.exit_code() == CANNOT_BIND
            _assert_says(server, f"{key}: cannot listen on {bind}: Address already in use", "Traceback")
            assert "lifespan entered" not in server.errors.text


@pytest.mark.parametrize("bind", ["no-such-host.invalid:0", "192.0.2.1:0"])
def test_an_address_that_is_not_ours_is_the_operators_error(bind: str, tmp_path: Path) -> None:
    with ServerProcess("--plugin", PROBES, "--bind", bind, directory=tmp_path) as server:
        assert server.exit_code() == CANNOT_BIND
        _assert_says(server, f"cannot listen on {bind}", "Traceback")


def _assert_says(server: ServerProcess, wanted: str, unwanted: str) -> None:
    assert wanted in server.errors.text
    assert unwanted not in server.errors.text
