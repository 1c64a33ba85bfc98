"""Results as text. Rule: ratios first; a number never stands without its least and its most."""

from collections.abc import Sequence

from tests.benchmarks import budgets
from tests.benchmarks.measurement import Machine, Measurement, Report, Series
from tests.benchmarks.peers import PEERS

_NAMES = {"dispatcher": "mcp-runtime, dispatcher alone"}
_INTRODUCTION = """\
Written by `scripts/bench --publish`. Everything in one table was measured in one run, in turns, with the server on one
core and the load on another. Ratios travel; absolute numbers are of this machine:"""


def label(peer: str) -> str:
    """What `peer` is called in results."""
    return _NAMES[peer] if peer in _NAMES else PEERS[peer].label


def number(value: float) -> str:
    """Three digits that matter, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown(report: Report) -> str:
    """The whole report as a page."""
    parts = [
        "# Benchmarks",
        _INTRODUCTION,
        _machine(report),
        "## Budgets",
        _budgets(report),
    ]
    for measurement in report.measurements:
        parts += [f"## {measurement.title[0].upper()}{measurement.title[1:]}", _image(measurement), table(measurement)]
    return "\n\n".join(parts) + "\n"


def table(measurement: Measurement) -> str:
    """One measurement as a table of Markdown, and who is missing from it."""
    axis = [] if measurement.axis is None else [measurement.axis]
    heads = [f"{label(measurement.against)} is better by", "median", "least", "most"]
    rows = [["who", *axis, heads[0], *(f"{head}, {measurement.unit}" for head in heads[1:])]]
    rows += [_row(measurement, series) for series in measurement.series]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" * (1 + len(axis)) + "|--:" * len(heads) + "|")
    for peer, reason in measurement.absent.items():
        lines.append(f"\nNot measured: {label(peer)} ({reason.splitlines()[0]}).")
    return "\n".join(lines)


def _row(measurement: Measurement, series: Series) -> list[str]:
    ratio = measurement.times_as_good(series)
    place = [] if measurement.axis is None else [number(series.x or 0)]
    shown = "-" if ratio is None or series.peer == measurement.against else f"{ratio:.2f}x"
    return [label(series.peer), *place, shown, *map(number, (series.median, series.low, series.high))]


def _budgets(report: Report) -> str:
    lines = ["| what | budget | found | |", "|---|--:|--:|---|"]
    for budget, value, holds in budgets.verdicts(report):
        found = "not measured" if value is None else f"{value:.3g} {budget.unit}"
        bound = f"{budget.kind} {budget.bound:g} {budget.unit}"
        lines.append(f"| {budget.what} | {bound} | {found} | {'holds' if holds else 'does not hold'} |")
    return "\n".join(lines)


def _machine(report: Report) -> str:
    machine: Machine = report.machine
    apart = "server and load on cores of their own" if machine.pinned_apart else "server and load share the one core"
    lines = [
        f"{machine.processor}, {machine.cores} cores, {apart}; load average {machine.load_before:.1f} before the run",
        f"Python {machine.python}, Linux {machine.kernel}",
        f"{report.rounds} rounds of {report.seconds:g} s",
        *(f"{name}: {version}" for name, version in machine.versions.items()),
    ]
    return "\n".join(f"- {line}" for line in lines)


def _image(measurement: Measurement) -> str:
    return f"![{measurement.title}]({image_name(measurement)})"


def image_name(measurement: Measurement) -> str:
    """The file of its plot."""
    return f"{measurement.key.replace('/', '-')}.svg"


def plain(measurements: Sequence[Measurement]) -> str:
    """The tables for a terminal, columns aligned."""
    return "\n\n".join(f"{one.key}: {one.title}\n{_aligned(table(one))}" for one in measurements)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """`rows` in columns, the first to the left and the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    shown = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    return "\n".join("  " + line for line in shown)


def _aligned(text: str) -> str:
    lines = [line for line in text.splitlines() if line and not line.startswith("|---")]
    rows = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines if line.startswith("| ")]
    return "\n".join([columns(rows), *("  " + line for line in lines if not line.startswith("|"))])
