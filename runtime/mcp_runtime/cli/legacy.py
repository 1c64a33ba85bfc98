"""`mcp-runtime legacy`. Rule: what there is to say stands here; the bridges, found by name, do it.

A subcommand is `run(args, config)` in the module of its name below `mcp_bridges.deprecation.cli`.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from mcp_runtime.bridge_loading import BridgesMissing, from_bridges
from mcp_runtime.cli.arguments import add_config_argument, load_from
from mcp_runtime.cli.exit_codes import ExitCode

NAME: Final = "legacy"
HELP: Final = "retire older revisions: what is on its way out, and when"
DESCRIPTION: Final = "Say what of MCP is on its way out, and when each part of it ends here."


@dataclass(frozen=True, slots=True, kw_only=True)
class Subcommand:
    """One of `mcp-runtime legacy`. `name` is also that of the bridges' module that does it."""

    name: str
    help: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]


def _add_dated_list_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
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


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write one such as 2027-07-28") from None
