"""Clients that send too much, too little or nonsense: a status or a closed connection, and life goes on."""

import random
import socket
from collections.abc import Generator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_http import Connection, ask
from tests.support.messages import call, encode, headers_for, text
from tests.support.server_process import PATIENCE_S, PROBES, ServerProcess

pytestmark = pytest.mark.process

LIMITS: Final = {
    "MCP_RUNTIME_LIMITS_MAX_BODY_BYTES": "65536",
    "MCP_RUNTIME_LIMITS_BODY_TIMEOUT_S": "0.5",
    "MCP_RUNTIME_HTTP_IDLE_TIMEOUT_S": "0.5",
}
MIB: Final = 1024 * 1024
FRAME_SIZE_ERROR: Final = (6).to_bytes(4)
"""RFC 9113 7"""
HEAD: Final = (
    b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"accept: application/json, text/event-stream\r\n"
)
"""The beginning of a request that is right so far."""


@pytest.fixture(params=["httptools", "h11"])
def parser(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(parser: str, tmp_path: Path) -> Generator[ServerProcess]:
    environment = {**LIMITS, "MCP_RUNTIME_HTTP_PARSER": parser}
    with ServerProcess(
        "--plugin", PROBES, "--bind", "127.0.0.1:0", directory=tmp_path, environment=environment
    ) as server:
        yield server
        # However a test went: the server lives, serves, was not at fault, and ends when asked.
        assert text(ask(server.url, call("echo", text="still here"))) == "still here"
        server.signal()
        assert server.exit_code() == 0
        assert "Traceback" not in server.errors.text
        assert {event["level"] for event in server.events()} <= {"info", "warning"}


class TestTooMuch:
    def test_a_long_body_is_413(self, server: ServerProcess) -> None:
        message = call("echo", text="x" * 100_000)
        with Connection(server.url) as connection:
            connection.send(message)
            assert connection.response().status == 413

    def test_a_long_body_in_chunks_is_413(self, server: ServerProcess) -> None:
        message = call("echo", text="")
        with Connection(server.url) as connection:
            connection.socket.sendall(_head({**headers_for(message), "transfer-encoding": "chunked"}))
            for _ in range(10):
                connection.socket.sendall(b"2000\r\n" + b" " * 8192 + b"\r\n")
            connection.socket.sendall(b"0\r\n\r\n")
            assert _status(connection.socket) == 413

    def test_a_body_that_never_ends_is_answered_and_cut(self, server: ServerProcess) -> None:
        message = call("echo", text="")
        with Connection(server.url) as connection:
            before = server.resident_bytes()
            connection.socket.sendall(_head({**headers_for(message), "content-length": str(10**12)}))
            sent = _send_until_closed(connection.socket, b" " * 65_536, at_most=512 * MIB)
        assert sent < 512 * MIB, "it reads on and on"
        assert server.resident_bytes() - before < 32 * MIB

    def test_the_answer_to_a_long_body_arrives_although_all_of_it_was_sent(self, server: ServerProcess) -> None:
        """A server that closes with data unread resets the connection, and the client never sees the 413."""
        message = call("echo", text="x" * 5_000_000)
        for _ in range(3):
            with Connection(server.url) as connection:
                try:
                    connection.send(message)
                except ConnectionError:
                    continue  # It was closed half-way: the client knows, too.
                assert connection.response().status == 413

    def test_long_headers_are_431(self, server: ServerProcess) -> None:
        with Connection(server.url) as connection:
            sent = _send_until_closed(connection.socket, b"POST /mcp HTTP/1.1\r\nx: " + b"y" * 1_000_000, at_most=1)
            assert sent
            assert _status(connection.socket) == 431

    def test_many_headers_are_answered(self, server: ServerProcess) -> None:
        message = call("echo", text="many")
        with Connection(server.url) as connection:
            connection.send(message, {f"x-{number}": "y" for number in range(90)})
            assert text(connection.answer()) == "many"

    def test_streams_that_nobody_reads_cost_no_memory(self, server: ServerProcess) -> None:
        with ExitStack() as stack:
            ask(server.url, call("echo", text="warm"))
            before = server.resident_bytes()
            for number in range(5):
                connection = stack.enter_context(Connection(server.url))
                connection.send(call("flood", name=f"{number}", size_bytes=10_000, meta={"progressToken": "t"}))
                connection.socket.recv(1, socket.MSG_PEEK)
            for _ in range(50):
                ask(server.url, call("echo", text="meanwhile"))
            assert server.resident_bytes() - before < 32 * MIB


class TestTooLittle:
    def test_a_body_that_does_not_come_is_408(self, server: ServerProcess) -> None:
        message = call("echo", text="never")
        body = encode(message)
        with Connection(server.url) as connection:
            connection.socket.sendall(_head({**headers_for(message), "content-length": str(len(body))}) + body[:20])
            assert _status(connection.socket) == 408

    def test_a_body_that_trickles_is_408(self, server: ServerProcess) -> None:
        message = call("echo", text="never")
        with Connection(server.url) as connection:
            connection.socket.sendall(_head({**headers_for(message), "content-length": "60000"}))
            connection.socket.settimeout(0.01)
            status = None
            for _ in range(2000):
                connection.socket.sendall(b" ")
                try:
                    status = _status(connection.socket)
                    break
                except TimeoutError:
                    continue  # Nothing yet: send the next byte.
            assert status == 408

    def test_headers_that_do_not_come_are_cut(self, server: ServerProcess, parser: str) -> None:
        with Connection(server.url) as connection:
            connection.socket.sendall(b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ")
            assert _status(connection.socket) == (408 if parser == "httptools" else None)

    def test_silence_is_cut(self, server: ServerProcess) -> None:
        with Connection(server.url) as connection:
            assert connection.socket.recv(1) == b""

    def test_a_kept_alive_connection_is_cut_when_it_is_idle(self, server: ServerProcess) -> None:
        with Connection(server.url) as connection:
            connection.ask(call("echo", text="one"))
            assert connection.socket.recv(1) == b""

    def test_hundreds_of_silent_connections_do_not_keep_others_out(self, tmp_path: Path) -> None:
        bind = ("--plugin", PROBES, "--bind", "127.0.0.1:0")
        with ServerProcess(*bind, directory=tmp_path) as server, ExitStack() as stack:
            for number in range(400):
                silent = stack.enter_context(Connection(server.url))
                silent.socket.sendall(b"POST /mcp HTTP/1.1\r\n"[: number % 20])
            assert text(ask(server.url, call("echo", text="let me in"))) == "let me in"


class TestNonsense:
    @pytest.mark.parametrize(
        ("data", "httptools", "h11"),
        [
            pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400, 400, id="a TLS hello"),
            pytest.param(b"GET\r\n\r\n", 400, 400, id="a bare word"),
            pytest.param(b"POST /mcp HTTP/9.9\r\nhost: localhost\r\n\r\n", 400, 400, id="an unknown version"),
            pytest.param(b"POST /mcp HTTP/1.1\r\n\r\n", 400, 400, id="no host"),
            pytest.param(b"POST /mcp HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n", 400, 400, id="two hosts"),
            pytest.param(HEAD + b"content-length: -1\r\n\r\n", 400, 400, id="a negative length"),
            pytest.param(HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n{}", 400, 400, id="two lengths"),
            pytest.param(HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", 400, 400, id="no chunk"),
            pytest.param(HEAD + b"bad header\r\n\r\n", 400, 400, id="no colon"),
            pytest.param(
                b"CONNECT evil.example.com:443 HTTP/1.1\r\nhost: evil.example.com:443\r\n\r\n", 421, 421, id="CONNECT"
            ),
            pytest.param(b"\r\n" * 1000, 400, 400, id="line ends"),
            pytest.param(b"\0" * 100_000, 400, 400, id="zeros"),
        ],
    )
    def test_it_is_refused(self, data: bytes, httptools: int, h11: int, server: ServerProcess, parser: str) -> None:
        with Connection(server.url) as connection:
            connection.socket.sendall(data)
            status = _status(connection.socket)
        assert status == (httptools if parser == "httptools" else h11)

    def test_http2_that_is_none_is_cut_without_a_response(self, server: ServerProcess) -> None:
        with Connection(server.url) as connection:
            connection.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100)
            received = b""
            with suppress(ConnectionError):
                while chunk := connection.socket.recv(4096):
                    received += chunk
        # Its settings (RFC 9113, 6.5), which every HTTP/2 server sends before it reads, and then its goodbye.
        (length, kind) = int.from_bytes(received[:3]), received[3]
        goodbye = received[9 + length :]
        assert (kind, goodbye[3], goodbye[13:]) == (4, 7, FRAME_SIZE_ERROR)

    def test_random_bytes_are_refused(self, server: ServerProcess) -> None:
        chance = random.Random(20_260_728)
        for _ in range(50):
            with Connection(server.url) as connection:
                _send_until_closed(connection.socket, chance.randbytes(chance.randrange(1, 3000)), at_most=1)
                connection.socket.shutdown(socket.SHUT_WR)
                status = _status(connection.socket)
            assert status == 400

    def test_what_asks_for_a_websocket_is_the_plain_request_it_is(self, server: ServerProcess) -> None:
        upgrade = {
            "connection": "upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        with Connection(server.url) as connection:
            connection.socket.sendall(_head(upgrade, method="GET"))
            assert _status(connection.socket) == 405


def _head(fields: Mapping[str, str], method: str = "POST") -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} /mcp HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n".encode()


def _status(connection: socket.socket) -> int | None:
    """The status of the response, None where the connection is closed without one."""
    received = b""
    try:
        while b"\r\n" not in received:
            chunk = connection.recv(4096)
            if not chunk:
                return None
            received += chunk
    except ConnectionError:
        return None
    if not received.startswith(b"HTTP/1.1 "):
        return None  # HTTP/2 frames.
    return int(received.split()[1])


def _send_until_closed(connection: socket.socket, data: bytes, *, at_most: int) -> int:
    """Send `data` over and over until the server closes the connection, or `at_most` bytes are sent (once at least)."""
    connection.settimeout(PATIENCE_S)
    sent = 0
    while not sent or sent < at_most:
        try:
            connection.sendall(data)
        except ConnectionError:
            break
        sent += len(data)
    return sent
