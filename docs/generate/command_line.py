"""The page of commands, read off the argument parser. Rule: every command and option of the parser, and no other."""

import argparse
from collections.abc import Mapping
from typing import Any, Final, cast

from docs.generate import markdown
from docs.generate.markdown import code, plain, table
from mcp_runtime.cli.parser import build_parser

_AFTER: Final = """
`--config` may be left out: see [which file](configuration.md). Options override the environment and the file.
What a command was asked for goes to standard output; everything else goes to standard error. See
[Exit codes](exit-codes.md).

`python -m mcp_runtime.cli` is the same command.
"""


def commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The parsers of the commands and of their subcommands, by what is written on the command line."""
    found = [action.choices for action in _actions(parser) if _has_commands(action)]
    direct = cast("Mapping[str, argparse.ArgumentParser]", found[0] if found else {})
    return {name: one for command, parser in direct.items() for name, one in _with_subcommands(command, parser)}


def _with_subcommands(name: str, parser: argparse.ArgumentParser) -> list[tuple[str, argparse.ArgumentParser]]:
    return [(name, parser), *((f"{name} {inner}", one) for inner, one in commands(parser).items())]


def _has_commands(action: Any) -> bool:
    return isinstance(action.choices, dict)


def _actions(parser: argparse.ArgumentParser) -> list[Any]:
    return list(cast("Any", parser)._actions)  # noqa: SLF001  # argparse has no public way to see them


def options(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """Options and arguments with their help, those of subcommands left out."""
    return [(_shown(action), plain(action.help or "")) for action in _actions(parser) if not _has_commands(action)]


def _shown(action: Any) -> str:
    if action.nargs == 0:
        return ", ".join(code(option) for option in action.option_strings)
    choices = list(action.choices or ())
    value = str(action.metavar or "{" + ",".join(map(str, choices)) + "}")
    if not action.option_strings:
        return code(f"[{value}]" if action.nargs == "?" else value)
    return ", ".join(code(f"{option} {value}") for option in action.option_strings)


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    text, _, examples = (parser.description or "").strip().partition("\n\n  ")
    blocks = [f"## `mcp-runtime {name}`", plain(text)]
    if examples:
        blocks.append(f"```text\n{_dedent('  ' + examples)}\n```")
    return "\n\n".join([*blocks, table(["Option", "Meaning"], options(parser))])


def _dedent(text: str) -> str:
    return "\n".join(line.removeprefix("  ").rstrip() for line in text.splitlines())


def page() -> str:
    """The text of the page."""
    parser = build_parser()
    blocks = [_command(name, one) for name, one in commands(parser).items()]
    return markdown.page(
        "Command line",
        parser.description or "",
        table(["Option", "Meaning"], options(parser)),
        _AFTER,
        *blocks,
    )
