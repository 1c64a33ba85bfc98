"""The command `mcp-runtime state`. Rule: to check changes nothing, and to reset deletes nothing."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_runtime.cli.arguments import add_config_argument, load_from
from mcp_runtime.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from mcp_runtime.config import Config
    from mcp_runtime.state.checkup import Checkup, KeptFile

DESCRIPTION: Final = "Look at what the server keeps in files, or have it begin without one of them."
_CHECK: Final = """\
Say of the state, the ledger and the seal key: where they are, whether they are intact,
how much is in them, and which process has them open. Changes nothing, and may be asked
while a server runs.

Exits with 1 where a server could not use a file, and says what to do.
"""
_RESET: Final = """\
Move the state's file aside, with all that belongs to it, under a dated name. A server
that is started then makes a new one. Nothing is deleted.

Exits with 1 where a server has the file open: stop it first.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands and their options."""
    subcommands = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", dest="subcommand", required=True)
    added = [
        subcommands.add_parser(
            name,
            help=text,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        for name, text, description in (
            ("check", "say whether the files are intact, and who has them open", _CHECK),
            ("reset", "move a file aside, so that the server begins without", _RESET),
        )
    ]
    for one in added:
        add_config_argument(one)
    added[1].add_argument("--ledger", action="store_true", help="the ledger of older clients in place of the state")


def run(args: argparse.Namespace) -> ExitCode:
    """Do what the subcommand says. Raises ConfigError."""
    from mcp_runtime.state.port import StateError

    config = load_from(args)
    try:
        return _SUBCOMMANDS[args.subcommand](args, config)
    except StateError as error:
        print(f"mcp-runtime: {error}", file=sys.stderr)
        return ExitCode.UNEXPECTED


def _check(_: argparse.Namespace, config: "Config") -> ExitCode:
    from mcp_runtime.state.checkup import look_at
    from mcp_runtime.state.port import StateError

    code = ExitCode.OK
    if config.state.engine == "memory":
        print("state.engine is memory: sessions are forgotten at a restart, and what is in the file is not looked at.")
    for kept in _kept(config).values():
        print(kept.path)
        try:
            print("\n".join(_lines(kept, look_at(kept))))
        except StateError as error:
            print("  problem   see standard error")
            sys.stdout.flush()
            print(f"mcp-runtime: {error}", file=sys.stderr)
            code = ExitCode.UNEXPECTED
    print("\n".join(_seal_key(config)))
    return code


def _lines(kept: "KeptFile", found: "Checkup") -> list[str]:
    beside = [f"  beside    {name}, {size:,} bytes" for name, size in found.siblings]
    if found.bytes is None:
        return ["  none      the server makes it when there is something to keep", *beside]
    mark = f", application id {found.application_id:#x}" if found.application_id else ""
    lines = [
        f"  intact    schema {found.schema_version}{mark}",
        f"  holds     {found.count:,} {kept.counted}, {found.bytes:,} bytes",
        *(
            f"  fills     {held:,} of {one.bound:,} {one.counted}"
            for one, held in zip(kept.measures, found.measured, strict=False)
        ),
        *beside,
    ]
    if found.is_open:
        lines.append(f"  open      by process {found.holder}" if found.holder else "  open      by another process")
    return lines


def _seal_key(config: "Config") -> list[str]:
    if config.seal.keys:
        return ["seal.keys", f"  intact    {len(config.seal.keys)} from the configuration"]
    from mcp_runtime.state.seal.key_store import FILE_NAME

    path = _directory(config) / FILE_NAME
    try:
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return [str(path), "  none      the server makes it when it seals something for the first time"]
    return [str(path), f"  made      {made:%Y-%m-%d %H:%M:%S} UTC; what was sealed before opens no more"]


def _reset(args: argparse.Namespace, config: "Config") -> ExitCode:
    from mcp_runtime.config import ConfigError
    from mcp_runtime.state.checkup import reset

    kept = _kept(config).get("ledger" if args.ledger else "state")
    if kept is None:
        fix = "install a distribution that has the package mcp_bridges"
        raise ConfigError("command line", "--ledger", "there are no bridges, and so no ledger", fix)
    moved = reset(kept)
    if not moved:
        print(f"There is nothing at {kept.path}.")
        return ExitCode.OK
    print("\n".join([f"Moved {kept.path} aside:", *(f"  {one}" for one in moved), f"Lost with it: {kept.lost}."]))
    print("To take it back, stop the server and move all of them to their old names.")
    return ExitCode.OK


_SUBCOMMANDS: Final[Mapping[str, Callable[[argparse.Namespace, "Config"], ExitCode]]] = {
    "check": _check,
    "reset": _reset,
}


def _kept(config: "Config") -> "Mapping[str, KeptFile]":
    """The files that a server keeps, by the name of what is in them; the ledger only where there are bridges."""
    from mcp_runtime.config.bridge_loading import BridgesMissing, from_bridges
    from mcp_runtime.state.checkup import KeptFile, Measure
    from mcp_runtime.state.engines import FILE_NAME
    from mcp_runtime.state.sqlite_schema import APPLICATION_ID, SCHEMA_VERSION

    limits = config.limits
    kept = {
        "state": KeptFile(
            path=_directory(config) / FILE_NAME,
            schema_version=SCHEMA_VERSION,
            application_id=APPLICATION_ID,
            counted="sessions",
            counting="SELECT entries FROM size",
            lost="the log levels and subscriptions that sessions changed, and which of them were ended",
            reset_command="mcp-runtime state reset",
            measures=(
                Measure(query="SELECT entries FROM size", counted="values", bound=limits.max_state_entries),
                Measure(query="SELECT bytes FROM size", counted="bytes", bound=config.state.max_bytes),
                Measure(query="SELECT ends FROM size", counted="ended sessions", bound=limits.max_ended_sessions),
            ),
        )
    }
    try:
        path_of = from_bridges("deprecation.ledger.ledger", "ledger_path")
        version = from_bridges("deprecation.ledger.schema", "VERSION")
    except BridgesMissing:
        return kept
    kept["ledger"] = KeptFile(
        path=path_of(config),
        schema_version=version,
        application_id=None,
        counted="clients",
        counting="SELECT count(*) FROM client",
        lost="the evidence of which older clients were seen; a running server begins to gather it anew",
        reset_command="mcp-runtime state reset --ledger",
    )
    return kept


def _directory(config: "Config") -> Path:
    from mcp_runtime.config import default_state_directory

    return Path(config.state.directory) if config.state.directory else default_state_directory(os.environ)
