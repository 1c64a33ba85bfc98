"""Resident memory. Rule: what a thing costs is the growth by many of it, after the first few have come and warmed up."""

from contextlib import ExitStack, closing
from typing import Final

from tests.benchmarks import fresh, streams, workloads
from tests.benchmarks.measurement import Measurement
from tests.benchmarks.peers import PEERS, SDKS, STDIO
from tests.benchmarks.server import HttpServer, StdioServer
from tests.benchmarks.turns import Pace
from tests.benchmarks.wire import ask, modern
from tests.support.messages import encode, request

_WARM: Final = 50
_STREAMS: Final = 1000
_SESSIONS: Final = 2000
_WARM_SESSIONS: Final = 1000
"""By then what is remembered of clients in any case, within limits, is there."""
_BARE_STREAMS: Final = ("streams_hypercorn", "streams_uvicorn")


def run(pace: Pace) -> list[Measurement]:
    """MiB when idle, KiB an open stream and a legacy session."""
    count_streams, count_sessions = pace.count(_STREAMS), pace.count(_SESSIONS)
    rounds = min(pace.rounds, 3)
    return [
        idle(SDKS, rounds),
        idle_stdio(STDIO, rounds),
        fresh.measurement(
            key="memory/stream",
            title="memory of an idle open event stream",
            unit="KiB",
            peers=(*SDKS, *_BARE_STREAMS),
            take=lambda key: stream_kib(key, count_streams),
            rounds=rounds,
        ),
        fresh.measurement(
            key="memory/session",
            title="memory of a session of 2025-11-25 at rest",
            unit="KiB",
            peers=SDKS,
            take=lambda key: session_kib(key, count_sessions),
            rounds=rounds,
        ),
    ]


def idle(peers: tuple[str, ...], rounds: int) -> Measurement:
    """MiB of servers that have answered one call over HTTP."""
    title = "resident memory over HTTP, after one call"
    return fresh.measurement(key="memory/idle", title=title, unit="MiB", peers=peers, take=idle_mib, rounds=rounds)


def idle_stdio(peers: tuple[str, ...], rounds: int) -> Measurement:
    """The same on stdio."""
    title = "resident memory on stdio, after one call"
    return fresh.measurement(
        key="memory/idle-stdio", title=title, unit="MiB", peers=peers, take=idle_stdio_mib, rounds=rounds
    )


def idle_mib(key: str) -> float:
    """Of a server that has answered one call."""
    with HttpServer(PEERS[key]) as server:
        server.wait_until_listening()
        ask(server.port, modern("tools/call", {"name": "echo", "arguments": {"text": "hello"}}))
        return server.resident_bytes() / 2**20


def idle_stdio_mib(key: str) -> float:
    """The same on stdio."""
    with StdioServer(PEERS[key]) as server:
        call = request("tools/call", {"name": "echo", "arguments": {"text": "hello"}}, capabilities={})
        server.stdin.write(encode(call) + b"\n")
        server.stdin.flush()
        if b"hello" not in server.stdout.readline():
            raise server.failure("did not answer a call")
        return server.resident_bytes() / 2**20


def stream_kib(key: str, count: int) -> float:
    """Of one of `count` open streams. Raises OSError, ValueError where there are none."""
    sent = streams.GET if key in _BARE_STREAMS else streams.LISTEN
    with HttpServer(PEERS[key]) as server, ExitStack() as stack:
        server.wait_until_listening()
        stack.enter_context(streams.held_open(server.port, sent, _WARM))
        before = server.resident_bytes()
        stack.enter_context(streams.held_open(server.port, sent, count))
        return (server.resident_bytes() - before) / count / 1024


def session_kib(key: str, count: int) -> float:
    """Of one of `count` sessions that were opened and left. Raises OSError, ValueError where there are none."""
    with HttpServer(PEERS[key]) as server, closing(workloads.SessionOpener(server.port)) as opener:
        server.wait_until_listening()
        for _ in range(_WARM_SESSIONS):
            opener.open()
        before = server.resident_bytes()
        for _ in range(count):
            opener.open()
        return max(0.0, (server.resident_bytes() - before) / count / 1024)
