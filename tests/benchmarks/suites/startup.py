"""From the start of a process to its first answer. Rule: the clock starts before the process does."""

import time

from tests.benchmarks import fresh
from tests.benchmarks.measurement import Measurement
from tests.benchmarks.peers import PEERS, SDKS, STDIO
from tests.benchmarks.pinning import LOAD_CORE, pinned_to
from tests.benchmarks.server import HttpServer, StdioServer
from tests.benchmarks.turns import Pace
from tests.benchmarks.wire import ask, modern
from tests.benchmarks.workloads import result_of
from tests.support.messages import encode, request


def run(pace: Pace) -> list[Measurement]:
    """Milliseconds on stdio and over HTTP."""
    return [on_stdio(STDIO, pace.rounds), over_http(SDKS, pace.rounds)]


def on_stdio(peers: tuple[str, ...], rounds: int) -> Measurement:
    """Milliseconds on stdio."""
    with pinned_to(LOAD_CORE):
        return fresh.measurement(
            key="startup/stdio",
            title="start to first answer on stdio",
            unit="ms",
            peers=peers,
            take=on_stdio_ms,
            rounds=rounds,
        )


def over_http(peers: tuple[str, ...], rounds: int) -> Measurement:
    """Milliseconds over HTTP."""
    with pinned_to(LOAD_CORE):
        return fresh.measurement(
            key="startup/http",
            title="start to first answer over HTTP",
            unit="ms",
            peers=peers,
            take=over_http_ms,
            rounds=rounds,
        )


def on_stdio_ms(key: str) -> float:
    """Until `server/discover` is answered on stdout."""
    with StdioServer(PEERS[key]) as server:
        server.stdin.write(encode(request("server/discover", capabilities={})) + b"\n")
        server.stdin.flush()
        line = server.stdout.readline()
        taken_s = time.perf_counter() - server.started_at_s
        if b"supportedVersions" not in line:
            raise server.failure(f"answered {line[:300]!r}")
        return taken_s * 1e3


def over_http_ms(key: str) -> float:
    """Until `tools/list` is answered with a result."""
    listing = modern("tools/list")
    with HttpServer(PEERS[key]) as server:
        server.wait_until(lambda: "tools" in result_of(ask(server.port, listing)))
        return (time.perf_counter() - server.started_at_s) * 1e3
