"""The command `mcp-runtime completion`. Rule: what a shell completes is read off the parser, and never out of date."""

import argparse
from typing import Any, Final, cast

from mcp_runtime.cli.exit_codes import ExitCode

DESCRIPTION: Final = """\
Print a script that lets your shell complete commands, options and files.

  bash   mcp-runtime completion bash > ~/.local/share/bash-completion/completions/mcp-runtime
  zsh    mcp-runtime completion zsh > "${fpath[1]}/_mcp-runtime"
  fish   mcp-runtime completion fish > ~/.config/fish/completions/mcp-runtime.fish
  tcsh   mcp-runtime completion tcsh > ~/.mcp-runtime.csh, and source that in ~/.tcshrc
"""
SHELLS: Final = ("bash", "zsh", "fish", "tcsh")
_FILES: Final = frozenset({"--config", "--plugin"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shell to write for."""
    parser.add_argument("shell", choices=SHELLS, help="the shell to write for")


def run(args: argparse.Namespace) -> ExitCode:
    """Print the script."""
    import shtab

    from mcp_runtime.cli.parser import build_parser

    parser = build_parser()
    _complete_files(parser, shtab.FILE, shtab.DIRECTORY)
    print(shtab.complete(parser, shell=args.shell))
    return ExitCode.OK


def _complete_files(parser: argparse.ArgumentParser, file: Any, directory: Any) -> None:
    """Mark the options that take a file, in `parser` and the parsers of its commands."""
    for action in cast("list[Any]", parser._actions):  # noqa: SLF001  # argparse has no public way to see them
        if _FILES.intersection(action.option_strings):
            action.complete = file
        elif action.metavar == "DIR":
            action.complete = directory
        elif isinstance(commands := action.choices, dict):
            for command in cast("dict[str, argparse.ArgumentParser]", commands).values():
                _complete_files(command, file, directory)
