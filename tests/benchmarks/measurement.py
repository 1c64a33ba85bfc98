"""What was measured. Rule: numbers and what they are of; how they look is somebody else's."""

import statistics
from typing import Literal

import msgspec
from msgspec import Struct


class Series(Struct, frozen=True, kw_only=True):
    """The samples of one peer, a round each; `x` is where on the horizontal axis, for what grows with something."""

    peer: str
    samples: tuple[float, ...]
    x: float | None = None

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.samples)

    @property
    def low(self) -> float:
        """The least."""
        return min(self.samples)

    @property
    def high(self) -> float:
        """The most."""
        return max(self.samples)


class Measurement(Struct, frozen=True, kw_only=True):
    """One quantity of several peers, taken in turns. `key` is "suite/what"; `axis` names what `x` counts.

    `better` is which way is good; `against` is the peer that ratios are to, ours unless said otherwise.
    """

    key: str
    title: str
    unit: str
    better: Literal["more", "less"]
    series: tuple[Series, ...]
    against: str = "ours"
    axis: str | None = None
    absent: dict[str, str] = {}
    """Peers that could not be measured, and why."""

    def of(self, peer: str, x: float | None = None) -> Series | None:
        """The series of `peer` at `x`, None where it was not measured."""
        return next((one for one in self.series if one.peer == peer and one.x == x), None)

    def best(self, peers: tuple[str, ...], x: float | None = None) -> Series | None:
        """The best of the series of `peers`, None where none was measured."""
        found = [one for one in (self.of(peer, x) for peer in peers) if one is not None]
        if not found:
            return None
        return (max if self.better == "more" else min)(found, key=lambda one: one.median)

    def times_as_good(self, series: Series) -> float | None:
        """How many times as good `against` is as `series` at the same x: above 1 where it is better."""
        own = self.of(self.against, series.x)
        if own is None or not own.median or not series.median:
            return None
        return own.median / series.median if self.better == "more" else series.median / own.median


class Machine(Struct, frozen=True, kw_only=True):
    """Where and when; absolute numbers mean nothing without it."""

    processor: str
    cores: int
    pinned_apart: bool
    python: str
    kernel: str
    load_before: float
    versions: dict[str, str] = {}


class Report(Struct, frozen=True, kw_only=True):
    """Everything of one run."""

    machine: Machine
    rounds: int
    seconds: float
    measurements: tuple[Measurement, ...]

    def get(self, key: str) -> Measurement | None:
        """The measurement `key`, None where it was not made."""
        return next((one for one in self.measurements if one.key == key), None)


def encode(report: Report) -> bytes:
    """`report` as JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def decode(data: bytes) -> Report:
    """A report from what `encode` wrote. Raises msgspec.ValidationError."""
    return msgspec.json.decode(data, type=Report)
