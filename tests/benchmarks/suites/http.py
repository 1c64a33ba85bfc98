"""Modern requests over HTTP. Rule: everybody answers the same tools/call; the floor shows what a server leaves over."""

from tests.benchmarks import lanes, workloads
from tests.benchmarks.measurement import Measurement
from tests.benchmarks.peers import FLOOR, SDKS
from tests.benchmarks.turns import Pace


def run(pace: Pace) -> list[Measurement]:
    """Requests a second, and what each costs."""
    return [
        *_rates(
            "http/call", "tools/call over HTTP, 2026-07-28", workloads.call(), (*SDKS, "ours_granian", *FLOOR), pace
        ),
        *_rates("http/list", "tools/list over HTTP, 2026-07-28", workloads.listing(), SDKS, pace),
        *_rates("http/progress", "tools/call with three notifications over SSE", workloads.progress(), SDKS, pace),
    ]


def _rates(key: str, title: str, workload: lanes.Workload, peers: tuple[str, ...], pace: Pace) -> list[Measurement]:
    return lanes.measurements(key, title, [lanes.Lane(peer=peer, workload=workload) for peer in peers], pace)
