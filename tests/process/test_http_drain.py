"""SIGTERM: nothing new, running calls finish within the grace period, then the process ends, whatever clients do."""

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.support.blocking_http import Connection, accepts_connections, ask
from tests.support.messages import SUBSCRIPTION_ID, Message, call, encode, headers_for, listen, text
from tests.support.server_process import PATIENCE_S, PROBES, ServerProcess

pytestmark = pytest.mark.process

GRACE_S: Final = 0.5
LIMIT_S: Final = GRACE_S + 2
LONG: Final = "600"


class Place(NamedTuple):
    """Where a server listens, and what reads there."""

    bind: str = "127.0.0.1:0"
    parser: str = "httptools"


TCP: Final = Place()


def _serve(
    directory: Path, *, grace_s: str = LONG, place: Place = TCP, extra: Mapping[str, str] | None = None
) -> ServerProcess:
    environment = {
        "MCP_RUNTIME_HTTP_DRAIN_GRACE_S": grace_s,
        "MCP_RUNTIME_HTTP_PARSER": place.parser,
        **(extra or {}),
    }
    return ServerProcess("--plugin", PROBES, "--bind", place.bind, directory=directory, environment=environment)


@pytest.fixture(params=["tcp", "unix", "tcp on h11"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return {"tcp": TCP, "unix": Place(f"unix:{tmp_path}/mcp.sock"), "tcp on h11": Place(parser="h11")}[
        str(request.param)
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_it_ends_at_once_with_code_0(number: signal.Signals, place: Place, tmp_path: Path) -> None:
    with _serve(tmp_path, place=place) as server, Connection(server.url) as kept_alive:
        kept_alive.ask(call("echo", text="up"))
        assert server.ended_after_s(server.signal(number)) < 2
        assert server.exit_code() == 0
        server.said("lifespan left")
        assert kept_alive.socket.recv(1) == b""


def test_a_call_under_way_finishes_and_new_connections_are_refused(place: Place, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with _serve(tmp_path, place=place) as server, Connection(server.url) as connection:
        connection.send(call("hold_until_told", name="last", fifo=str(fifo)))
        server.said("last started")
        server.signal()
        server.event("stopping")
        server.errors.wait_until(lambda: not accepts_connections(server.url), timeout_s=1.0)
        assert server.process.poll() is None
        fifo.write_text("in time")
        assert text(connection.answer()) == "in time"
        assert server.exit_code() == 0


def test_a_stream_under_way_finishes(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with _serve(tmp_path) as server, Connection(server.url) as connection:
        connection.send(call("hold_until_told_in_context", name="last", fifo=str(fifo), meta={"progressToken": "t"}))
        received = connection.messages()
        assert next(received)["params"]["progress"] == 1
        server.signal()
        server.event("stopping")
        fifo.write_text("in time")
        rest = list(received)
        assert text(rest[-1]) == "in time"
        assert server.exit_code() == 0


@pytest.mark.spec("RFC 9112, section 9.6")
def test_the_last_response_on_a_connection_says_so(tmp_path: Path) -> None:
    """Else a client may send its next request just as the connection closes, and not know whether it was served."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with _serve(tmp_path) as server, Connection(server.url) as connection:
        connection.send(call("hold_until_told", 1, name="last", fifo=str(fifo)))
        server.said("last started")
        server.signal()
        server.event("stopping")
        fifo.write_text("in time")
        assert connection.response().headers["connection"] == "close"
        assert text(connection.answer()) == "in time"
        assert server.exit_code() == 0


@pytest.mark.parametrize("tool", ["hold", "block", "block_in_context", "hold_on"])
def test_a_call_beyond_the_grace_period_is_cut(tool: str, place: Place, tmp_path: Path) -> None:
    with _serve(tmp_path, grace_s=f"{GRACE_S}", place=place) as server, Connection(server.url) as connection:
        connection.send(call(tool, name="stuck", meta={"progressToken": "t"}))
        server.said("stuck started")
        after_s = server.ended_after_s(server.signal())
        assert GRACE_S <= after_s < LIMIT_S
        assert server.exit_code() == 0
        server.said("lifespan left")
        if tool in {"hold", "hold_on"}:
            server.said("stuck cancelled")
        received = _read_to_end(connection.socket)
    # No answer, and no end that could be taken for a complete one: of a body of known length, or of chunks.
    assert b'"result"' not in received
    assert not received.endswith(b"0\r\n\r\n")


def _read_to_end(connection: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def test_listen_streams_end_with_their_final_result(place: Place, tmp_path: Path) -> None:
    with (
        _serve(tmp_path, place=place) as server,
        Connection(server.url) as first,
        Connection(server.url) as second,
    ):
        streams: list[Iterator[Message]] = []
        for name, connection in (("one", first), ("two", second)):
            connection.send(listen(name))
            received = connection.messages()
            assert next(received)["method"] == "notifications/subscriptions/acknowledged"
            streams.append(received)
        since = server.signal()
        final = [list(stream) for stream in streams]
        assert server.ended_after_s(since) < 2
        assert server.exit_code() == 0
    assert [(message["id"], message["result"]["_meta"][SUBSCRIPTION_ID]) for one in final for message in one] == [
        ("one", "one"),
        ("two", "two"),
    ]


@pytest.mark.parametrize(
    "message",
    [call("flood", name="busy", size_bytes=10_000, meta={"progressToken": "t"}), call("big", size_bytes=50_000_000)],
    ids=["flood", "one large result"],
)
def test_a_client_that_never_reads_cannot_hold_the_process(message: Message, place: Place, tmp_path: Path) -> None:
    with _serve(tmp_path, grace_s=f"{GRACE_S}", place=place) as server, Connection(server.url) as connection:
        connection.send(message)
        connection.socket.recv(1, socket.MSG_PEEK)
        assert server.ended_after_s(server.signal()) < LIMIT_S
        assert server.exit_code() == 0
        server.said("lifespan left")


def test_a_listener_that_never_reads_cannot_hold_the_process(place: Place, tmp_path: Path) -> None:
    uris = [f"probe://thing/{number}" for number in range(1000)]
    with _serve(tmp_path, grace_s=f"{GRACE_S}", place=place) as server, Connection(server.url) as connection:
        connection.send(listen("stream", resourceSubscriptions=uris))
        connection.socket.recv(1, socket.MSG_PEEK)
        before = server.resident_bytes()
        # About 10 MB: more than the kernel holds for both ends.
        ask(server.url, call("update_many", uris=uris, rounds=40))
        assert server.resident_bytes() - before < 32 * 1024 * 1024
        assert server.ended_after_s(server.signal()) < LIMIT_S
        assert server.exit_code() == 0
        server.said("lifespan left")


def test_clients_that_say_nothing_or_half_of_it_cannot_hold_the_process(place: Place, tmp_path: Path) -> None:
    body = encode(call("echo", text="never"))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers_for(call("echo", text="never")).items()).encode()
    start = b"POST /mcp HTTP/1.1\r\nhost: localhost\r\n"
    with _serve(tmp_path, grace_s=f"{GRACE_S}", place=place) as server, ExitStack() as stack:
        connections = [stack.enter_context(Connection(server.url)) for _ in range(3)]
        connections[1].socket.sendall(start)
        connections[2].socket.sendall(start + head + f"content-length: {len(body)}\r\n\r\n".encode() + body[:10])
        assert connections[0].socket.fileno() >= 0
        ask(server.url, call("echo", text="the others have arrived too"))
        assert server.ended_after_s(server.signal()) < LIMIT_S
        assert server.exit_code() == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with _serve(tmp_path) as server, Connection(server.url) as connection:
        connection.send(call("hold", name="stuck"))
        server.said("stuck started")
        server.signal()
        server.event("stopping")
        assert server.ended_after_s(server.signal()) < 2
        assert server.exit_code() == 0
        server.said("stuck cancelled")
        server.said("lifespan left")


def test_many_listeners_are_all_let_go(tmp_path: Path) -> None:
    count = 300
    with _serve(tmp_path) as server, ExitStack() as stack:
        connections = [stack.enter_context(Connection(server.url)) for _ in range(count)]
        for number, connection in enumerate(connections):
            connection.send(listen(number))
        streams = [connection.messages() for connection in connections]
        for stream in streams:
            next(stream)
        since = server.signal()
        final = [[message["id"] for message in stream] for stream in streams]
        assert server.ended_after_s(since) < PATIENCE_S
        assert server.exit_code() == 0
    assert final == [[number] for number in range(count)]
