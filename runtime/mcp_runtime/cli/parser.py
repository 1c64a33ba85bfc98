"""The parser of the command line. Rule: to know what there is to say costs no import but argparse."""

import argparse
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

from mcp_runtime.platform.version import VERSION

COMMANDS: Final[Mapping[str, str]] = {
    "serve": "serve over HTTP, stdio or both",
    "check": "validate the configuration and load the plugins, without serving",
    "tools": "list what is served: tools, resources, templates and prompts",
    "legacy": "retire older revisions: what is on its way out, when, and who still uses it",
    "state": "look at the files that the server keeps, or begin without one",
    "init": "write a configuration and a plugin to start from",
    "completion": "print a completion script for your shell",
}
"""The commands, with their help. The module of each name has DESCRIPTION, `add_arguments(parser)` and `run(args)`."""


def build_parser(argv: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser of `mcp-runtime`; the namespace it gives has `run`, the command to run with it.

    For one command line, `argv`, only the command that it names knows its options: `serve` is to start at once.
    """
    parser = argparse.ArgumentParser(
        prog="mcp-runtime",
        description="Serve tools, resources and prompts over the Model Context Protocol, revision 2026-07-28.",
        epilog="Start with: mcp-runtime init, then: mcp-runtime serve",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"mcp-runtime {VERSION}", help="print the version and exit"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    named = next((word for word in argv or () if word in COMMANDS), None)
    for name, text in COMMANDS.items():
        one = commands.add_parser(
            name, help=text, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        if named in (None, name):
            command: Any = import_module(f"mcp_runtime.cli.commands.{name}")
            one.description = command.DESCRIPTION
            command.add_arguments(one)
            one.set_defaults(run=command.run)
    return parser
