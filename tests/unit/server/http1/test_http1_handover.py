"""Connections that begin with HTTP/2 are handed over with all that was read of them, and no others; and TLS."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
import trio
import trio.testing
from starlette.types import Receive, Scope, Send

from mcp_runtime.config import Config
from mcp_runtime.config.limits import Limits
from mcp_runtime.server.http.accepting import serve_listeners
from mcp_runtime.server.http.connections import Connections
from mcp_runtime.server.http.places import Places
from mcp_runtime.server.http.sockets import open_listeners
from mcp_runtime.server.http1 import connection
from tests.support.certificates import Certificates, make_certificates
from tests.unit.server.http1.http1_server import PARSERS, PATIENCE_S, Parser, Peer, echo, reply, serving, whole_body

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"GET /upgraded HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
WEBSOCKET = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest) -> Parser:
    found: Parser = request.param
    return found


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path)


def tls(certificates: Certificates) -> Any:
    """For `serving`."""
    files = certificates.environment
    chain, key = files["MCP_RUNTIME_HTTP_TLS_CERTIFICATE_FILE"], files["MCP_RUNTIME_HTTP_TLS_KEY_FILE"]
    return Path(chain), Path(key), certificates.client


class Http2:
    """What HTTP/2 makes of a connection."""

    def __init__(self) -> None:
        self.h2 = h2.connection.H2Connection(config=h2.config.H2Configuration(header_encoding="utf-8"))
        self.body = b""
        self.streams_ended: list[int] = []

    def request(self, path: str) -> bytes:
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)]
        self.h2.send_headers(stream, fields, end_stream=True)
        return self.h2.data_to_send()

    async def read_until_ended(self, peer: Peer, stream: int) -> bytes:
        while stream not in self.streams_ended:
            for event in self.h2.receive_data(peer.received):
                if isinstance(event, h2.events.DataReceived):
                    self.body += event.data or b""
                elif isinstance(event, h2.events.StreamEnded):
                    self.streams_ended.append(event.stream_id or 0)
            peer.received = b""
            await peer.send(self.h2.data_to_send())
            if stream not in self.streams_ended:
                assert await peer.more()
        return self.body


def whole(data: bytes) -> list[bytes]:
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


class TestHttp2:
    @pytest.mark.parametrize("split", [whole, bytewise])
    async def test_its_preface_is_enough(self, split: Callable[[bytes], list[bytes]], parser: Parser) -> None:
        http2 = Http2()
        http2.h2.initiate_connection()
        async with serving(echo, parser=parser) as server, server.peer() as peer:
            for part in split(http2.h2.data_to_send() + http2.request("/two")):
                await peer.send(part)
            assert await http2.read_until_ended(peer, 1) == b"{GET /two }"

    async def test_its_preface_is_the_first_thing_on_a_connection_or_none(self, parser: Parser) -> None:
        http2 = Http2()
        http2.h2.initiate_connection()
        async with serving(echo, parser=parser) as server, server.peer() as peer:
            await peer.send(GET)
            await peer.answer()
            await peer.send(http2.h2.data_to_send())
            assert (await peer.answer()).status == 400

    async def test_its_preface_is_refused_where_it_is_switched_off(self, parser: Parser) -> None:
        http2 = Http2()
        http2.h2.initiate_connection()
        async with serving(echo, parser=parser, http2=False) as server, server.peer() as peer:
            await peer.send(http2.h2.data_to_send() + http2.request("/two"))
            assert (await peer.answer()).status == 400
            assert await peer.is_closed()

    @pytest.mark.parametrize("settings", [b"", b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n", b"HTTP2-Settings: A\r\n"])
    async def test_an_upgrade_is_a_plain_request(self, settings: bytes, parser: Parser) -> None:
        async with serving(echo, parser=parser) as server, server.peer() as peer:
            await peer.send(UPGRADE + settings + b"\r\n" + GET)
            assert [(await peer.answer()).body for _ in range(2)] == [b"{GET /upgraded }", b"{GET / }"]

    async def test_an_upgrade_with_a_body_is_a_plain_request(self, parser: Parser) -> None:
        data = UPGRADE.replace(b"GET", b"POST") + b"Content-Length: 3\r\n\r\nabc"
        async with serving(echo, parser=parser) as server, server.peer() as peer:
            await peer.send(data + GET)
            assert [(await peer.answer()).body for _ in range(2)] == [b"{POST /upgraded abc}", b"{GET / }"]

    async def test_an_upgrade_that_is_malformed_is_refused_first(self) -> None:
        async with serving(echo) as server, server.peer() as peer:
            await peer.send(UPGRADE + b"X: y\r\n z\r\n\r\n")
            assert (await peer.answer()).status == 400

    async def test_alpn_chooses_it(self, certificates: Certificates) -> None:
        certificates.client.set_alpn_protocols(["h2", "http/1.1"])
        http2 = Http2()
        http2.h2.initiate_connection()
        async with serving(echo, tls=tls(certificates)) as server, server.peer() as peer:
            await peer.send(http2.h2.data_to_send() + http2.request("/two"))
            assert await http2.read_until_ended(peer, 1) == b"{GET /two }"


async def test_a_websocket_is_a_plain_request(parser: Parser) -> None:
    seen: list[tuple[str, str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["type"], scope["path"]))
        await whole_body(receive)
        await reply(send, b"plain")

    async with serving(app, parser=parser) as server, server.peer() as peer:
        await peer.send(WEBSOCKET + GET)
        assert [(await peer.answer()).body for _ in range(2)] == [b"plain", b"plain"]
    assert seen == [("http", "/")] * 2


class TestTls:
    async def test_requests_over_tls(self, certificates: Certificates, parser: Parser) -> None:
        body = bytes(range(256)) * 4000
        seen: list[Scope] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope)
            await reply(send, await whole_body(receive))

        certificates.client.set_alpn_protocols(["http/1.1"])
        async with serving(app, parser=parser, tls=tls(certificates)) as server, server.peer() as peer:
            for _ in range(2):
                await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
                await peer.send(body)
                assert (await peer.answer()).body == body
            await peer.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            await peer.answer()
            assert await peer.is_closed()
        assert [scope["scheme"] for scope in seen] == ["https"] * 3

    async def test_the_client_may_leave(self, certificates: Certificates, parser: Parser) -> None:
        told = trio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await whole_body(receive)
            assert (await receive())["type"] == "http.disconnect"
            told.set()

        async with serving(app, parser=parser, tls=tls(certificates)) as server:
            async with server.peer() as peer:
                await peer.send(GET)
                await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(PATIENCE_S):
                await told.wait()

    async def test_who_waits_in_receive_leaves_before_the_next_request(self, certificates: Certificates) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await whole_body(receive)
            outer.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            await reply(send, b"done")

        async with trio.open_nursery() as outer, serving(app, tls=tls(certificates)) as server, server.peer() as peer:
            for _ in range(3):
                await peer.send(GET)
                assert (await peer.answer()).body == b"done"

    async def test_it_waits_for_a_client_that_does_not_read(self, certificates: Certificates) -> None:
        sent = 0

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal sent
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while sent < 200:
                await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
                sent += 1
            await send({"type": "http.response.body", "body": b""})

        async with serving(app, tls=tls(certificates)) as server, server.peer(receive_buffer_bytes=65_536) as peer:
            await peer.send(GET)
            await trio.testing.wait_all_tasks_blocked(0.1)
            assert sent < 100
            assert len((await peer.answer()).body) == 200 * 100_000

    async def test_a_piece_whose_sending_was_cancelled_is_sent_whole(self, certificates: Certificates) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            with trio.move_on_after(0.05):
                await send({"type": "http.response.body", "body": bytes(20_000_000), "more_body": True})
            await send({"type": "http.response.body", "body": b"end"})

        async with serving(app, tls=tls(certificates)) as server, server.peer(receive_buffer_bytes=65_536) as peer:
            await peer.send(GET)
            await trio.testing.wait_all_tasks_blocked(0.1)
            assert len((await peer.answer()).body) == 20_000_003

    async def test_a_refusal_arrives(self, certificates: Certificates) -> None:
        async with serving(echo, tls=tls(certificates)) as server, server.peer() as peer:
            await peer.send(b"nonsense\r\n\r\n")
            assert (await peer.answer()).status == 400

    async def test_a_handshake_that_does_not_come_does_not_hold_a_drain(self, certificates: Certificates) -> None:
        async with serving(echo, tls=tls(certificates)) as server:
            silent = await trio.open_tcp_stream("127.0.0.1", server.port)
            await silent.send_all(b"\x16\x03\x01")
            await trio.testing.wait_all_tasks_blocked()
            server.draining.set()
            with trio.fail_after(PATIENCE_S / 4):  # The grace period is longer.
                await server.ended.wait()
            await silent.aclose()

    async def test_one_that_comes_after_the_drain_began_is_not_waited_for(self, certificates: Certificates) -> None:
        """Listening ends a moment later than a drain begins."""
        config = connection.Http1Config()
        config.errorlog = None
        config.certfile, config.keyfile = (str(file) for file in tls(certificates)[:2])
        config.http1 = connection.Http1Server(echo, config, Limits())
        [listener] = open_listeners(Config(), "http.bind", ["127.0.0.1:0"], scheme="https")
        port = listener.sock.getsockname()[1]
        secured = [(listener, config.create_ssl_context())]
        served = Connections(echo, config, Places(100))
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve_listeners, served, secured, drain=trio.sleep_forever, grace_s=1))
            config.http1.drain()
            silent = await trio.open_tcp_stream("127.0.0.1", port)
            with trio.fail_after(PATIENCE_S):
                assert await silent.receive_some() == b""
            await silent.aclose()
            nursery.cancel_scope.cancel()

    async def test_a_slow_head_is_408_over_tls_too(self, certificates: Certificates) -> None:
        limits = Limits(header_timeout_s=0.01)
        async with serving(echo, limits=limits, tls=tls(certificates)) as server, server.peer() as peer:
            await peer.send(b"GET / ")
            assert (await peer.answer()).status == 408
