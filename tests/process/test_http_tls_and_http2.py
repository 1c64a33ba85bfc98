"""TLS and HTTP/2: the same endpoint, encrypted or multiplexed."""

import os
import socket
import ssl
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.support.blocking_http import ask
from tests.support.blocking_http2 import Http2Connection
from tests.support.certificates import Certificates, make_certificates
from tests.support.messages import SUBSCRIPTION_ID, call, encode, headers_for, listen, text
from tests.support.server_process import PATIENCE_S, PROBES, ServerProcess

pytestmark = pytest.mark.process

BIND: Final = ("--plugin", PROBES, "--bind", "127.0.0.1:0")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path)


class Http2Server(ServerProcess):
    """A server to speak HTTP/2 with: over TLS by ALPN where there are certificates, else by prior knowledge."""

    def __init__(self, directory: Path, certificates: Certificates | None, extra: Mapping[str, str] = {}) -> None:
        self._tls = certificates.client if certificates else None
        environment = {**(certificates.environment if certificates else {}), **extra}
        super().__init__(*BIND, directory=directory, environment=environment)

    def connect(self) -> Http2Connection:
        return Http2Connection(self.url, tls=self._tls)


@pytest.fixture(params=["TLS", "prior knowledge"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Http2Server]:
    chosen = make_certificates(tmp_path) if request.param == "TLS" else None
    with Http2Server(tmp_path, chosen) as server:
        yield server


def _use(connection: Http2Connection, use: str, server: ServerProcess) -> None:
    """Leave the connection idle after it was answered once, after its one stream was reset, or without any use."""
    if use == "answered":
        connection.ask(call("echo", text="one"))
    elif use == "reset":
        stream = connection.send(call("hold", name="unwanted"))
        server.said("unwanted started")
        connection.reset(stream)
        server.said("unwanted cancelled")
    else:
        connection.settle()


@pytest.mark.parametrize("use", ["unused", "answered", "reset"])
@pytest.mark.parametrize("kind", ["TLS", "prior knowledge"])
def test_an_idle_http_2_connection_is_cut(kind: str, use: str, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path) if kind == "TLS" else None
    timeout = {"MCP_RUNTIME_HTTP_IDLE_TIMEOUT_S": "0.5"}
    with Http2Server(tmp_path, certificates, timeout) as server, server.connect() as connection:
        _use(connection, use, server)
        connection.read_to_end()


class TestTls:
    def test_http_1_1_over_tls(self, certificates: Certificates, tmp_path: Path) -> None:
        with ServerProcess(*BIND, directory=tmp_path, environment=certificates.environment) as server:
            assert server.url.startswith("https://127.0.0.1:")
            answer = ask(server.url, call("echo", text="secret"), tls=certificates.client)
        assert text(answer) == "secret"

    def test_http_2_is_not_offered_where_it_is_switched_off(self, certificates: Certificates, tmp_path: Path) -> None:
        environment = {**certificates.environment, "MCP_RUNTIME_HTTP_HTTP2": "false"}
        message = call("echo", text="one")
        with (
            ServerProcess(*BIND, directory=tmp_path, environment=environment) as server,
            httpx.Client(http2=True, verify=certificates.client, timeout=PATIENCE_S) as client,
        ):
            response = client.post(server.url, content=encode(message), headers=headers_for(message))
        assert response.http_version == "HTTP/1.1"
        assert text(response.json()) == "one"

    def test_old_tls_is_refused(self, certificates: Certificates, tmp_path: Path) -> None:
        client = certificates.client
        client.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            client.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            ServerProcess(*BIND, directory=tmp_path, environment=certificates.environment) as server,
            pytest.raises((ssl.SSLError, ConnectionError)),
        ):
            ask(server.url, call("echo", text="old"), tls=client)

    def test_plain_bytes_on_the_tls_port_hurt_nobody(self, certificates: Certificates, tmp_path: Path) -> None:
        with ServerProcess(*BIND, directory=tmp_path, environment=certificates.environment) as server:
            port = int(server.url.rpartition(":")[2].partition("/")[0])
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as plain:
                plain.sendall(b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                try:
                    while plain.recv(4096):
                        pass
                except ConnectionError:
                    pass
            answer = ask(server.url, call("echo", text="still here"), tls=certificates.client)
            server.signal()
            assert server.exit_code() == 0
            levels = {event["level"] for event in server.events()}
        assert text(answer) == "still here"
        assert levels == {"info"}

    def test_a_handshake_that_never_ends_cannot_hold_the_process(
        self, certificates: Certificates, tmp_path: Path
    ) -> None:
        environment = {**certificates.environment, "MCP_RUNTIME_HTTP_DRAIN_GRACE_S": "0.5"}
        with ServerProcess(*BIND, directory=tmp_path, environment=environment) as server:
            port = int(server.url.rpartition(":")[2].partition("/")[0])
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as silent:
                silent.sendall(b"\x16\x03\x01")
                assert text(ask(server.url, call("echo", text="next"), tls=certificates.client)) == "next"
                assert server.ended_after_s(server.signal()) < 0.5 + 2
            assert server.exit_code() == 0

    def test_a_unix_socket_beside_it_stays_plain(self, certificates: Certificates, tmp_path: Path) -> None:
        path = f"unix:{tmp_path}/mcp.sock"
        with ServerProcess(*BIND, "--bind", path, directory=tmp_path, environment=certificates.environment) as server:
            assert text(ask(server.urls[1], call("echo", text="local"))) == "local"
            assert text(ask(server.urls[0], call("echo", text="far"), tls=certificates.client)) == "far"

    def test_a_key_that_does_not_fit_is_the_operators_error(self, certificates: Certificates, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        other = make_certificates(tmp_path / "other").environment["MCP_RUNTIME_HTTP_TLS_KEY_FILE"]
        environment = {**certificates.environment, "MCP_RUNTIME_HTTP_TLS_KEY_FILE": other}
        with ServerProcess(*BIND, directory=tmp_path, environment=environment) as server:
            assert server.exit_code() == 3
            assert "tls_certificate_file" in server.errors.text
            assert "Traceback" not in server.errors.text


class TestHttp2:
    def test_calls_share_one_connection(self, server: Http2Server) -> None:
        with server.connect() as connection:
            held = connection.send(call("hold", 1, name="first"))
            server.said("first started")
            echoes = [connection.send(call("echo", number, text=str(number))) for number in range(20)]
            texts = [text(connection.answer(stream)) for stream in echoes]
            assert not connection.is_complete(held)
            connection.ask(call("release", 99, name="first"))
            assert text(connection.answer(held)) == "first was released"
        assert texts == [str(number) for number in range(20)]

    def test_progress_and_result_come_on_one_stream(self, server: Http2Server) -> None:
        with server.connect() as connection:
            stream = connection.send(call("count_up", 1, times=3, meta={"progressToken": "t"}))
            *progress, result = connection.messages(stream)
            fields = connection.fields(stream)
        assert [message["params"]["progress"] for message in progress] == [1, 2, 3]
        assert text(result) == "counted"
        assert fields["x-accel-buffering"] == "no"
        # RFC 9113, section 8.2.2: what is about the connection has no place in HTTP/2.
        assert not {"connection", "keep-alive", "transfer-encoding"} & fields.keys()

    def test_a_large_result_arrives_whole(self, server: Http2Server) -> None:
        with server.connect() as connection:
            answer = connection.ask(call("big", size_bytes=3_000_000))
        assert len(text(answer)) == 3_000_000

    def test_a_listen_stream_hears_of_changes_and_ends_with_its_result(self, server: Http2Server) -> None:
        with server.connect() as connection:
            stream = connection.send(listen("stream"))
            assert connection.messages(stream, 1)[0]["method"] == "notifications/subscriptions/acknowledged"
            connection.ask(call("change_tools"))
            assert connection.messages(stream, 2)[1]["method"] == "notifications/tools/list_changed"
            server.signal()
            final = connection.messages(stream)[2]
            assert connection.is_complete(stream)
        assert final["result"]["_meta"][SUBSCRIPTION_ID] == "stream"
        assert server.exit_code() == 0

    def test_a_call_under_way_finishes_after_sigterm(self, server: Http2Server, tmp_path: Path) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        with server.connect() as connection:
            stream = connection.send(call("hold_until_told", name="last", fifo=str(fifo)))
            server.said("last started")
            server.signal()
            server.event("stopping")
            fifo.write_text("in time")
            assert text(connection.answer(stream)) == "in time"
        assert server.exit_code() == 0

    def test_a_large_result_under_way_arrives_whole_after_sigterm(self, server: Http2Server) -> None:
        with server.connect() as connection:
            stream = connection.send(call("big", size_bytes=3_000_000))
            connection.fields(stream)
            server.signal()
            server.event("stopping")
            assert len(text(connection.answer(stream))) == 3_000_000
        assert server.exit_code() == 0

    def test_a_reset_stream_cancels_its_call_and_no_other(self, server: Http2Server) -> None:
        with server.connect() as connection:
            other = connection.send(call("hold", 1, name="other"))
            unwanted = connection.send(call("hold", 2, name="unwanted"))
            server.said("other started")
            server.said("unwanted started")
            connection.reset(unwanted)
            server.said("unwanted cancelled")
            connection.ask(call("release", 3, name="other"))
            assert text(connection.answer(other)) == "other was released"

    def test_a_closed_connection_cancels_its_calls(self, server: Http2Server) -> None:
        with server.connect() as connection:
            connection.send(call("hold", 1, name="first"))
            connection.send(call("hold", 2, name="second"))
            server.said("first started")
            server.said("second started")
        server.said("first cancelled")
        server.said("second cancelled")

    @pytest.mark.parametrize("use", ["unused", "answered", "reset"])
    def test_an_idle_connection_does_not_hold_the_process(self, use: str, server: Http2Server) -> None:
        with server.connect() as connection:
            _use(connection, use, server)
            assert server.ended_after_s(server.signal()) < 2
            assert server.exit_code() == 0

    def test_streams_that_nobody_reads_cost_no_memory(self, server: Http2Server) -> None:
        with server.connect() as stalled, server.connect() as other:
            other.ask(call("echo", text="warm"))
            before = server.resident_bytes()
            for number in range(20):
                stalled.send(call("flood", number, name=f"{number}", size_bytes=10_000, meta={"progressToken": "t"}))
                server.said(f"{number} started")
            for _ in range(50):
                other.ask(call("echo", text="meanwhile"))
            assert server.resident_bytes() - before < 32 * 1024 * 1024

    def test_a_client_that_never_reads_cannot_hold_the_process(self, tmp_path: Path) -> None:
        certificates = make_certificates(tmp_path)
        grace = {"MCP_RUNTIME_HTTP_DRAIN_GRACE_S": "0.5"}
        with Http2Server(tmp_path, certificates, grace) as server, server.connect() as connection:
            connection.send(call("flood", 1, name="flood", size_bytes=10_000, meta={"progressToken": "t"}))
            server.said("flood started")
            assert server.ended_after_s(server.signal()) < 0.5 + 2
            assert server.exit_code() == 0
