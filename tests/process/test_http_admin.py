"""Health endpoints, on a bind of their own: alive as long as the process, ready as long as it takes new calls."""

import os
from pathlib import Path

import pytest

from tests.support.blocking_http import Connection, accepts_connections, ask, get
from tests.support.messages import call, text
from tests.support.server_process import PROBES, ServerProcess

pytestmark = pytest.mark.process

BIND = ("--plugin", PROBES, "--bind", "127.0.0.1:0")


def test_ready_from_the_first_call_that_is_taken_to_the_signal_and_healthy_all_along(tmp_path: Path) -> None:
    start, end = tmp_path / "start", tmp_path / "end"
    os.mkfifo(start)
    os.mkfifo(end)
    # The port of a TCP bind is known only once everything is up.
    admin = f"unix:{tmp_path}/admin.sock"
    environment = {"MCP_RUNTIME_ADMIN_BIND": admin, "PROBES_START_FIFO": str(start)}
    with ServerProcess(*BIND, directory=tmp_path, environment=environment) as server:
        server.said("lifespan waits")
        assert get(admin, "/healthz") == (200, "ok\n")
        assert get(admin, "/readyz") == (503, "starting\n")

        start.write_text("go")
        assert server.event("listening")["admin_urls"] == [admin]
        assert get(admin, "/healthz") == (200, "ok\n")
        assert get(admin, "/readyz") == (200, "ready\n")

        with Connection(server.url) as connection:
            connection.send(call("hold_until_told", name="last", fifo=str(end)))
            server.said("last started")
            server.signal()
            server.event("stopping")
            assert get(admin, "/healthz") == (200, "ok\n")
            assert get(admin, "/readyz") == (503, "draining\n")
            end.write_text("done")
            assert text(connection.answer()) == "done"
        assert server.exit_code() == 0
    assert not accepts_connections(admin)


def test_admin_endpoints_listen_on_tcp_too_and_end_at_once(tmp_path: Path) -> None:
    environment = {"MCP_RUNTIME_ADMIN_BIND": "127.0.0.1:0,[::1]:0"}
    with ServerProcess(*BIND, directory=tmp_path, environment=environment) as server:
        urls = server.event("listening")["admin_urls"]
        assert [get(url, "/readyz") for url in urls] == [(200, "ready\n")] * 2
        with Connection(urls[0]) as kept_alive:
            kept_alive.path = "/healthz"
            kept_alive.send_body(b"", {}, "GET")
            kept_alive.response().read()
            assert server.ended_after_s(server.signal()) < 2
        assert server.exit_code() == 0


def test_neither_bind_serves_what_the_other_one_does(tmp_path: Path) -> None:
    environment = {"MCP_RUNTIME_ADMIN_BIND": "127.0.0.1:0"}
    with ServerProcess(*BIND, directory=tmp_path, environment=environment) as server:
        listening = server.event("listening")
        assert get(listening["urls"][0], "/healthz")[0] == 404
        with Connection(listening["admin_urls"][0] + "/mcp") as admin:
            admin.send(call("echo", text="here?"))
            assert admin.response().status == 404
        assert text(ask(listening["urls"][0], call("echo", text="here"))) == "here"


def test_a_lifespan_that_fails_stops_the_start(tmp_path: Path) -> None:
    with ServerProcess(*BIND, directory=tmp_path, environment={"PROBES_START_FAILS": "1"}) as server:
        assert server.exit_code() not in {0, None}
        assert "no database today" in server.errors.text
        assert '"listening"' not in server.errors.text
