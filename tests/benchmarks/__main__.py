"""`scripts/bench`. Rule: measured first, judged afterwards; what is printed, stored and drawn is the same report."""

import argparse
import sys
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Final

from tests.benchmarks import budgets, machine, measurement, plots, tables
from tests.benchmarks.compare import command as compare
from tests.benchmarks.hostile.command import command as hostile
from tests.benchmarks.measurement import Measurement, Report
from tests.benchmarks.peers import CACHE, ROOT
from tests.benchmarks.server import PeerError, allow_descriptors, no_longer_than
from tests.benchmarks.soak import command as soak
from tests.benchmarks.suites import core, deprecation, http, legacy, memory, scale, sessions, startup, stdio
from tests.benchmarks.turns import FULL, QUICK, Pace

SUITES: Final[Mapping[str, Callable[[Pace], list[Measurement]]]] = {
    "http": http.run,
    "legacy": legacy.run,
    "stdio": stdio.run,
    "startup": startup.run,
    "memory": memory.run,
    "core": core.run,
    "scale": scale.run,
    "sessions": sessions.run,
    "deprecation": deprecation.run,
}
COMMANDS: Final[Mapping[str, Callable[[list[str]], int]]] = {"soak": soak, "hostile": hostile, "compare": compare}
"""What measures no peers, and has options of its own."""
_DOCS: Final = ROOT / "docs" / "benchmarks"
_LIMIT_S: Final = 3600
"""For one suite: far above what any needs."""
_DESCRIPTION: Final = "Measure the runtime beside what a user would pick instead."
_EPILOG: Final = """\
suites: {suites}; all of them where none is named
  scripts/bench http core --quick     while working on something
  scripts/bench --check               all, and exit with 1 where a budget does not hold
  scripts/bench --publish             all, into docs/benchmarks
  scripts/bench compare HEAD~1        this tree against another revision of it; see compare --help
  scripts/bench soak --seconds 1800   does it stay up? prints what failed, and exits with 1
  scripts/bench hostile --check       does one client notice what twenty hostile ones do?
"""


def main(arguments: list[str]) -> int:
    """Run what `arguments` ask for; the exit code."""
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]](arguments[1:])
    options = _parser().parse_args(arguments)
    broken: list[str] = []
    if options.from_file is not None:
        report = measurement.decode(options.from_file.read_bytes())
    else:
        rounds = QUICK if options.quick else FULL
        pace = Pace(
            rounds=options.rounds or rounds.rounds, seconds=options.seconds or rounds.seconds, scale=rounds.scale
        )
        report, broken = run(options.suites or list(SUITES), pace)
    print(tables.plain(report.measurements))
    write(report, _DOCS if options.publish else options.to)
    print("\n".join(broken))
    if not options.check:
        return 1 if broken else 0
    failed = budgets.failures(report, options.suites)
    print("\n".join(["", *(f"FAILED {line}" for line in failed)]) if failed else "\nThe budgets hold.")
    return 1 if failed or broken else 0


def run(suites: list[str], pace: Pace) -> tuple[Report, list[str]]:
    """All measurements of `suites`, and which of those broke off, with the reason: the others are still worth having."""
    allow_descriptors()
    described = machine.describe()
    made: list[Measurement] = []
    broken: list[str] = []
    for name in suites:
        try:
            with no_longer_than(_LIMIT_S):
                made += SUITES[name](pace)
        except (PeerError, OSError, HTTPException) as error:
            broken.append(f"BROKEN {name}: {type(error).__name__}: {error}")
    return Report(machine=described, rounds=pace.rounds, seconds=pace.seconds, measurements=tuple(made)), broken


def write(report: Report, folder: Path) -> None:
    """The report as JSON, as a page and as plots, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_bytes(measurement.encode(report))
    (folder / "index.md").write_text(tables.markdown(report))
    for one in report.measurements:
        (folder / tables.image_name(one)).write_text(plots.svg(one))
    print(f"\nWritten to {folder}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=_DESCRIPTION,
        epilog=_EPILOG.format(suites=", ".join(SUITES)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], metavar="SUITE")
    parser.add_argument("--quick", action="store_true", help="short rounds and few of them: for working on the harness")
    parser.add_argument("--rounds", type=int, help="samples of each row")
    parser.add_argument("--seconds", type=float, help="length of one")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a budget does not hold")
    parser.add_argument(
        "--to", type=Path, default=CACHE / "results", metavar="FOLDER", help="where results are written"
    )
    parser.add_argument("--publish", action="store_true", help="write them into docs/benchmarks")
    parser.add_argument(
        "--from", dest="from_file", type=Path, metavar="FILE", help="judge a results.json, measure nothing"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
