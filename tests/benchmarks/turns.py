"""Taking turns. Rule: A B A B, so that whatever the machine does meanwhile happens to everybody."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

Key = TypeVar("Key")
SampleT = TypeVar("SampleT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is measured: `rounds` of `seconds` each, after a warm-up. `scale` shrinks what counts things instead.

    All of that `starts` times, with servers that are started anew.
    """

    rounds: int
    seconds: float
    scale: float = 1.0
    starts: int = 1

    def count(self, full: int, least: int = 1) -> int:
        """So many of something that a full run has `full` of."""
        return max(least, round(full * self.scale))


FULL: Final = Pace(rounds=7, seconds=3.0)
QUICK: Final = Pace(rounds=2, seconds=1.0, scale=0.1)
"""For working on the harness: its numbers say nothing."""


def in_turns(
    samplers: Mapping[Key, Callable[[], SampleT]], rounds: int, *, say: Callable[[str], None]
) -> dict[Key, list[SampleT]]:
    """`rounds` samples of everybody, in turns."""
    samples: dict[Key, list[SampleT]] = {key: [] for key in samplers}
    for number in range(1, rounds + 1):
        say(f"round {number} of {rounds}")
        for key, sampler in samplers.items():
            samples[key].append(sampler())
    return samples


def say(text: str) -> None:
    """Tell whoever is waiting what is being done, on one line of standard error."""
    ending = "\n" if not sys.stderr.isatty() else "\x1b[K\r"
    sys.stderr.write(text + ending)
    sys.stderr.flush()


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of `values` are, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
