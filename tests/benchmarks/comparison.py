"""Two series beside each other: a ratio, its range, and a bound. Rule: who took turns drifted together, so rounds are
divided one by one, and the middle of that is the ratio.
"""

import statistics
from collections.abc import Sequence

from msgspec import Struct

from tests.benchmarks import tables
from tests.benchmarks.measurement import Measurement


class Comparison(Struct, frozen=True, kw_only=True):
    """A row: what `now` is, in parts of what `before` was, with the least and the most that a round gave.

    `better` is as in a measurement. `by_medians` divides the medians instead: each sample is of a process of its own,
    and none belongs to another.
    """

    measurement: Measurement
    by_medians: bool = False

    @property
    def rounds(self) -> tuple[float, ...]:
        """What each round's division gives; empty where one of the two was not measured."""
        now, before = self.measurement.of("now"), self.measurement.of("before")
        if now is None or before is None:
            return ()
        return tuple(one / other for one, other in zip(now.samples, before.samples, strict=True))

    @property
    def ratio(self) -> float | None:
        """The ratio, None where one of the two was not measured."""
        now, before = self.measurement.of("now"), self.measurement.of("before")
        if now is None or before is None:
            return None
        return now.median / before.median if self.by_medians else statistics.median(self.rounds)

    def holds(self, bound: float) -> bool:
        """Whether it is no more than `bound` times worse than before: a cost so much higher, or a rate so much lower."""
        if self.ratio is None:
            return False
        return self.ratio >= 1 / bound if self.measurement.better == "more" else self.ratio <= bound


def failures(rows: Sequence[Comparison], bound: float) -> list[str]:
    """A line for every row that does not hold."""
    lines: list[str] = []
    for row in rows:
        measured = row.measurement
        if row.ratio is None:
            reason = next((f": {text}" for text in measured.absent.values()), "")
            lines.append(f"{measured.key}: not measured{reason}")
        elif not row.holds(bound):
            allowed = f"at least {1 / bound:.4f}" if measured.better == "more" else f"at most {bound:.4f}"
            lines.append(f"{measured.key}: {row.ratio:.4f} of before, bound {allowed}")
    return lines


def plain(rows: Sequence[Comparison]) -> str:
    """The rows for a terminal, columns aligned."""
    heads = ["", "now / before", "least", "most", "before", "now", "unit", "better"]
    return tables.columns([heads, *(_row(one) for one in rows)])


def _row(row: Comparison) -> list[str]:
    measured, ratio = row.measurement, row.ratio
    now, before = measured.of("now"), measured.of("before")
    if now is None or before is None or ratio is None:
        return [measured.key, *["-"] * 5, measured.unit, measured.better]
    shown = [f"{value:.4f}" for value in (ratio, min(row.rounds), max(row.rounds))]
    return [
        measured.key,
        *shown,
        tables.number(before.median),
        tables.number(now.median),
        measured.unit,
        measured.better,
    ]
