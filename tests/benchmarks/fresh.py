"""Measurements that need a process of their own for each sample. Rule: the first one is for warming up, and for seeing
who can be measured at all.
"""

from collections.abc import Callable
from typing import Literal

from tests.benchmarks.measurement import Measurement, Series
from tests.benchmarks.peers import PEERS
from tests.benchmarks.server import PeerError, installed
from tests.benchmarks.turns import in_turns, say

Take = Callable[[str], float]
"""One sample of a peer, by its key. Raises PeerError, OSError, ValueError, KeyError where it cannot be had."""


def measurement(
    *,
    key: str,
    title: str,
    unit: str,
    peers: tuple[str, ...],
    take: Take,
    rounds: int,
    better: Literal["more", "less"] = "less",
) -> Measurement:
    """`rounds` samples of each of `peers`, in turns."""
    absent: dict[str, str] = {}
    able: dict[str, Callable[[], float]] = {}
    for peer in peers:
        say(f"{key}: trying {PEERS[peer].label}")
        try:
            installed(peer)
            take(peer)
        except (PeerError, OSError, ValueError, KeyError) as error:
            absent[peer] = str(error)
        else:
            able[peer] = _taking(take, peer)
    samples = in_turns(able, rounds, say=lambda text: say(f"{key}: {text}"))
    series = tuple(Series(peer=peer, samples=tuple(values)) for peer, values in samples.items())
    return Measurement(key=key, title=title, unit=unit, better=better, series=series, absent=absent)


def _taking(take: Take, peer: str) -> Callable[[], float]:
    return lambda: take(peer)
