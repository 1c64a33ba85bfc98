"""Clients that do not read what they are sent: after a while they are cut off, and what they held is there again."""

import socket
import ssl
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_http import Connection, ask
from tests.support.blocking_old_http import SessionClient, SseClient, old_call
from tests.support.certificates import make_certificates
from tests.support.messages import call, encode, headers_for, listen, text
from tests.support.raw_http2 import RawHttp2, data, get, headers
from tests.support.server_process import PROBES, ServerProcess

pytestmark = pytest.mark.process

MIB: Final = 1024 * 1024
ANSWER_BYTES: Final = 8 * MIB
"""More than the kernel holds for both ends of a loopback connection."""
TIMEOUT_S: Final = 0.3
SOON: Final = {"MCP_RUNTIME_HTTP_WRITE_TIMEOUT_S": str(TIMEOUT_S)}
FLOOD_BYTES: Final = 100_000


def _serve(directory: Path, environment: dict[str, str]) -> ServerProcess:
    return ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=directory, environment=environment)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    with _serve(tmp_path_factory.mktemp("server"), SOON) as server:
        yield server
        # However a test went: it serves, and was not at fault.
        assert text(ask(server.url, call("echo", text="still here"))) == "still here"
        assert "Traceback" not in server.errors.text


def _is_cut_off(connection: Connection) -> bool:
    """Whether the connection is reset before all is there. Over TLS that looks like an end that came too early."""
    read = 0
    try:
        while (data := connection.socket.recv(MIB)) and read < ANSWER_BYTES:
            read += len(data)
    except ConnectionResetError:
        return True
    return isinstance(connection.socket, ssl.SSLSocket) and read < ANSWER_BYTES


def _cut_off(server: ServerProcess) -> list[str]:
    return [event["bound"] for event in server.events() if event["event"] == "answer_not_read"]


@pytest.mark.parametrize("way", ["httptools", "h11", "tls"])
def test_answers_that_nobody_reads_are_gone_after_a_while(tmp_path: Path, way: str) -> None:
    certificates = make_certificates(tmp_path)
    tls = certificates.client if way == "tls" else None
    environment = certificates.environment if tls else {"MCP_RUNTIME_HTTP_PARSER": way}
    with _serve(tmp_path, {**SOON, **environment}) as server:
        ask(server.url, call("big", size_bytes=ANSWER_BYTES), tls=tls)
        memory, descriptors = server.resident_bytes(), server.descriptors()
        connections = [Connection(server.url, tls=tls) for _ in range(4)]
        for connection in connections:
            connection.send(call("big", size_bytes=ANSWER_BYTES))
        server.errors.wait_until(lambda: len(_cut_off(server)) == len(connections))
        server.errors.wait_until(lambda: server.descriptors() <= descriptors)
        server.errors.wait_until(lambda: server.resident_bytes() - memory < ANSWER_BYTES)
        assert set(_cut_off(server)) == {"time"}
        assert {event["level"] for event in server.events()} == {"info", "warning"}
        assert text(ask(server.url, call("echo", text="still here"), tls=tls)) == "still here"
        for connection in connections:
            assert _is_cut_off(connection)
            connection.close()


def test_a_call_whose_events_nobody_reads_ends_as_for_a_client_that_left(server: ServerProcess) -> None:
    with closing(Connection(server.url)) as connection:
        connection.send(call("flood", name="unread", size_bytes=FLOOD_BYTES, meta={"progressToken": "t"}))
        server.said("unread cancelled")
        assert _is_cut_off(connection)


def test_a_listener_that_does_not_read_is_cut_off_and_others_are_told(server: ServerProcess) -> None:
    uris = [f"test://{number}/{'x' * 1000}" for number in range(100)]
    with closing(Connection(server.url)) as deaf, closing(Connection(server.url)) as attentive:
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # It takes less to fill it.
        for connection in (deaf, attentive):
            connection.send(listen(resourceSubscriptions=uris))
            assert b"200" in connection.socket.recv(12)
        descriptors, told = server.descriptors(), 0
        while server.descriptors() >= descriptors:
            ask(server.url, call("update_many", uris=uris, rounds=5))
            told += len(attentive.socket.recv(4 * MIB))
            assert told < 256 * MIB, "what is sent to who does not read has no end"
        assert _is_cut_off(deaf)
        assert attentive.socket.recv(1), "it was cut off too"


@pytest.mark.parametrize("way", ["session", "sse"])
def test_streams_of_older_clients_that_nobody_reads_are_cut_off(server: ServerProcess, way: str) -> None:
    descriptors = server.descriptors()
    with SessionClient(server.url) if way == "session" else SseClient(server.url) as client:
        flood = old_call("flood", token="t", name=way, size_bytes=FLOOD_BYTES)
        if isinstance(client, SseClient):
            client.post(flood)
            stream = client.connection
        else:
            stream = client.open(flood)
        server.said(f"{way} started")
        open_now = server.descriptors()
        server.errors.wait_until(lambda: server.descriptors() < open_now)
        assert _is_cut_off(stream)
    server.errors.wait_until(lambda: server.descriptors() <= descriptors)


def test_whoever_reads_slowly_gets_all_of_it(server: ServerProcess) -> None:
    """All of it takes far longer than the timeout, and each piece of it less."""
    here, there = socket.socketpair()
    with closing(Connection(server.url)) as slow, here, there:
        here.settimeout(TIMEOUT_S / 3)
        slow.send(call("big", size_bytes=ANSWER_BYTES))
        response = slow.response()
        for _ in range(16):
            with pytest.raises(TimeoutError):
                here.recv(1)  # Nobody sends anything there.
            assert len(response.read(ANSWER_BYTES // 16)) == ANSWER_BYTES // 16
        assert response.read(), "the rest of the JSON"


def test_answers_that_nobody_reads_are_bounded_all_together(tmp_path: Path) -> None:
    with _serve(tmp_path, {"MCP_RUNTIME_LIMITS_MAX_UNREAD_BYTES": str(2 * ANSWER_BYTES)}) as server:
        ask(server.url, call("big", size_bytes=ANSWER_BYTES))
        memory, descriptors = server.resident_bytes(), server.descriptors()
        connections = [Connection(server.url) for _ in range(12)]
        for connection in connections:
            connection.send(call("big", size_bytes=ANSWER_BYTES))
        server.errors.wait_until(lambda: _cut_off(server) == ["memory"] * 5)  # The log is bounded, too.
        server.errors.wait_until(lambda: server.descriptors() <= descriptors + 4)
        server.errors.wait_until(lambda: server.resident_bytes() - memory < 4 * ANSWER_BYTES)
        assert len(text(ask(server.url, call("big", size_bytes=ANSWER_BYTES)))) == ANSWER_BYTES
        for connection in connections:
            connection.close()


def test_answers_that_no_window_of_http2_takes_are_bounded_with_them(tmp_path: Path) -> None:
    """None of them ever sees the socket, which has room."""
    message = call("big", size_bytes=ANSWER_BYTES)
    fields = [
        *get(method=b"POST"),
        *[(name.lower().encode(), value.encode()) for name, value in headers_for(message).items()],
    ]
    with _serve(tmp_path, {"MCP_RUNTIME_LIMITS_MAX_UNREAD_BYTES": str(2 * ANSWER_BYTES)}) as server:
        ask(server.url, message)
        memory = server.resident_bytes()
        with RawHttp2(server.url) as greedy:
            for stream in range(1, 24, 2):
                greedy.send(headers(stream, fields) + data(stream, encode(message), "END_STREAM"))
            assert not greedy.read_until(lambda: False), "it goes on for as long as it is let"
        server.errors.wait_until(lambda: _cut_off(server) == ["memory"])
        server.errors.wait_until(lambda: server.resident_bytes() - memory < 4 * ANSWER_BYTES)
        assert len(text(ask(server.url, message))) == ANSWER_BYTES
