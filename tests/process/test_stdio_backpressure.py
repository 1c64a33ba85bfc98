"""A client that writes and never reads costs the server a bounded amount of memory: it has to wait instead."""

import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_stdio import StdioServer
from tests.support.messages import Message, call, encode, listen, request, text
from tests.support.server_process import PROBES

pytestmark = [pytest.mark.process, pytest.mark.spec("2026-07-28/basic/transports/stdio")]

MIB: Final = 1024 * 1024
BLOCKED_AFTER_S: Final = 1.0
"""A pipe that takes nothing for so long is one that the server does not read."""
ENOUGH_BYTES: Final = 64 * MIB
"""What a server that waits never takes: the pipes hold 64 KiB each."""
GROWTH_BYTES: Final = 48 * MIB
"""For the calls at work, their tasks and results, and what an allocator keeps; not for a queue."""
AT_WORK: Final = {"MCP_RUNTIME_LIMITS_MAX_CONCURRENT_REQUESTS": "100"}
"""Each call at work may hold a result, the large ones here 200 kB."""


def _calls(template: Message) -> Iterator[bytes]:
    number = 0
    while True:
        number += 1
        yield encode({**template, "id": number}) + b"\n"


def _fill(server: StdioServer, lines: Iterator[bytes]) -> int:
    """Write until the server takes no more. Returns the number of lines. Raises AssertionError past all bounds."""
    pipe = server.stdin.fileno()
    os.set_blocking(pipe, False)
    written, count, pending = 0, 0, b""
    while True:
        pending = pending or next(lines)
        if not select.select([], [pipe], [], BLOCKED_AFTER_S)[1]:
            break
        try:
            sent = os.write(pipe, pending)
        except BlockingIOError:
            # Writable means one page is free; a longer line may not fit in one piece.
            sent = os.write(pipe, pending[:4096]) if len(pending) > 4096 else 0
        pending = pending[sent:]
        written += sent
        count += not pending
        assert written < ENOUGH_BYTES, f"it took {count} lines and still reads; {server.resident_bytes() / MIB:.0f} MiB"
    os.set_blocking(pipe, True)
    server.send_bytes(pending)
    return count + 1


@pytest.mark.parametrize(
    "template",
    [
        call("echo", text="x" * 200),
        request("tools/list"),
        call("echo", text=5),
        request("no/such/method"),
        {"jsonrpc": "2.0", "method": "tools/list"},
        call("big", size_bytes=200_000),
    ],
    ids=["calls", "lists", "failing calls", "unknown methods", "incomplete requests", "large results"],
)
def test_a_client_that_never_reads_is_made_to_wait(template: Message, tmp_path: Path) -> None:
    with StdioServer("--plugin", PROBES, directory=tmp_path, environment=AT_WORK) as server:
        server.ask(call("echo", "warm", text="up"))
        before = server.resident_bytes()

        count = _fill(server, _calls(template))
        grown = server.resident_bytes() - before
        assert grown < GROWTH_BYTES, f"{count} requests made it grow by {grown / MIB:.0f} MiB"

        # Nothing was lost: once the client reads again, every request gets its answer.
        assert {server.receive()["id"] for _ in range(count)} == set(range(1, count + 1))


def test_changes_that_a_listener_does_not_read_are_kept_once(tmp_path: Path) -> None:
    with StdioServer(directory=tmp_path) as server:
        server.send(listen("stream", resourceSubscriptions=["probe://thing"]))
        server.receive()
        server.ask(call("echo", "warm", text="up"))
        before = server.resident_bytes()
        server.send(call("update_often", 1, uri="probe://thing", times=300_000))
        received = [server.receive(), server.receive()]
        assert server.resident_bytes() - before < GROWTH_BYTES
        server.close_stdin()
        # It was told once: what comes next is the end.
        assert server.receive()["id"] == "stream"
    assert {message.get("method") or text(message) for message in received} == {
        "notifications/resources/updated",
        "updated",
    }
