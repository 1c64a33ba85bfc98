"""What it costs to know who still speaks the past. Rule: one program twice, with and without, and the ratio.

Old clients pay for the ledger and for what headers say; whoever speaks 2026-07-28 shares a server with all that.
"""

from tests.benchmarks import lanes, workloads
from tests.benchmarks.measurement import Measurement
from tests.benchmarks.turns import Pace

_PEERS = ("ours", "ours_unwatched")


def run(pace: Pace) -> list[Measurement]:
    """Requests a second and processor time each, of both eras."""
    legacy = [lanes.Lane(peer=peer, workload=workloads.legacy_call()) for peer in _PEERS]
    modern = [lanes.Lane(peer=peer, workload=workloads.call()) for peer in _PEERS]
    return [
        *lanes.measurements("deprecation/legacy", "tools/call in sessions, watched and not", legacy, pace),
        *lanes.measurements("deprecation/modern", "tools/call of 2026-07-28, watched and not", modern, pace),
    ]
