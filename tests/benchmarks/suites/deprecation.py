"""What it costs to know who needs the past. Rule: the same server with evidence and signals, and without, in turns.

Both serve old clients; what is compared is the ledger, its writes to disk and the headers, nothing else.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from tests.benchmarks import lanes, workloads
from tests.benchmarks.lanes import Lane, Workload
from tests.benchmarks.measurement import Measurement
from tests.benchmarks.turns import Pace

_WITH: Final = "ours_watched"
_WITHOUT: Final = "ours_unwatched"
_TURNS: Final = 3
"""Of a second, where others have one of three: what is looked for is less than what a machine drifts by meanwhile."""
_STARTS: Final = 2
"""For each round: it is also less than what one process is faster by than the next, for where things lie in memory."""


def run(pace: Pace) -> list[Measurement]:
    """Requests a second, and processor time each, of old clients and of new ones."""
    measure = partial(
        lanes.measurements,
        pace=replace(pace, rounds=_TURNS, seconds=1.0, starts=pace.rounds * _STARTS),
        against=_WITH,
    )
    return [
        *measure(
            "deprecation/legacy", "tools/call in sessions, with evidence and without", _both(workloads.legacy_call())
        ),
        *measure("deprecation/modern", "tools/call of 2026-07-28, with evidence and without", _both(workloads.call())),
    ]


def _both(workload: Workload) -> Sequence[Lane]:
    return [Lane(peer=peer, workload=workload) for peer in (_WITH, _WITHOUT)]
