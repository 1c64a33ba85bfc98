"""What the figures have to be. Rule: ratios within one run, except where a budget is a size.

Read by `scripts/bench --check`; each row is one line of the table in docs/benchmarks.
"""

import statistics
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from tests.benchmarks.measurement import Report, Series

OURS: Final = ("ours", "ours_uvicorn")
OFFICIAL: Final = ("official", "official_standard")


class Quantity(Struct, frozen=True):
    """The best median among `peers` in a measurement, at `x` where it has an axis."""

    measurement: str
    peers: tuple[str, ...]
    x: float | None = None

    def series(self, report: Report) -> Series | None:
        """What was measured, None where it was not."""
        measurement = report.get(self.measurement)
        return None if measurement is None else measurement.best(self.peers, self.x)

    def value(self, report: Report) -> float | None:
        """The number, None where it was not measured."""
        best = self.series(report)
        return None if best is None else best.median


class Budget(Struct, frozen=True, kw_only=True):
    """`of` divided by `to` is at least, or at most, `bound`; without `to`, `of` itself is, in `unit`.

    `paired` takes the median of what each round's division gives, for what is less than a machine drifts by: two that
    took turns drifted together.
    """

    what: str
    of: Quantity
    to: Quantity | None = None
    kind: Literal["at least", "at most"] = "at least"
    bound: float
    unit: str = "x"
    paired: bool = False

    def found(self, report: Report) -> float | None:
        """The ratio or size in `report`; None where something of it was not measured."""
        if self.paired and self.to is not None:
            return _median_of_rounds(self.of.series(report), self.to.series(report))
        of = self.of.value(report)
        to = 1.0 if self.to is None else self.to.value(report)
        return None if of is None or not to else of / to

    def holds(self, found: float) -> bool:
        """Whether `found` is within the budget."""
        return found >= self.bound if self.kind == "at least" else found <= self.bound


def _median_of_rounds(of: Series | None, to: Series | None) -> float | None:
    if of is None or to is None:
        return None
    return statistics.median(one / other for one, other in zip(of.samples, to.samples, strict=True))


def _rate(what: str, bound: float, of: tuple[str, ...], to: tuple[str, ...], measurement: str = "http/call") -> Budget:
    return Budget(what=what, bound=bound, of=Quantity(measurement, of), to=Quantity(measurement, to), paired=True)


def _cost(what: str, bound: float, measurement: str) -> Budget:
    """Of knowing who needs the past."""
    of, to = (Quantity(measurement, (peer,)) for peer in ("ours_watched", "ours_unwatched"))
    return Budget(what=what, kind="at most", bound=bound, of=of, to=to, paired=True)


BUDGETS: Final[Sequence[Budget]] = (
    _rate("bare app on our server, of stock Hypercorn+trio", 8, ("bare_ours",), ("bare_hypercorn",)),
    _rate("bare app on our server, of uvicorn[standard]", 0.60, ("bare_ours",), ("bare_uvicorn",)),
    _rate("tools/call, of the official SDK on uvicorn[standard]", 5, ("ours",), ("official_standard",)),
    _rate("tools/call, of the bare app on our server", 0.40, ("ours",), ("bare_ours",)),
    _rate("tools/call, both on uvicorn[standard], of the official SDK", 5, ("ours_uvicorn",), ("official_standard",)),
    _rate("tools/call, best server each, of FastMCP", 15, OURS, ("fastmcp",)),
    _rate("tools/call, best server each, of the TypeScript SDK", 10, OURS, ("typescript",)),
    _rate("tools/call in a session, best server each, of the official SDK", 6, OURS, OFFICIAL, "legacy/call"),
    Budget(
        what="processor time of a call in process: the official SDK's ASGI call, of our dispatcher's",
        bound=8,
        of=Quantity("core/cpu_us", ("official",)),
        to=Quantity("core/cpu_us", ("dispatcher",)),
    ),
    _rate("stdio: calls a second, of the official SDK", 5, ("ours",), ("official",), "stdio/calls"),
    Budget(
        what="stdio: start to first answer, of the official SDK's time",
        kind="at most",
        bound=0.30,
        of=Quantity("startup/stdio", ("ours",)),
        to=Quantity("startup/stdio", ("official",)),
    ),
    Budget(
        what="memory when idle over HTTP, of the official SDK's",
        kind="at most",
        bound=0.60,
        of=Quantity("memory/idle", ("ours",)),
        to=Quantity("memory/idle", ("official",)),
    ),
    Budget(
        what="memory when idle on stdio, of the official SDK's",
        kind="at most",
        bound=0.60,
        of=Quantity("memory/idle-stdio", ("ours",)),
        to=Quantity("memory/idle-stdio", ("official",)),
    ),
    Budget(
        what="memory of an idle open event stream",
        kind="at most",
        bound=24,
        unit="KiB",
        of=Quantity("memory/stream", ("ours",)),
    ),
    Budget(
        what="memory of a legacy session at rest",
        kind="at most",
        bound=0.1,  # a page now and then is the allocator's
        unit="KiB",
        of=Quantity("memory/session", ("ours",)),
    ),
    _cost(
        "processor time of a call in a session with ledger and signals, of one without", 1.05, "deprecation/legacy-cpu"
    ),
    # Nothing, as far as a busy machine can tell.
    _cost("processor time of a call of 2026-07-28 with them, of one without", 1.03, "deprecation/modern-cpu"),
    Budget(
        what="cost of a call with 1,000 tools, of one with 10",
        kind="at most",
        bound=1.05,
        of=Quantity("scale/tools-cpu", ("ours",), 1000.0),
        to=Quantity("scale/tools-cpu", ("ours",), 10.0),
        paired=True,
    ),
)


def verdicts(report: Report) -> list[tuple[Budget, float | None, bool]]:
    """Every budget with what was found, None where it was not measured, and whether it holds."""
    found = [(budget, budget.found(report)) for budget in BUDGETS]
    return [(budget, value, value is not None and budget.holds(value)) for budget, value in found]


def failures(report: Report, suites: Sequence[str] = ()) -> list[str]:
    """A line for every budget that does not hold, or could not be looked at; of `suites` only, where any are named."""
    lines: list[str] = []
    for budget, value, holds in verdicts(report):
        if suites and budget.of.measurement.partition("/")[0] not in suites:
            continue
        if value is None:
            lines.append(f"{budget.what}: not measured ({budget.of.measurement})")
        elif not holds:
            lines.append(f"{budget.what}: {value:.3g} {budget.unit}, budget {budget.kind} {budget.bound:g}")
    return lines
