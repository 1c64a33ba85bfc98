"""This tree against another revision of itself. Rule: both serve this tree's tools, through doors that every revision
has: the command, HTTP and stdio.

In turns, so that what the machine does meanwhile happens to both. Changes that are not committed count as this tree.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Final

from tests.benchmarks import comparison, instructions, lanes, trees, workloads
from tests.benchmarks.comparison import Comparison
from tests.benchmarks.measurement import Measurement
from tests.benchmarks.peers import CACHE, COMPARED, PEERS, ROOT
from tests.benchmarks.server import PeerError, allow_descriptors, no_longer_than
from tests.benchmarks.suites import memory, startup, stdio
from tests.benchmarks.turns import FULL, Pace

BOUND: Final = 1.03
"""What a shared machine moves a ratio by, although nothing was changed."""
INSTRUCTIONS_BOUND: Final = 1.01
"""Of instructions, which no neighbour moves."""
_STARTS: Final = 3
"""Servers are started anew so often: where things lie in memory makes one process faster than the next by a percent."""
_LIMIT_S: Final = 3600
"""For one row: far above what any needs."""
_DESCRIPTION: Final = "Measure this tree, with its changes, against another revision of it."
_EPILOG: Final = """\
rows: {rows}
with --instructions: {counted}
  scripts/bench compare HEAD                      what the uncommitted changes do
  scripts/bench compare v0.1.0 http stdio/calls   rows by name, or by the part before the slash
  scripts/bench compare main --instructions       instructions a call, the same at each run
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is measured under a name; `by_medians` as in a comparison."""

    measure: Callable[[Pace], list[Measurement]]
    by_medians: bool = False


def _rates(key: str, title: str, workload: lanes.Workload) -> Callable[[Pace], list[Measurement]]:
    both = [lanes.Lane(peer=peer, workload=workload) for peer in COMPARED]
    return lambda pace: lanes.measurements(key, title, both, pace, against="now")


def _fresh(measure: Callable[[tuple[str, ...], int], Measurement]) -> Row:
    return Row(measure=lambda pace: [measure(COMPARED, pace.rounds * pace.starts)], by_medians=True)


def _counted(key: str) -> Row:
    return Row(measure=lambda pace: [instructions.measure(key, COMPARED, pace.rounds)])


ROWS: Final[Mapping[str, Row]] = {
    "http/call": Row(measure=_rates("http/call", "tools/call over HTTP, 2026-07-28", workloads.call())),
    "legacy/call": Row(measure=_rates("legacy/call", "tools/call in sessions of 2025-11-25", workloads.legacy_call())),
    "stdio/calls": Row(measure=lambda pace: stdio.run(pace, COMPARED)[:1]),
    "startup/http": _fresh(startup.over_http),
    "startup/stdio": _fresh(startup.on_stdio),
    "memory/idle": _fresh(memory.idle),
    "memory/idle-stdio": _fresh(memory.idle_stdio),
}
COUNTED: Final[Mapping[str, Row]] = {key: _counted(key) for key in instructions.COUNTS}


def command(arguments: Sequence[str]) -> int:
    """`scripts/bench compare`; the exit code."""
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)
    table = COUNTED if options.instructions else ROWS
    names = chosen(options.rows, table)
    if not names:
        parser.error(f"no such row: {', '.join(options.rows)} (there are {', '.join(table)})")
    bound = options.bound or (INSTRUCTIONS_BOUND if options.instructions else BOUND)
    try:
        sha = prepare(options.revision)
        print(f"{PEERS['now'].label}, against {options.revision} ({sha[:12]})")
        rows = measure({name: table[name] for name in names}, pace_of(options))
    except (trees.TreeError, PeerError, OSError, HTTPException) as error:
        print(f"BROKEN {error}")
        return 1
    print(comparison.plain(rows))
    failed = comparison.failures(rows, bound)
    if options.check:
        print("\n".join(f"FAILED {line}" for line in failed) if failed else f"\nNothing is worse than by {bound:g}.")
    return 1 if failed and options.check else 0


def prepare(revision: str) -> str:
    """Make both environments; the commit that `revision` names. Raises TreeError."""
    sha = trees.commit(revision)
    allow_descriptors()
    for key, tree in (("now", ROOT), ("before", trees.checkout(sha))):
        trees.install(tree, CACHE / PEERS[key].environment)
    return sha


def measure(table: Mapping[str, Row], pace: Pace) -> list[Comparison]:
    """All rows of `table`. Raises PeerError."""
    made: list[Comparison] = []
    for row in table.values():
        with no_longer_than(_LIMIT_S):
            made += [Comparison(measurement=one, by_medians=row.by_medians) for one in row.measure(pace)]
    return made


def chosen(wanted: Sequence[str], table: Mapping[str, Row]) -> list[str]:
    """The rows that are named, whole or by the part before the slash; all where none is, none where one is unknown."""
    found = {want: [name for name in table if want in {name, name.partition("/")[0]}] for want in wanted}
    if not all(found.values()):
        return []
    return [name for name in table if not wanted or any(name in names for names in found.values())]


def pace_of(options: argparse.Namespace) -> Pace:
    """How much is measured: a few rounds of each of several starts, or what the options say."""
    if options.instructions:
        return Pace(rounds=options.rounds or 1, seconds=1.0)
    full = Pace(rounds=1, seconds=1.0) if options.quick else replace(FULL, rounds=4, seconds=2.0, starts=_STARTS)
    return replace(full, rounds=options.rounds or full.rounds, seconds=options.seconds or full.seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench compare",
        description=_DESCRIPTION,
        epilog=_EPILOG.format(rows=", ".join(ROWS), counted=", ".join(COUNTED)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("revision", metavar="REV", help="a commit, branch or tag")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only these")
    parser.add_argument("--instructions", action="store_true", help="count instructions a call, with callgrind")
    parser.add_argument("--rounds", type=int, help=f"samples of each of {_STARTS} starts; counts of instructions")
    parser.add_argument("--seconds", type=float, help="length of a sample")
    parser.add_argument("--quick", action="store_true", help="one short round: for working on the harness")
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 where this tree is worse by more than --bound"
    )
    parser.add_argument(
        "--bound", type=float, help=f"default: {BOUND:g} times, of instructions {INSTRUCTIONS_BOUND:g} times"
    )
    return parser
