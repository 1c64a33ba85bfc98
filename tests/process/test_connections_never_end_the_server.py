"""What a connection can do to a server: nothing. Each row is what one client sends, and the very answer that it gets.

While each row is played, a call of another client is at work; it finishes afterwards, with its answer. One process
serves all rows of a configuration, on its endpoint and on its admin bind.
"""

import resource
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.support.blocking_http import Connection, ask
from tests.support.certificates import make_certificates
from tests.support.messages import call, text
from tests.support.raw_http2 import PREFACE, RawHttp2, data, get, headers
from tests.support.server_process import PATIENCE_S, PROBES, ServerProcess

pytestmark = pytest.mark.process

ACCEPT: Final = (b"accept", b"application/json, text/event-stream")
JSON: Final = [ACCEPT, (b"content-type", b"application/json")]
MAX_BODY_BYTES: Final = 300_000
TOO_MUCH: Final = 1_000_000
LAST: Final = 1001
"""The stream of the request that shows whether the connection goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server, one of its binds, and how the answer to a plain GET is there."""

    server: ServerProcess
    url: str
    tls: ssl.SSLContext | None
    plain_get: int
    is_admin: bool
    honest_url: str
    honest_tls: ssl.SSLContext | None


KINDS: Final = ("httptools", "h11", "httptools, TLS", "h11, TLS")


@pytest.fixture(scope="module", params=KINDS)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[Target, Target]]:
    parser, _, secured = request.param.partition(", ")
    directory = tmp_path_factory.mktemp("served")
    certificates = make_certificates(directory) if secured else None
    environment = {
        "MCP_RUNTIME_HTTP_PARSER": parser,
        "MCP_RUNTIME_ADMIN_BIND": "127.0.0.1:0",
        "MCP_RUNTIME_LIMITS_BODY_TIMEOUT_S": "0.5",
        "MCP_RUNTIME_LIMITS_MAX_BODY_BYTES": f"{MAX_BODY_BYTES}",
        **(certificates.environment if certificates else {}),
    }
    bind = ("--plugin", PROBES, "--bind", "127.0.0.1:0")
    with ServerProcess(*bind, directory=directory, environment=environment) as server:
        tls = certificates.client if certificates else None
        url, admin = server.url, str(server.event("listening")["admin_urls"][0])
        endpoint = Target(
            server=server, url=url, tls=tls, plain_get=405, is_admin=False, honest_url=url, honest_tls=tls
        )
        health = Target(
            server=server, url=admin, tls=None, plain_get=404, is_admin=True, honest_url=url, honest_tls=tls
        )
        yield endpoint, health
        assert not [event for event in server.events() if event["level"] == "error"]
        server.signal()
        assert server.exit_code() == 0


@pytest.fixture(params=["endpoint", "admin"])
def target(request: pytest.FixtureRequest, served: tuple[Target, Target]) -> Generator[Target]:
    """One of the binds, while an honest client's call is at work at the endpoint."""
    chosen = served[request.param == "admin"]
    name = f"honest {request.node.name}"
    with closing(Connection(chosen.honest_url, tls=_http1(chosen.honest_tls))) as honest:
        honest.send(call("hold", name=name))
        chosen.server.said(f"{name} started")
        yield chosen
        with closing(Connection(chosen.honest_url, tls=_http1(chosen.honest_tls))) as other:
            assert text(other.ask(call("release", 2, name=name))) == "released"
        assert text(honest.answer()) == f"{name} was released"


def _http1(tls: ssl.SSLContext | None) -> ssl.SSLContext | None:
    if tls is not None:
        tls.set_alpn_protocols(["http/1.1"])
    return tls


GET_HEAD: Final = b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n"
H2C: Final = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
WEBSOCKET: Final = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
PLAIN: Final = "plain, plain"
"""It is answered as without the upgrade, and so is the request behind it."""

UPGRADES: Final = {
    "settings that do not decode": (H2C + b"HTTP2-Settings: A\r\n", b"", PLAIN),
    "settings that are no settings": (H2C + b"HTTP2-Settings: AAEAAAAAAA\r\n", b"", PLAIN),
    "settings out of range": (H2C + b"HTTP2-Settings: AAX_____\r\n", b"", PLAIN),
    "settings that are no text": (H2C + b"HTTP2-Settings: \xff\xfe\r\n", b"", PLAIN),
    "no settings": (H2C, b"", PLAIN),
    "two settings": (H2C + b"HTTP2-Settings: AAMAAABk\r\nHTTP2-Settings: A\r\n", b"", PLAIN),
    "settings that are right": (H2C + b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n", b"", PLAIN),
    "h2c with HTTP/2 behind it": (H2C + b"HTTP2-Settings: AAMAAABk\r\n", PREFACE, "plain, 400"),
    "a WebSocket": (WEBSOCKET, b"", PLAIN),
    "a WebSocket of an old version": (WEBSOCKET.replace(b"13", b"8"), b"", PLAIN),
    "a WebSocket without a key": (WEBSOCKET.partition(b"Sec-")[0], b"", PLAIN),
    "a protocol that is no text": (WEBSOCKET + b"Sec-WebSocket-Protocol: \x80\xff\r\n", b"", PLAIN),
    "an extension that is no text": (WEBSOCKET + b"Sec-WebSocket-Extensions: \xe9; \xff\r\n", b"", PLAIN),
    "an extension that is none": (WEBSOCKET + b"Sec-WebSocket-Extensions: permessage-deflate; x=\r\n", b"", PLAIN),
    "a WebSocket's data behind its head": (WEBSOCKET, b"\x81\x85\x00\x00\x00\x00hello\r\n\r\n", "plain, 400"),
    "something unheard of": (b"Connection: upgrade\r\nUpgrade: \xff/1\r\n", b"", PLAIN),
}


@pytest.mark.parametrize("row", UPGRADES)
def test_what_asks_for_another_protocol_is_the_plain_request_it_is(row: str, target: Target) -> None:
    fields, behind, expected = UPGRADES[row]
    more = behind or GET_HEAD + b"\r\n"
    statuses = _statuses(target, GET_HEAD + fields + b"\r\n" + more)
    assert ", ".join("plain" if status == target.plain_get else str(status) for status in statuses) == expected


def _statuses(target: Target, sent: bytes) -> list[int]:
    """The statuses of all answers, to a client that sends no more."""
    parts = urlsplit(target.url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S)
    with connection if target.tls is None else _secured(connection, target.tls) as connection:
        connection.sendall(sent)
        if target.tls is None:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while received.count(b"HTTP/1.1 ") < 2 or b"\r\n\r\n" not in received.rpartition(b"HTTP/1.1 ")[2]:
            more = connection.recv(65_536)
            if not more:
                break
            received += more
    return [int(answer[:3]) for answer in received.split(b"HTTP/1.1 ")[1:]]


def _secured(connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
    tls.set_alpn_protocols(["http/1.1"])
    return tls.wrap_socket(connection, server_hostname="127.0.0.1")


def _frames(*frames: bytes) -> Callable[[RawHttp2], None]:
    """Send them at once."""
    return lambda peer: peer.send(b"".join(frames))


def _answered_then(*frames: bytes, post: list[tuple[bytes, bytes]] | None = None) -> Callable[[RawHttp2], None]:
    """Begin a POST that has its answer before its body, wait for that, then send `frames` on its stream."""

    def play(peer: RawHttp2) -> None:
        peer.send(headers(1, post or get(b"/nowhere", b"POST")))
        peer.read_until(lambda: peer.is_over(1))
        peer.send(b"".join(frames))

    return play


def _a_body(path: bytes, *fields: tuple[bytes, bytes]) -> Callable[[RawHttp2], None]:
    """POST too long a body to the end, whatever is answered."""

    def play(peer: RawHttp2) -> None:
        peer.send(headers(1, [*get(path, b"POST"), *fields]))
        peer.send_body(1, TOO_MUCH)

    return play


def _reset(stream: int) -> bytes:
    return RstStreamFrame(stream, 8).serialize()


def _priorities(first: int, count: int) -> bytes:
    numbers = range(first, first + 2 * count, 2)
    return b"".join(PriorityFrame(number, depends_on=0, stream_weight=15).serialize() for number in numbers)


def _connect(*fields: tuple[bytes, bytes]) -> bytes:
    return headers(1, [(b":method", b"CONNECT"), (b":authority", b"localhost"), *fields])


FAR: Final = b"".join(headers(stream, get(), "END_STREAM") for stream in (1, 3, 5))
GOODBYE: Final = GoAwayFrame(0, last_stream_id=0, error_code=0).serialize()

# What is sent; what comes of stream 1 at the endpoint, and at the admin bind where that is something else; and how the
# connection goes on: "on", or the error code that the server says goodbye with, or "closed" where the client
# has said so.
ANSWERED: Final = "404 whole"
FRAMES: Final[dict[str, tuple[Callable[[RawHttp2], None], str, str | None, str]]] = {
    "data after a 404": (_answered_then(data(1, b"x" * 1000)), ANSWERED, None, "on"),
    "padded data after a 404": (
        _answered_then(DataFrame(1, b"x", flags=["PADDED"], pad_length=200).serialize()),
        ANSWERED,
        None,
        "on",
    ),
    "the end after a 404": (_answered_then(data(1, b"", "END_STREAM")), ANSWERED, None, "on"),
    "trailers after a 404": (_answered_then(headers(1, [(b"x", b"y")], "END_STREAM")), ANSWERED, None, "on"),
    "a reset after a 404": (_answered_then(_reset(1)), ANSWERED, None, "on"),
    "a body after a 404": (_a_body(b"/nowhere", *JSON), ANSWERED, None, "on"),
    "a body after a 415": (_a_body(b"/mcp", ACCEPT, (b"content-type", b"text/plain")), "415 whole", ANSWERED, "on"),
    "a body after a 413": (_a_body(b"/mcp", *JSON, (b"content-length", b"%d" % TOO_MUCH)), "413 whole", ANSWERED, "on"),
    "a body that turns out too long": (_a_body(b"/mcp", *JSON), "413 whole", ANSWERED, "on"),
    "data after a 421": (
        _answered_then(data(1, b"x"), post=[*get(b"/mcp", b"POST")[:2], (b":authority", b"evil"), (b":path", b"/mcp")]),
        "421 whole",
        None,
        "on",
    ),
    "data after a 408": (
        _answered_then(data(1, b"x"), post=[*get(b"/mcp", b"POST"), *JSON]),
        "408 whole",
        ANSWERED,
        "on",
    ),
    "CONNECT": (_frames(_connect()), "501 whole", None, "on"),
    "a WebSocket": (
        _frames(
            _connect((b":protocol", b"websocket"), (b":scheme", b"http"), (b":path", b"/mcp")), data(1, b"\x81\x00")
        ),
        "501 whole",
        None,
        "on",
    ),
    "a method that is no text": (_frames(headers(1, get(method=b"G\xc3\x89T"), "END_STREAM")), "400 whole", None, "on"),
    "a method that is no token": (_frames(headers(1, get(method=b"GET /"), "END_STREAM")), "400 whole", None, "on"),
    "a path that is no text": (_frames(headers(1, get(b"/mcp\xff"), "END_STREAM")), "400 whole", None, "on"),
    "a path with a blank": (_frames(headers(1, get(b"/m cp"), "END_STREAM")), "400 whole", None, "on"),
    "a body for a path that is no text": (_a_body(b"/mcp\xff"), "400 whole", None, "on"),
    "1,500 priorities": (_frames(_priorities(3, 400), _priorities(2001, 1100)), "", None, "on"),
    "1,500 priorities around a call": (
        _frames(headers(1, get(), "END_STREAM"), _priorities(3, 400), _priorities(2001, 1100)),
        "405 whole",
        ANSWERED,
        "on",
    ),
    "a goodbye behind a request": (_frames(FAR, GOODBYE), "", None, "closed"),
    "a goodbye behind data": (
        _frames(headers(1, get(method=b"POST")), data(1, b"x" * 999), GOODBYE),
        "",
        None,
        "closed",
    ),
    "a reset behind a request": (_frames(headers(1, get(), "END_STREAM"), _reset(1)), "", None, "on"),
    "a reset behind data": (_frames(headers(1, get(method=b"POST")), data(1, b"x" * 999), _reset(1)), "", None, "on"),
    "300 requests that are reset": (
        _frames(*(headers(n, get(), "END_STREAM") + _reset(n) for n in range(1, 601, 2))),
        "",
        None,
        "on",
    ),
    "data on a stream that never was": (_frames(data(1, b"x")), "", None, "PROTOCOL_ERROR"),
    "HPACK that is none": (
        _frames(HeadersFrame(1, b"\xff\xff\xff\xff\xff\xff\xff", flags=["END_HEADERS"]).serialize()),
        "",
        None,
        "PROTOCOL_ERROR",
    ),
    "a continuation of nothing": (
        _frames(ContinuationFrame(1, b"", flags=["END_HEADERS"]).serialize()),
        "",
        None,
        "PROTOCOL_ERROR",
    ),
    "a window beyond all windows": (
        _frames(WindowUpdateFrame(0, 2**31 - 1).serialize()),
        "",
        None,
        "FLOW_CONTROL_ERROR",
    ),
    "settings out of range": (_frames(SettingsFrame(0, {4: 2**31}).serialize()), "", None, "FLOW_CONTROL_ERROR"),
    "a frame that is too long": (_frames(data(1, bytes(20_000))), "", None, "FRAME_SIZE_ERROR"),
    "a frame unheard of": (_frames(b"\x00\x00\x01\xee\x00\x00\x00\x00\x01x"), "", None, "on"),
}


@pytest.mark.parametrize("row", FRAMES)
def test_what_comes_over_http_2_is_answered_dropped_or_refused(row: str, target: Target) -> None:
    play, at_endpoint, at_admin, expected = FRAMES[row]
    with RawHttp2(target.url, target.tls) as peer:
        play(peer)
        if expected != "closed":
            peer.send(headers(LAST, get(), "END_STREAM"))
        wanted = (at_admin if target.is_admin else None) or at_endpoint
        goes_on = peer.read_until(
            lambda: bool(peer.goodbye) or (peer.is_over(LAST) and (not wanted or peer.is_over(1)))
        )
        outcome = peer.goodbye or ("on" if goes_on else "closed")
        assert (str(peer.of(1)) if wanted else "", outcome) == (wanted, expected)
        if outcome == "on":
            assert str(peer.of(LAST)) == f"{target.plain_get} whole"


def _post(http: httpx.Client, url: str, body: bytes) -> httpx.Response:
    return http.post(url, content=body, headers={"content-type": "application/json", "accept": "*/*"})


@pytest.mark.parametrize("target", ["endpoint"], indirect=True)
def test_an_ordinary_client_with_too_long_a_body_is_told_so_and_may_go_on(target: Target) -> None:
    if target.tls is not None:
        target.tls.set_alpn_protocols(["h2", "http/1.1"])
    verify = True if target.tls is None else target.tls
    with httpx.Client(http2=True, verify=verify, timeout=PATIENCE_S) as client:
        for path, status in (("/mcp", 413), ("/nowhere", 404), ("/mcp", 413)):
            response = _post(client, target.url.replace("/mcp", path), bytes(5_000_000))
            assert (response.status_code, response.http_version) == (status, "HTTP/2" if target.tls else "HTTP/1.1")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("how", ["--http1.1", "--http2", "--http2-prior-knowledge"])
@pytest.mark.parametrize("target", ["endpoint"], indirect=True)
def test_curl_with_too_long_a_body_is_told_so(how: str, target: Target, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(bytes(5_000_000))
    fields = ("-H", "content-type: application/json", "-H", "expect:", "--data-binary", f"@{body}")
    command = ("curl", "--insecure", "-sS", "-o", "/dev/null", "-w", "%{http_code}", how, *fields, target.url)
    assert subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S).stdout == b"413"


@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_http_2_is_not_served_where_it_is_switched_off(parser: str, tmp_path: Path) -> None:
    environment = {"MCP_RUNTIME_HTTP_PARSER": parser, "MCP_RUNTIME_HTTP_HTTP2": "false"}
    environment["MCP_RUNTIME_ADMIN_BIND"] = "127.0.0.1:0"
    with ServerProcess("--bind", "127.0.0.1:0", directory=tmp_path, environment=environment) as server:
        for url in (server.url, *server.event("listening")["admin_urls"]):
            parts = urlsplit(url)
            for sent in (PREFACE, GET_HEAD + H2C + b"HTTP2-Settings: A\r\n\r\n" + PREFACE):
                with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as connection:
                    connection.sendall(sent)
                    received = b""
                    while more := connection.recv(65_536):
                        received += more
                statuses = [int(answer[:3]) for answer in received.split(b"HTTP/1.1 ")[1:]]
                assert statuses[-1] == 400
                assert b"101 " not in received
        server.signal()
        assert server.exit_code() == 0


def test_where_descriptors_are_out_it_says_so_once_and_goes_on_when_there_are_some(tmp_path: Path) -> None:
    bind = ("--plugin", PROBES, "--bind", "127.0.0.1:0")
    with ServerProcess(*bind, directory=tmp_path) as server:
        with closing(Connection(server.url)) as honest, ExitStack() as many:
            honest.send(call("hold", name="honest"))
            server.said("honest started")
            # At its start a process sees to it that it has enough for its connections; here somebody else takes them.
            few = server.descriptors() + 20
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (few, few))
            port = urlsplit(server.url).port
            for _ in range(100):
                many.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
            assert server.event("accepting_paused")["reason"] == "Too many open files"
            many.close()
            assert text(ask(server.url, call("release", 2, name="honest"))) == "released"
            server.event("accepting_resumed")
            assert text(honest.answer()) == "honest was released"
        assert [event["event"] for event in server.events()].count("accepting_paused") == 1
        assert "Traceback" not in server.errors.text
        server.signal()
        assert server.exit_code() == 0
