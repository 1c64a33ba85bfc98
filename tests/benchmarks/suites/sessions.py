"""Sessions of 2025-11-25, opened and left. Rule: nobody closes them; what they cost is what stays resident.

Sealed sessions are in their clients' hands, so that the server's memory does not know how many there are.
"""

from contextlib import closing
from typing import Final

from tests.benchmarks import workloads
from tests.benchmarks.measurement import Measurement, Series
from tests.benchmarks.peers import PEERS
from tests.benchmarks.server import HttpServer, PeerError, installed
from tests.benchmarks.turns import Pace, say

_SESSIONS: Final = 10_000
_WARM: Final = 1000
"""What is remembered of clients in any case is full by then."""
_POINTS: Final = 10
_PEERS: Final = ("ours", "official_standard", "fastmcp", "typescript")


def run(pace: Pace) -> list[Measurement]:
    """MiB that memory has grown by, along the number of sessions left."""
    count = pace.count(_SESSIONS)
    series: list[Series] = []
    absent: dict[str, str] = {}
    for key in _PEERS:
        say(f"sessions: {PEERS[key].label}")
        try:
            series += growth(key, count)
        except (PeerError, OSError, ValueError, KeyError) as error:
            absent[key] = str(error)
    return [
        Measurement(
            key="sessions/growth",
            title="growth of memory by sessions opened and left",
            unit="MiB",
            better="less",
            series=tuple(series),
            axis="sessions",
            absent=absent,
        )
    ]


def growth(key: str, count: int) -> list[Series]:
    """How much larger the server of `key` is after each tenth of `count` sessions."""
    with HttpServer(installed(key)) as server, closing(workloads.SessionOpener(server.port)) as opener:
        server.wait_until_listening()
        for _ in range(_WARM):
            opener.open()
        before = server.resident_bytes()
        made: list[Series] = []
        for point in range(1, _POINTS + 1):
            for _ in range(count // _POINTS):
                opener.open()
            grown = max(0.0, (server.resident_bytes() - before) / 2**20)
            made.append(Series(peer=key, samples=(grown,), x=float(point * (count // _POINTS))))
        return made
