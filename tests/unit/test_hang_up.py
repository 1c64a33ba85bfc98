"""Connections are found and shut down at the end of a drain, also where nothing lists descriptors."""

import socket
from pathlib import Path

import pytest

from mcp_runtime.server.sockets import hang_up


@pytest.mark.parametrize("listed_in", ["/dev/fd", "/proc/self/fd", "/there/is/none"])
def test_what_was_accepted_is_shut_down_and_nothing_else(listed_in: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as ours,
        socket.create_server(("127.0.0.1", 0)) as another,
        socket.create_connection(ours.getsockname()) as client,
        socket.create_connection(another.getsockname()) as apart,
    ):
        accepted, kept = ours.accept()[0], another.accept()[0]
        with accepted, kept:
            hang_up([ours.getsockname()], listed_in=Path(listed_in))
            client.settimeout(5)
            assert client.recv(1) == b""
            kept.sendall(b"on")
            assert apart.recv(2) == b"on"
            with socket.create_connection(ours.getsockname()):  # It listens on.
                ours.accept()[0].close()
