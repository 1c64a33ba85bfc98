"""How cost grows. Rule: one thing grows at a time: open streams, tools, or the size of what is said."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from tests.benchmarks import lanes, streams, workloads
from tests.benchmarks.measurement import Measurement, Series
from tests.benchmarks.peers import PEERS
from tests.benchmarks.server import PeerError
from tests.benchmarks.turns import Pace, say

_PEERS: Final = ("ours", "ours_uvicorn", "official_standard")
_TOOLS: Final = (10, 100, 1000)
_OWN_TOOLS: Final = 2
_STREAMS: Final = (1, 100, 1000, 10_000)
_PAYLOADS_BYTES: Final = (2**10, 2**14, 2**18, 2**22)
_FEW_CONNECTIONS: Final = 4
"""For what is large: more of it at once measures memory, not work."""


def run(pace: Pace) -> list[Measurement]:
    """Rates by the number of tools and by the size of a payload; memory and rates by the number of open streams."""
    return [*tools(pace), *payloads(pace), *open_streams(pace)]


def tools(pace: Pace) -> list[Measurement]:
    """`tools/call` on servers with more and more tools."""
    call = workloads.call()
    rows = [
        lanes.Lane(peer=peer, workload=call, x=float(count), extra={"BENCH_TOOLS": str(count - _OWN_TOOLS)})
        for peer in _PEERS
        for count in _TOOLS
    ]
    return lanes.measurements("scale/tools", "tools/call by the number of tools", rows, pace, axis="tools")


def payloads(pace: Pace) -> list[Measurement]:
    """`echo` of more and more."""
    rows = [
        lanes.Lane(peer=peer, workload=workloads.call("x" * size, connections=_FEW_CONNECTIONS), x=float(size))
        for peer in _PEERS
        for size in _PAYLOADS_BYTES
    ]
    return lanes.measurements("scale/payload", "tools/call by the bytes echoed", rows, pace, axis="bytes")


def open_streams(pace: Pace) -> list[Measurement]:
    """`tools/call`, and memory, beside more and more idle streams."""
    rates: list[Series] = []
    memory: list[Series] = []
    absent: dict[str, str] = {}
    counts = _STREAMS if pace.scale == 1 else _STREAMS[:-1]
    for peer in _PEERS:
        try:
            for rate, resident in _beside_streams(peer, counts, pace):
                rates.append(rate)
                memory.append(resident)
        except (PeerError, OSError, ValueError) as error:
            absent[peer] = str(error)
    return [
        Measurement(
            key="scale/streams",
            title="tools/call beside idle event streams",
            unit="requests/s",
            better="more",
            series=tuple(rates),
            axis="open streams",
            absent=absent,
        ),
        Measurement(
            key="scale/streams-memory",
            title="resident memory by open event streams",
            unit="MiB",
            better="less",
            series=tuple(memory),
            axis="open streams",
            absent=absent,
        ),
    ]


def _beside_streams(peer: str, counts: tuple[int, ...], pace: Pace) -> Iterator[tuple[Series, Series]]:
    with _running(peer) as ready, ExitStack() as stack:
        opened = 0
        for count in counts:
            say(f"scale: {PEERS[peer].label}: {count} streams")
            stack.enter_context(streams.held_open(ready.server.port, streams.LISTEN, count - opened))
            opened = count
            samples = tuple(ready.run(pace.seconds)[0] for _ in range(pace.rounds))
            yield (
                Series(peer=peer, samples=samples, x=float(count)),
                Series(peer=peer, samples=(ready.server.resident_bytes() / 2**20,), x=float(count)),
            )


@contextmanager
def _running(peer: str) -> Generator[lanes.Ready]:
    with ExitStack() as stack:
        yield lanes.start(lanes.Lane(peer=peer, workload=workloads.call()), stack)
