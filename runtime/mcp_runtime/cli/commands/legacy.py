"""The command `mcp-runtime legacy`. Rule: its options stand here; the bridges, found by name, do it.

A subcommand is `run(args, config)` in the module of its name below `mcp_bridges.deprecation.cli`.
"""

import argparse
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from mcp_runtime.cli.arguments import add_config_argument, load_from
from mcp_runtime.cli.exit_codes import ExitCode
from mcp_runtime.config.bridge_loading import BridgesMissing, from_bridges

DESCRIPTION: Final = "Say what of MCP is on its way out, when each part of it ends here, and who still uses it."


class Subcommand(msgspec.Struct, frozen=True, kw_only=True):
    """One subcommand of `mcp-runtime legacy`. `name` is also that of the bridges' module that does it."""

    name: str
    help: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]


def _add_dated_list_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_today(parser)


def _add_report_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument(
        "--since", metavar="TIME", type=_days, default=30, help="how far to look back: 30d, 12w (default: 30d)"
    )
    parser.add_argument("--feature", metavar="FEATURE", help="only this one, such as transport.http_sse")
    parser.add_argument("--format", choices=("table", "json", "html", "csv"), default="table")
    _add_today(parser)


def _add_ready_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feature", metavar="FEATURE", help="such as transport.http_sse")
    add_config_argument(parser)
    parser.add_argument(
        "--quiet",
        metavar="TIME",
        type=_days,
        default=30,
        help="how long nobody must have used it: 30d, 12w (default: 30d)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_today(parser)


def _add_simulate_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("--retire", metavar="FEATURE", required=True, help="such as transport.http_sse")
    parser.add_argument("--on", metavar="DATE", type=_day, required=True, help="from this day on, such as 2027-07-28")
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_today(parser)


def _add_forget_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "client",
        metavar="CLIENT",
        help='which, as in bridges.clients.rules: "name=cursor version=<1.5", "principal=ann", "peer=203.0.113.7"',
    )
    add_config_argument(parser)
    parser.add_argument("--yes", action="store_true", help="erase; without it, show what would be")


def _add_today(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--today", metavar="DATE", type=_day, default=None, help="count from this day, such as 2027-07-28, not today"
    )


SUBCOMMANDS: Final[tuple[Subcommand, ...]] = (
    Subcommand(
        name="features",
        help="list what is on its way out",
        description="List every feature on its way out: what replaces it, what the specification says, when it ends.",
        add_arguments=_add_dated_list_arguments,
    ),
    Subcommand(
        name="plan",
        help="print the timeline of phases and brownouts",
        description="Print every date on which something changes: phases of the window, brownouts, and today.",
        add_arguments=_add_dated_list_arguments,
    ),
    Subcommand(
        name="report",
        help="say who still uses what, how much, and whether they could move",
        description="""\
Say who was seen using something of the past: how often, when first and last, whether
they could move today, how many days they have left, and what to do next.
""",
        add_arguments=_add_report_arguments,
    ),
    Subcommand(
        name="ready",
        help="whether retiring a feature would break anybody",
        description="""\
Exits with 0 where nobody has used the feature for some time, and the ledger was watching
all that time; else with 1, and says who has.
""",
        add_arguments=_add_ready_arguments,
    ),
    Subcommand(
        name="simulate",
        help="who would be refused if a feature were retired on a day",
        description="""\
Replay the ledger from the day on: who would have been refused, and how often. For a day
that is still to come, the last 30 days stand for what will be.
""",
        add_arguments=_add_simulate_arguments,
    ),
    Subcommand(
        name="forget",
        help="erase clients from the ledger",
        description="""\
Erase all that the ledger keeps of some clients, in the file itself. A server that runs may
have counted them since and writes that within ledger.flush_interval_s.
""",
        add_arguments=_add_forget_arguments,
    ),
)
"""In the order of `--help`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands and their options."""
    subcommands = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", dest="subcommand", required=True)
    for one in SUBCOMMANDS:
        added = subcommands.add_parser(
            one.name,
            help=one.help,
            description=one.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        one.add_arguments(added)


def run(args: argparse.Namespace) -> ExitCode:
    """Do what the subcommand says. Raises ConfigError, also where there are no bridges."""
    from mcp_runtime.config import ConfigError

    config = load_from(args)
    try:
        subcommand = from_bridges(f"deprecation.cli.{args.subcommand}", "run")
    except BridgesMissing as error:
        fix = "install a distribution that has the package mcp_bridges"
        raise ConfigError("command line", f"legacy {args.subcommand}", str(error), fix) from None
    if getattr(args, "today", "") is None:
        args.today = datetime.now(UTC).date()
    return ExitCode(subcommand(args, config))


_DAYS_IN: Final = {"d": 1, "w": 7}


def _days(text: str) -> int:
    number, unit = text[:-1], text[-1:]
    if unit not in _DAYS_IN or not number.isascii() or not number.isdigit() or len(number) > 4 or not int(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write one such as 30d (days) or 12w (weeks)")
    return int(number) * _DAYS_IN[unit]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write one such as 2027-07-28") from None
