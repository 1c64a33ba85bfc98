"""Cases of what a connection may hold and send, over our own server of HTTP."""

import time
from typing import Final

from hyperframe.frame import PingFrame, SettingsFrame

from tests.security.bounds.messages_and_requests import ECHO
from tests.security.bounds.peer import Case, Peer, rest_of, status_of, with_something_to_read
from tests.support.blocking_http import Connection, get
from tests.support.messages import encode, headers_for, listen
from tests.support.raw_http2 import Field, RawHttp2, data, headers
from tests.support.raw_http2 import get as pseudo

ECHO_HTTP2: Final[list[Field]] = [
    *pseudo(method=b"POST"),
    *((name.encode(), value.encode()) for name, value in headers_for(ECHO).items()),
]


def max_connections(peer: Peer) -> str:
    def is_open(connection: Connection) -> bool:
        return not with_something_to_read([connection], 0)

    waiting = [peer.connect() for _ in range(3)]
    for connection in waiting:
        connection.ask(ECHO)
    assert all(map(is_open, waiting))
    working = [peer.sent(listen(number)) for number in range(3)]
    assert [connection.response().status for connection in working] == [200] * 3
    assert [rest_of(connection) for connection in waiting] == [b""] * 3
    answer = rest_of(peer.raw(b"GET /mcp HTTP/1.1\r\n"))
    assert b"retry-after: 1\r\n" in answer
    for connection in working:
        connection.close()
    peer.wait_until(lambda: get(peer.url, "/nowhere")[0] == 404)
    return f"Where all are at work: {status_of(answer)} with `Retry-After`"


def connections_to_admin(peer: Peer) -> str:
    [url] = peer.process.event("listening")["admin_urls"]

    def is_healthy(connection: Connection) -> bool:
        connection.path = "/healthz"
        connection.send_body(b"", {}, "GET")
        return connection.response().read() == b"ok\n"

    held = [peer.stack.enter_context(Connection(url)) for _ in range(16)]
    assert all(map(is_healthy, held))
    assert with_something_to_read(held, 0) == []
    assert is_healthy(peer.stack.enter_context(Connection(url)))
    assert rest_of(held[0]) == b""
    assert with_something_to_read(held[1:], 0) == []
    return "The one that waits longest for its client is closed"


def max_streams(peer: Peer) -> str:
    def begun(connection: RawHttp2, count: int) -> None:
        for number in range(count):
            connection.send(headers(2 * number + 1, ECHO_HTTP2) + data(2 * number + 1, b"{"))

    with RawHttp2(peer.url) as connection:
        begun(connection, 3)
        connection.send(headers(7, ECHO_HTTP2) + data(7, encode(ECHO), "END_STREAM"))
        assert connection.read_until(lambda: connection.is_over(7))
        assert str(connection.of(7)) == "200 whole"
    with RawHttp2(peer.url) as connection:
        begun(connection, 5)
        assert not connection.read_until(lambda: False)
    return "The connection ends: `GOAWAY`" if connection.goodbye else ""


def idle_timeout_s(peer: Peer) -> str:
    connection = peer.connect()
    began = time.monotonic()
    connection.ask(ECHO)
    assert rest_of(connection) == b""
    assert time.monotonic() - began >= 1
    return "The connection is closed"


def header_timeout_s(peer: Peer) -> str:
    began = time.monotonic()
    answer = rest_of(peer.raw(b"POST /mcp HTTP/1.1\r\nho"))
    assert time.monotonic() - began >= 0.3
    return status_of(answer)


def _status(peer: Peer, head: bytes) -> str:
    return status_of(peer.raw(head).socket.recv(65_536))


def max_request_line_bytes(peer: Peer) -> str:
    def of(line_bytes: int) -> str:
        line = b"GET /%b HTTP/1.1" % (b"x" * (line_bytes - len(b"GET / HTTP/1.1")))
        return _status(peer, line + b"\r\nhost: localhost\r\n\r\n")

    assert of(256) == "404"
    return of(257)


def max_header_bytes(peer: Peer) -> str:
    def of(head_bytes: int) -> str:
        begin, end = b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\nx: ", b"\r\n\r\n"
        return _status(peer, begin + b"x" * (head_bytes - len(begin) - len(end)) + end)

    assert of(2048) == "404"
    return of(2049)


def max_headers(peer: Peer) -> str:
    def of(count: int) -> str:
        fields = b"".join(b"x-%d: x\r\n" % number for number in range(count - 1))
        return _status(peer, b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\n" + fields + b"\r\n")

    assert of(16) == "404"
    return of(17)


def max_control_frames_per_minute(peer: Peer) -> str:
    ping = PingFrame(0, bytes(8)).serialize()
    with RawHttp2(peer.url) as connection:
        connection.send(ping * 98)  # The settings that a client begins with, and that it confirms, count too.
        connection.send(headers(1, ECHO_HTTP2) + data(1, encode(ECHO), "END_STREAM"))
        assert connection.read_until(lambda: connection.is_over(1))
        assert str(connection.of(1)) == "200 whole"
        connection.send(ping * 10)  # Some more may come in the meantime: a hundred a minute.
        assert not connection.read_until(lambda: False)
    return f"`GOAWAY`, `{connection.goodbye}`"


def frame_of_http2(peer: Peer) -> str:
    with RawHttp2(peer.url) as connection:
        connection.send(headers(1, ECHO_HTTP2) + data(1, encode(ECHO).ljust(16_384)))
        assert connection.read_until(lambda: bool(connection.of(1).status))
        assert connection.of(1).status == "413"  # It was read, and is longer than a body may be.
    with RawHttp2(peer.url) as connection:
        connection.send(headers(1, ECHO_HTTP2) + (16_385).to_bytes(3) + bytes(2) + (1).to_bytes(4))
        assert not connection.read_until(lambda: False)
    return f"`GOAWAY`, `{connection.goodbye}`"


def write_timeout_s(peer: Peer) -> str:
    began = time.monotonic()
    with RawHttp2(peer.url) as connection:
        connection.send(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 0}).serialize())
        connection.send(headers(1, ECHO_HTTP2) + data(1, encode(ECHO), "END_STREAM"))
        assert connection.read_until(lambda: connection.is_over(1))
    assert time.monotonic() - began >= 0.3
    return f"over HTTP/2 the stream: `{connection.of(1).reset}`"


SMALL: Final[dict[str, Case]] = {
    "connections to `admin.bind`": connections_to_admin,
    "http.max_streams": max_streams,
    "limits.max_request_line_bytes": max_request_line_bytes,
    "limits.max_header_bytes": max_header_bytes,
    "limits.max_headers": max_headers,
    "limits.max_control_frames_per_minute": max_control_frames_per_minute,
    "frame of HTTP/2": frame_of_http2,
}
"""For a server with small limits."""

SHORT: Final[dict[str, Case]] = {
    "http.max_connections": max_connections,
    "http.idle_timeout_s": idle_timeout_s,
    "http.write_timeout_s": write_timeout_s,
    "limits.header_timeout_s": header_timeout_s,
}
"""For a server with short times."""
