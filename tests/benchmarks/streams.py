"""Event streams held open. Rule: each is known to be open, and stays so until the block ends."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from tests.benchmarks.wire import HOST, PATIENCE_S, modern

LISTEN: Final = modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
"""Opens a stream of 2026-07-28."""
SSE_PATH: Final = "/sse"
GET: Final = f"GET {SSE_PATH} HTTP/1.1\r\nhost: {HOST}\r\naccept: text/event-stream\r\n\r\n".encode()
"""Opens a stream of HTTP+SSE, or a bare one."""


@contextmanager
def held_open(port: int, sent: bytes, count: int) -> Generator[None]:
    """`count` streams on connections of their own. Raises OSError, ValueError where one cannot be had."""
    connections: list[socket.socket] = []
    try:
        for _ in range(count):
            connections.append(_open(port, sent))  # noqa: PERF401  # those that were had are closed if one is not
        yield
    finally:
        for connection in connections:
            connection.close()


def _open(port: int, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    connection.sendall(sent)
    received = b""
    while b"data:" not in received:
        piece = connection.recv(65536)
        if not piece or b" 200 " not in (received + piece)[:20]:
            connection.close()
            raise ValueError(f"the stream was refused: {(received + piece)[:300]!r}")
        received += piece
    return connection
