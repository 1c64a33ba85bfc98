"""The command line as a parser. Rule: to know what there is to say costs no import but argparse."""

import argparse
from types import ModuleType
from typing import Any, Final

from mcp_runtime.cli import check, completion, init, legacy, serve, tools

COMMANDS: Final[tuple[ModuleType, ...]] = (serve, check, tools, legacy, init, completion)
"""In the order of `--help`. Each has NAME, HELP, DESCRIPTION, `add_arguments(parser)` and `run(args)`."""


class _Version(argparse.Action):
    """Prints the version; only then is it looked up, which takes longer than to parse the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"mcp-runtime {version('mcp-runtime-bridge')}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """The parser of `mcp-runtime`; the namespace it gives has `run`, the command to run with it."""
    parser = argparse.ArgumentParser(
        prog="mcp-runtime",
        description="Serve tools, resources and prompts over the Model Context Protocol, revision 2026-07-28.",
        epilog="Start with: mcp-runtime init, then: mcp-runtime serve",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        one = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(one)
        one.set_defaults(run=command.run)
    return parser
