"""A client that leaves is noticed within a second, and its call stops."""

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.process.timing import assert_within
from tests.support.blocking_http import Connection, ask
from tests.support.certificates import make_certificates
from tests.support.messages import call, encode, headers_for, listen, text
from tests.support.raw_http2 import PREFACE, get, headers
from tests.support.server_process import PATIENCE_S, PROBES, ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.spec("2026-07-28/basic/transports/streamable-http#cancellation")]

TOKEN: Final = {"progressToken": "t"}

Leave = Callable[[Connection], None]


def _close(connection: Connection) -> None:
    connection.close()


def _reset(connection: Connection) -> None:
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("leave", [_close, _reset], ids=["close", "reset"])
@pytest.mark.parametrize("tool", ["hold", "hold_on"], ids=["before the response", "while it streams"])
@pytest.mark.parametrize("kind", ["tcp", "unix", "tls", "tcp on h11"])
def test_a_client_that_leaves_cancels_its_call(kind: str, tool: str, leave: Leave, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path) if kind == "tls" else None
    bind = f"unix:{tmp_path}/mcp.sock" if kind == "unix" else "127.0.0.1:0"
    environment = certificates.environment if certificates else {}
    environment |= {"MCP_RUNTIME_HTTP_PARSER": "h11" if kind == "tcp on h11" else "httptools"}
    tls = certificates.client if certificates else None
    with ServerProcess("--plugin", PROBES, "--bind", bind, directory=tmp_path, environment=environment) as server:

        def until_cancelled(attempt: int) -> float:
            name = f"call {attempt}"
            with Connection(server.url, tls=tls) as connection:
                connection.send(call(tool, name=name, meta=TOKEN))
                server.said(f"{name} started")
                leave(connection)
                left = time.monotonic()
                server.said(f"{name} cancelled")
                return time.monotonic() - left

        assert_within(1.0, until_cancelled)
        assert text(ask(server.url, call("echo", text="next"), tls=tls)) == "next"
        server.signal()
        assert server.exit_code() == 0
        assert {event["level"] for event in server.events()} == {"info"}


def test_a_client_that_leaves_in_the_middle_of_a_flood_cancels_its_call(tmp_path: Path) -> None:
    with ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=tmp_path) as server:
        # Whether the tool waits for the socket when its client leaves, or is about to write, is a matter of chance.
        for number in range(5):
            with Connection(server.url) as connection:
                connection.send(call("flood", name=f"call {number}", size_bytes=10_000, meta=TOKEN))
                connection.socket.recv(100_000)
            server.said(f"call {number} cancelled")
        server.signal()
        assert server.exit_code() == 0
        assert {event["level"] for event in server.events()} == {"info"}


def test_clients_that_leave_give_back_what_their_calls_held(tmp_path: Path) -> None:
    """One place at work and one subscription: the next client gets them."""
    limits = {"MCP_RUNTIME_LIMITS_MAX_SUBSCRIPTIONS": "1", "MCP_RUNTIME_LIMITS_MAX_CONCURRENT_REQUESTS": "1"}
    with ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=tmp_path, environment=limits) as server:
        for number in range(3):
            with Connection(server.url) as connection:
                connection.send(call("hold", name=f"call {number}"))
                server.said(f"call {number} started")
            server.said(f"call {number} cancelled")
        for _ in range(3):
            _listen_and_leave(server.url)


def _listen_and_leave(url: str) -> None:
    """Listen, where the listener before may still be on its way out."""
    for _ in range(200):
        with Connection(url) as connection:
            connection.send(listen())
            response = connection.response()
            if response.status == 200:
                assert next(connection.messages())["method"] == "notifications/subscriptions/acknowledged"
                return
            assert response.status == 503
            response.read()
    raise AssertionError("the place of a listener that left is not free")


def test_a_client_that_leaves_before_its_request_is_complete_is_no_error(tmp_path: Path) -> None:
    message = call("echo", text="never")
    with ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=tmp_path) as server:
        for kept in (0, 10):
            with Connection(server.url) as connection:
                body = encode(message)
                connection.send_body(body[:kept], {**headers_for(message), "content-length": str(len(body))})
        assert text(ask(server.url, call("echo", text="next"))) == "next"
        server.signal()
        assert server.exit_code() == 0
        assert {event["level"] for event in server.events()} == {"info"}


def test_what_one_client_does_leaves_others_alone(tmp_path: Path) -> None:
    with (
        ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=tmp_path) as server,
        Connection(server.url, timeout_s=PATIENCE_S) as patient,
    ):
        patient.send(call("hold", 1, name="wanted"))
        server.said("wanted started")
        with Connection(server.url) as impatient:
            impatient.send(call("hold", 1, name="unwanted"))  # the same id: ids are the client's own
            server.said("unwanted started")
        server.said("unwanted cancelled")
        ask(server.url, call("release", name="wanted"))
        assert text(patient.answer()) == "wanted was released"


@pytest.mark.parametrize("leave", [_close, _reset], ids=["close", "reset"])
@pytest.mark.parametrize("parser", ["httptools", "h11"])
@pytest.mark.parametrize("spoken", [PREFACE, PREFACE + headers(1, get(), "END_STREAM"), PREFACE + b"\xff" * 99])
def test_nothing_stays_of_http2_clients_that_have_left(
    spoken: bytes, parser: str, leave: Leave, tmp_path: Path
) -> None:
    environment = {"MCP_RUNTIME_HTTP_PARSER": parser, "MCP_RUNTIME_HTTP_IDLE_TIMEOUT_S": "3600"}
    with ServerProcess(
        "--plugin", PROBES, "--bind", "127.0.0.1:0", directory=tmp_path, environment=environment
    ) as server:
        assert text(ask(server.url, call("echo", text="first"))) == "first"
        before = server.descriptors()
        for _ in range(20):
            connection = Connection(server.url)
            connection.socket.sendall(spoken)
            assert connection.socket.recv(9)  # its settings
            leave(connection)
        server.errors.wait_until(lambda: server.descriptors() <= before + 1)
