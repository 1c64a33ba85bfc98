"""What a client can hold of a server: so many connections, so many bytes on their way, and each for so long.

Each case holds or sends more than there is, and another client is served all the same.
"""

import json
import socket
import ssl
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from select import select
from typing import Final
from urllib.parse import urlsplit

import pytest
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.support.blocking_http import Connection, ask, get
from tests.support.blocking_http2 import Http2Connection
from tests.support.certificates import Certificates, make_certificates
from tests.support.messages import call, encode, headers_for, text
from tests.support.raw_http2 import PREFACE, Field, RawHttp2, data, headers
from tests.support.raw_http2 import get as pseudo
from tests.support.server_process import COMMAND, PATIENCE_S, PROBES, ServerProcess

pytestmark = pytest.mark.process

BIND: Final = ("--plugin", PROBES, "--bind", "127.0.0.1:0")
SERVE: Final = (COMMAND, "serve", "--log-format", "json")
FEW_FILES: Final = ("/bin/sh", "-c", 'ulimit -n 128; exec "$@"', "sh", *SERVE)
ECHO: Final = call("echo", text="one")
POST_HEAD: Final = (
    b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"accept: application/json, text/event-stream\r\n"
)
ECHO_HTTP2: Final[list[Field]] = [
    *pseudo(method=b"POST"),
    *((name.encode(), value.encode()) for name, value in headers_for(ECHO).items()),
]
PARSERS: Final = ("httptools", "h11")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


CUT_OFF: Final = '"answer_not_read"'


@contextmanager
def serving(directory: Path, command: tuple[str, ...] = SERVE, /, **environment: str) -> Generator[ServerProcess]:
    """A server with an admin bind, its keys in `environment` such as `HTTP_PARSER`; it ends in order."""
    keys = {f"MCP_RUNTIME_{name}": value for name, value in environment.items()}
    keys["MCP_RUNTIME_ADMIN_BIND"] = "127.0.0.1:0"
    with ServerProcess(*BIND, directory=directory, environment=keys, command=command) as server:
        yield server
        assert "Traceback" not in server.errors.text
        server.signal()
        assert server.exit_code() == 0


@pytest.fixture(scope="module", params=PARSERS)
def parser(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(parser: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    """A server with small limits, for what a connection does to itself alone."""
    limits = {
        "LIMITS_HEADER_TIMEOUT_S": "0.3",
        "HTTP_WRITE_TIMEOUT_S": "0.3",
        "LIMITS_MAX_CONTROL_FRAMES_PER_MINUTE": "200",
        "LIMITS_MAX_BODY_BYTES": "100000",
        "LIMITS_MAX_BODY_BYTES_IN_FLIGHT": "250000",
    }
    with serving(tmp_path_factory.mktemp("small"), HTTP_PARSER=parser, **limits) as server:
        yield server


def wait_cut_off(server: ServerProcess, told: int) -> None:
    """Wait until another client was cut off than the first `told`."""
    server.errors.wait_until(lambda: server.errors.text.count(CUT_OFF) > told)


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S)


def rest_of(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    received = b""
    with suppress(ConnectionError):
        while more := connection.recv(65_536):
            received += more
    return received


def is_served(url: str, tls: ssl.SSLContext | None = None) -> bool:
    return text(ask(url, ECHO, tls=tls)) == "one"


HELD: Final[dict[str, bytes]] = {
    "nothing": b"",
    "half a head": b"POST /mcp HTTP/1.1\r\nho",
    "the greeting of HTTP/2": PREFACE,
    "half a greeting of HTTP/2": PREFACE[:20],
    "half a head of HTTP/2": PREFACE + HeadersFrame(1, b"\x82", flags=[]).serialize(),
    "a request that was answered": b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n",
}
"""What a client has sent on connections that it then leaves alone."""


class TestConnections:
    @pytest.mark.parametrize("kind", ["httptools", "h11, TLS"])
    def test_no_number_of_idle_ones_keeps_others_out(
        self, kind: str, certificates: Certificates, tmp_path: Path
    ) -> None:
        parser, _, secured = kind.partition(", ")
        tls = certificates.client if secured else None
        keys = {name.removeprefix("MCP_RUNTIME_"): value for name, value in certificates.environment.items()}
        with serving(tmp_path, FEW_FILES, HTTP_PARSER=parser, **(keys if secured else {})) as server:
            assert is_served(server.url, tls)
            [admin] = server.event("listening")["admin_urls"]
            before = server.descriptors()
            with ExitStack() as held:
                for what in list(HELD.values()) * 33 if not secured else [b"", b"\x16\x03\x01"] * 100:
                    connection = held.enter_context(connect(server.url))
                    with suppress(ConnectionError):
                        connection.sendall(what)
                for _ in range(50):
                    held.enter_context(connect(admin))
                assert is_served(server.url, tls)
                assert get(admin, "/healthz") == (200, "ok\n")
                assert get(admin, "/readyz") == (200, "ready\n")
                assert server.descriptors() < 128 - 32
            server.errors.wait_until(lambda: server.descriptors() <= before)
            assert is_served(server.url, tls)

    def test_where_all_are_at_work_one_more_is_503_and_said_once(self, tmp_path: Path) -> None:
        with serving(tmp_path, HTTP_MAX_CONNECTIONS="3") as server, ExitStack() as held:
            working = [held.enter_context(closing(Connection(server.url))) for _ in range(3)]
            for number, connection in enumerate(working):
                connection.send(call("hold", name=f"{number}"))
                server.said(f"{number} started")
            for _ in range(3):
                with connect(server.url) as refused:
                    refused.sendall(POST_HEAD)
                    answer = rest_of(refused)
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert b"retry-after: 1\r\n" in answer
            event = server.event("connections_refused")
            assert (event["open"], event["places"], event["address"]) == (3, 3, None)
            [admin] = server.event("listening")["admin_urls"]
            assert get(admin, "/healthz") == (200, "ok\n")
            working[0].close()  # To hang up is to cancel, and makes room.
            server.said("0 cancelled")
            server.errors.wait_until(lambda: get(server.url, "/nowhere")[0] == 404)
            with closing(Connection(server.url)) as another:
                for number in (1, 2):
                    assert text(another.ask(call("release", 10 + number, name=f"{number}"))) == "released"
            assert text(working[1].answer()) == "1 was released"
            assert [event["event"] for event in server.events()].count("connections_refused") == 1

    def test_the_one_that_has_waited_longest_makes_room(self, tmp_path: Path) -> None:
        with serving(tmp_path, HTTP_MAX_CONNECTIONS="3") as server, ExitStack() as held:
            kept = [held.enter_context(closing(Connection(server.url))) for _ in range(3)]
            for connection in (*kept, kept[0]):  # The first is the last to be used.
                connection.ask(ECHO)
            assert is_served(server.url)
            assert kept[1].socket.recv(1) == b""
            assert text(kept[0].ask(ECHO)) == "one"
            assert text(kept[2].ask(ECHO)) == "one"


UNDER_WAY: Final = {
    "declared": POST_HEAD + b'content-length: 90000\r\n\r\n{"js',
    "in chunks": POST_HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (90_000, b" " * 90_000),
}


@pytest.mark.parametrize("row", UNDER_WAY)
def test_bodies_that_do_not_come_are_bounded_in_all(row: str, server: ServerProcess) -> None:
    with ExitStack() as held:
        bodies = [held.enter_context(connect(server.url)) for _ in range(10)]
        for body in bodies:
            with suppress(ConnectionError):
                body.sendall(UNDER_WAY[row])
        # Two of 90,000 bytes are within 250,000; which of them they are is for the server to say.
        server.errors.wait_until(lambda: len(select(bodies, [], [], 0)[0]) >= 8)
        refused = select(bodies, [], [], 0)[0]
        assert len(refused) == 8
        for body in refused:
            answer = body.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1\r\n" in answer.lower()
        assert is_served(server.url)  # There is room for a small one.
        assert len(select(set(bodies) - set(refused), [], [], 0)[0]) == 0
    full = encode(call("echo", text="x" * 90_000))
    server.errors.wait_until(lambda: is_taken(server.url, full))


def is_taken(url: str, body: bytes) -> bool:
    with closing(Connection(url)) as connection:
        connection.send_body(body, headers_for(ECHO))
        response = connection.response()
        return response.status == 200 and "error" not in json.loads(response.read())


class TestTime:
    @pytest.mark.parametrize("row", [row for row in HELD if row.startswith("half ")])
    def test_a_head_that_does_not_come_is_cut(self, row: str, server: ServerProcess) -> None:
        with connect(server.url) as connection:
            connection.sendall(HELD[row])
            received = rest_of(connection)
        assert row != "half a head" or received.startswith(b"HTTP/1.1 408 ")

    @pytest.mark.parametrize(
        ("begin", "more"),
        [
            (b"GET / HTTP/1.1\r\nx: ", b"x"),
            (PREFACE + HeadersFrame(1, bytes(9999), flags=["END_HEADERS"]).serialize()[:20], b"\0"),
            (
                PREFACE + HeadersFrame(1, b"\x82", flags=[]).serialize(),
                ContinuationFrame(1, b"\x82", flags=[]).serialize(),
            ),
        ],
        ids=["HTTP/1.1", "a frame", "a head in frames"],
    )
    def test_a_head_that_trickles_is_cut(self, begin: bytes, more: bytes, server: ServerProcess) -> None:
        with connect(server.url) as connection:
            connection.sendall(begin)
            connection.settimeout(0.05)
            for _ in range(60):
                try:
                    connection.sendall(more)
                    while connection.recv(65_536):
                        pass
                    break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            else:
                raise AssertionError("it may trickle on")

    def test_an_answer_that_no_window_takes_is_reset(self, server: ServerProcess) -> None:
        with RawHttp2(server.url) as connection:
            connection.send(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 0}).serialize())
            connection.send(headers(1, ECHO_HTTP2) + data(1, encode(ECHO), "END_STREAM"))
            assert connection.read_until(lambda: connection.is_over(1))
            assert str(connection.of(1)) == "200 CANCEL"
            connection.send(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 65_535}).serialize())
            connection.send(headers(3, ECHO_HTTP2) + data(3, encode(ECHO), "END_STREAM"))
            assert connection.read_until(lambda: connection.is_over(3))
            assert str(connection.of(3)) == "200 whole"

    def test_an_answer_that_nobody_reads_is_cut(self, server: ServerProcess) -> None:
        assert is_served(server.url)  # It has opened all that it opens by itself.
        before = server.descriptors()
        message = call("big", size_bytes=8_000_000)
        body, names = encode(message), [(name.encode(), value.encode()) for name, value in headers_for(message).items()]
        wide = SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1}).serialize()
        wide += WindowUpdateFrame(0, 2**31 - 65_536).serialize()
        over_http2 = headers(1, [*pseudo(method=b"POST"), *names]) + data(1, body, "END_STREAM")
        lines = b"".join(b"%b: %b\r\n" % field for field in names)
        lines += b"host: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
        over_http1 = b"POST /mcp HTTP/1.1\r\n" + lines + body
        for sent in (PREFACE + wide + over_http2, over_http1):
            with socket.socket() as deaf:
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                deaf.connect(("127.0.0.1", urlsplit(server.url).port))
                told = server.errors.text.count(CUT_OFF)
                deaf.sendall(sent)
                # The number of descriptors does not show it: a connection of the test before may just be closing.
                wait_cut_off(server, told)
                server.errors.wait_until(lambda: server.descriptors() <= before)


def test_a_tls_handshake_has_the_time_of_a_head(parser: str, certificates: Certificates, tmp_path: Path) -> None:
    keys = {name.removeprefix("MCP_RUNTIME_"): value for name, value in certificates.environment.items()}
    with serving(tmp_path, HTTP_PARSER=parser, LIMITS_HEADER_TIMEOUT_S="0.3", **keys) as server:
        with connect(server.url) as silent, connect(server.url) as begun:
            begun.sendall(b"\x16\x03\x01")
            assert rest_of(silent) == rest_of(begun) == b""
        assert is_served(server.url, certificates.client)


def filled(count: int, size: int = 1) -> list[Field]:
    return [(b"x-%d" % number, b"x" * size) for number in range(count)]


def bomb() -> bytes:
    """A head of a few kilobytes that is megabytes long: one long field in the table, said again and again."""
    encoder = Encoder()
    first = encoder.encode([*pseudo(), (b"x", b"a" * 3900)])
    again = encoder.encode([(b"x", b"a" * 3900)])
    return HeadersFrame(1, first + again * 4000, flags=["END_HEADERS"]).serialize()


FLOODS: Final[dict[str, bytes]] = {
    "pings": PingFrame(0, bytes(8)).serialize() * 300,
    "answers to pings": PingFrame(0, bytes(8), flags=["ACK"]).serialize() * 300,
    "settings": SettingsFrame(0).serialize() * 300,
    "frames of no known kind": (b"\0\0\0" + b"\xee\0" + bytes(4)) * 300,
    "empty bodies": headers(1, ECHO_HTTP2) + data(1, b"") * 300,
    "resets": b"".join(
        headers(number, ECHO_HTTP2) + RstStreamFrame(number, 8).serialize() for number in range(1, 601, 2)
    ),
    "a head in frames of nothing": HeadersFrame(1, b"", flags=[]).serialize()
    + ContinuationFrame(1, b"", flags=[]).serialize() * 300,
    "a head in frames without end": HeadersFrame(1, b"", flags=[]).serialize()
    + ContinuationFrame(1, bytes(16_000), flags=[]).serialize() * 6,
    "a head that unfolds": bomb(),
    "more streams than there may be": b"".join(headers(number, ECHO_HTTP2) for number in range(1, 303, 2)),
    "the beginning of a frame that is too long": (16_385).to_bytes(3) + b"\x01\0" + (1).to_bytes(4),
}

GOODBYES: Final = {
    "a head in frames of nothing": "PROTOCOL_ERROR",
    "more streams than there may be": "PROTOCOL_ERROR",
    "the beginning of a frame that is too long": "FRAME_SIZE_ERROR",
}
"""What the client is told, where that is not that it sends too much."""


class TestHttp2:
    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ([*ECHO_HTTP2, *filled(110)], "200"),
            ([*ECHO_HTTP2, *filled(129)], "431"),
            ([*ECHO_HTTP2, *filled(3, 10_000)], "200"),
            ([*ECHO_HTTP2, *filled(4, 10_000)], "431"),
            ([*pseudo(b"/" * 8192, b"POST"), *ECHO_HTTP2[4:]], "404"),
            ([*pseudo(b"/" * 8193, b"POST"), *ECHO_HTTP2[4:]], "414"),
        ],
        ids=["many fields", "too many", "long fields", "too long", "a long path", "too long a path"],
    )
    def test_a_head_is_bounded_as_over_http_1_1_before_any_settings_are_known(
        self, fields: list[Field], status: str, server: ServerProcess
    ) -> None:
        block = Encoder().encode(fields, huffman=False)
        first, *rest = (block[at : at + 16_000] for at in range(0, len(block), 16_000))
        frames = HeadersFrame(1, first, flags=[] if rest else ["END_HEADERS"]).serialize()
        for number, part in enumerate(rest, start=1):
            flags = ["END_HEADERS"] if number == len(rest) else []
            frames += ContinuationFrame(1, part, flags=flags).serialize()
        with RawHttp2(server.url) as connection:
            connection.send(frames + data(1, encode(ECHO), "END_STREAM"))
            assert connection.read_until(lambda: connection.is_over(1))
            assert connection.of(1).status == status
            connection.send(headers(3, ECHO_HTTP2) + data(3, encode(ECHO), "END_STREAM"))
            assert connection.read_until(lambda: connection.is_over(3))
            assert str(connection.of(3)) == "200 whole"

    @pytest.mark.parametrize("row", FLOODS)
    def test_too_much_ends_the_connection_and_no_other(self, row: str, server: ServerProcess) -> None:
        with RawHttp2(server.url) as flooding:
            flooding.send(FLOODS[row])
            assert not flooding.read_until(lambda: False)
            assert flooding.goodbye == GOODBYES.get(row, "ENHANCE_YOUR_CALM")
        assert is_served(server.url)

    def test_credit_for_a_long_answer_is_no_flood(self, server: ServerProcess) -> None:
        with Http2Connection(server.url, tls=None) as connection:  # It gives credit twice for each frame.
            assert len(text(connection.ask(call("big", size_bytes=4_000_000)))) == 4_000_000
