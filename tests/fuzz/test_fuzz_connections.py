"""Hostile connections against a real process: upgrades, frames in any order, TLS, and whatever ends in the middle.

The process lives, an honest client is served throughout, and memory and descriptors come back. MCP_FUZZ_SEED plays the
connections of a run again, whose seed is printed; MCP_FUZZ_SECONDS is how long one server is fuzzed.
"""

import os
import random
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.support.blocking_http import Connection, ask
from tests.support.certificates import make_certificates
from tests.support.messages import call, encode, text
from tests.support.messages import headers_for as headers_of
from tests.support.raw_http2 import PREFACE, block, data, get, headers
from tests.support.server_process import PATIENCE_S, PROBES, ServerProcess

pytestmark = pytest.mark.process

SEED: Final = int(os.environ.get("MCP_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
SECONDS: Final = float(os.environ.get("MCP_FUZZ_SECONDS", "14"))
"""For each of four servers: a minute in all."""
MORE_BYTES: Final = 48 * 1024 * 1024
"""What allocators keep of what connections needed at their worst."""

MESSAGE: Final = call("echo", text="one")
POST: Final = [
    *get(method=b"POST"),
    *((name.encode(), value.encode()) for name, value in headers_of(MESSAGE).items()),
]
UPGRADES: Final = (b"h2c", b"websocket", b"HTTP/2.0", b"TLS/1.3", b"h2c, websocket", b"\xff", b"")
FIELDS: Final = (
    *(b"HTTP2-Settings: A", b"HTTP2-Settings: AAMAAABkAAQAAP__", b"HTTP2-Settings: \xff", b"Expect: 100-continue"),
    *(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"Sec-WebSocket-Protocol: \x80"),
    *(b"Sec-WebSocket-Extensions: permessage-deflate; \xff", b"Content-Length: 3", b"Transfer-Encoding: chunked"),
)


def http1(chance: random.Random) -> bytes:
    """One to three requests that may ask for another protocol, and what may come behind them."""
    sent = b""
    for _ in range(chance.randint(1, 3)):
        lines = [chance.choice((b"GET", b"POST", b"CONNECT", b"PRI")) + b" /mcp HTTP/1.1", b"Host: localhost"]
        lines += [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: " + chance.choice(UPGRADES)]
        sent += b"\r\n".join([*lines, *chance.sample(FIELDS, chance.randint(0, 4))]) + b"\r\n\r\n"
    return sent + chance.choice((b"", b"abc", PREFACE, b"0\r\n\r\n", b"\x81\x85\0\0\0\0hello", chance.randbytes(99)))


def http2(chance: random.Random) -> bytes:
    """The preface, and frames that are right by themselves, in an order that need not be."""
    return PREFACE + b"".join(_frame(chance) for _ in range(chance.randint(1, 60)))


def _frame(chance: random.Random) -> bytes:
    stream, odd = chance.choice((0, 1, 1, 1, 2, 3, 3, 5, 7, 2**31 - 1)), chance.randrange(1, 400, 2)
    end = chance.choice(((), ("END_STREAM",)))
    makers: tuple[Callable[[], bytes | Frame], ...] = (
        lambda: headers(odd, chance.choice((POST, get(), get(b"/x"), [*get(), (b"x", b"\xff")])), *end),
        lambda: headers(
            odd, chance.choice((get(method=b"\xff"), get(b"/\xff"), get(b""), [(b":method", b"CONNECT")])), *end
        ),
        lambda: headers(odd, POST) + data(odd, encode(MESSAGE), "END_STREAM"),
        lambda: headers(stream or 1, [(b"trailer", b"x")], *end),
        lambda: data(chance.choice((stream or 1, odd)), bytes(chance.randrange(20_000)), *end),
        lambda: HeadersFrame(odd, chance.randbytes(20), flags=["END_HEADERS"]),
        lambda: HeadersFrame(odd, block(get())[:9]),
        lambda: ContinuationFrame(stream or 1, chance.randbytes(9), flags=chance.choice(([], ["END_HEADERS"]))),
        lambda: RstStreamFrame(chance.choice((stream or 1, odd)), chance.randrange(20)),
        lambda: b"".join(PriorityFrame(n, depends_on=n + 2).serialize() for n in range(odd, odd + 2400, 2)),
        lambda: PriorityFrame(odd, depends_on=stream, exclusive=bool(odd & 2), stream_weight=odd % 256),
        lambda: SettingsFrame(0, {chance.randrange(10): chance.choice((0, 1, 100, 2**14, 2**31, 2**32 - 1))}),
        lambda: WindowUpdateFrame(stream, chance.choice((1, 2**16, 2**31 - 1))),
        lambda: PingFrame(0, bytes(8)),
        lambda: GoAwayFrame(0, last_stream_id=stream, error_code=chance.randrange(14)),
        lambda: chance.randbytes(chance.randrange(40)),
    )
    weights = (9, 3, 9, 1, 9, 0.2, 0.1, 0.1, 6, 1, 2, 1, 2, 1, 0.3, 0.1)
    made = chance.choices(makers, weights)[0]()
    return made if isinstance(made, bytes) else made.serialize()


def damaged(chance: random.Random) -> bytes:
    """Either of them with some bytes changed, or cut off."""
    sent = bytearray(chance.choice((http1, http2))(chance))
    for _ in range(chance.randint(1, 4)):
        sent[chance.randrange(len(sent))] = chance.randrange(256)
    return bytes(sent[: chance.randint(1, len(sent))])


def play(chance: random.Random, url: str, tls: ssl.SSLContext | None) -> None:
    """One connection: it sends, reads a bit or nothing, and leaves in one way or another."""
    parts = urlsplit(url)
    sent = chance.choice((http1, http2, http2, damaged))(chance)
    with suppress(OSError), socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as plain:
        if tls is not None and chance.random() < 0.05:
            plain.sendall(sent)  # No handshake.
            return
        if tls is not None:
            tls.set_alpn_protocols(["h2"] if sent.startswith(PREFACE[:3]) else ["http/1.1"])
        with plain if tls is None else tls.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.settimeout(0.02)
            cut = chance.randint(0, len(sent)) if chance.random() < 0.3 else len(sent)
            for part in (sent[:cut], sent[cut:]):
                connection.sendall(part)
                if chance.random() < 0.5:
                    connection.recv(65_536)
            if chance.random() < 0.2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # It leaves by a reset.


@pytest.mark.parametrize("kind", ["httptools", "h11", "httptools, TLS", "h11, TLS"])
def test_whatever_connections_do_the_process_lives_and_serves(kind: str, tmp_path: Path) -> None:
    print(f"MCP_FUZZ_SEED={SEED}")
    chance = random.Random(f"{SEED} {kind}")
    parser, _, secured = kind.partition(", ")
    certificates = make_certificates(tmp_path) if secured else None
    tls = certificates.client if certificates else None
    environment = {
        "MCP_RUNTIME_HTTP_PARSER": parser,
        "MCP_RUNTIME_ADMIN_BIND": "127.0.0.1:0",
        "MCP_RUNTIME_HTTP_IDLE_TIMEOUT_S": "1",
        "MCP_RUNTIME_LIMITS_BODY_TIMEOUT_S": "1",
        **(certificates.environment if certificates else {}),
    }
    bind = ("--plugin", PROBES, "--bind", "127.0.0.1:0")
    with ServerProcess(*bind, directory=tmp_path, environment=environment) as server:
        url, admin = server.url, str(server.event("listening")["admin_urls"][0])

        def honest() -> None:
            if tls is not None:
                tls.set_alpn_protocols(["http/1.1"])
            assert text(ask(url, call("echo", text="honest"), tls=tls)) == "honest"

        for _ in range(100):
            play(chance, url, tls)
        honest()
        server.errors.wait_until(lambda: server.descriptors() < 40)
        bytes_before, descriptors_before = server.resident_bytes(), server.descriptors()
        if tls is not None:
            tls.set_alpn_protocols(["http/1.1"])
        with closing(Connection(url, tls=tls)) as held:
            held.send(call("hold", name="held"))
            server.said("held started")
            ends = time.monotonic() + SECONDS
            played = 0
            while time.monotonic() < ends:
                play(chance, *((admin, None) if played % 5 == 4 else (url, tls)))
                played += 1
                if played % 50 == 0:
                    honest()
            honest()
            if tls is not None:
                tls.set_alpn_protocols(["http/1.1"])
            ask(url, call("release", 2, name="held"), tls=tls)
            assert text(held.answer()) == "held was released"
        server.errors.wait_until(lambda: server.descriptors() <= descriptors_before + 2)
        assert server.resident_bytes() - bytes_before < MORE_BYTES
        assert not [event for event in server.events() if event["event"] == "connection_failed"]
        server.signal()
        assert server.exit_code() == 0
