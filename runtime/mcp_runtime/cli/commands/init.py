"""The command `mcp-runtime init`. Rule: it never overwrites, and what it writes works right away."""

import argparse
from pathlib import Path
from typing import Final

from mcp_runtime.cli.exit_codes import ExitCode
from mcp_runtime.platform.standard_streams import say

DESCRIPTION: Final = """\
Write config.toml, with every key and what it means, and my_tools.py, a plugin to change.

Files that are there already stay as they are, and then nothing is written.
"""
CONFIG_NAME: Final = "config.toml"
PLUGIN_NAME: Final = "my_tools.py"

PLUGIN_TEXT: Final = '''\
"""My first plugin. Serve it with `mcp-runtime serve`, see what it offers with `mcp-runtime tools`."""

from typing import Annotated

from pydantic import Field

from mcp_runtime import Context, Plugin, ToolError

plugin = Plugin("my_tools", instructions="Small text tools, to try things out.")


@plugin.tool
def count_words(text: Annotated[str, Field(description="Any text.")]) -> dict[str, int]:
    """Count the words and letters of a text."""
    return {"words": len(text.split()), "letters": sum(letter.isalpha() for letter in text)}


@plugin.tool
async def shout(text: str, ctx: Context, times: Annotated[int, Field(ge=1, le=10)] = 1) -> str:
    """Say something loudly."""
    if not text.strip():
        raise ToolError("There is nothing to shout; give some text.")
    for done in range(times):
        await ctx.progress(done, times)
    return " ".join([text.upper() + "!"] * times)


@plugin.resource("greeting://{name}")
def greeting(name: str) -> str:
    """A greeting for somebody."""
    return f"Hello, {name}!"


@plugin.prompt
def review(code: str) -> str:
    """Ask for a review of a piece of code."""
    return f"Review this code. Name the three changes that matter most:\\n\\n{code}"
'''


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder to write to."""
    parser.add_argument("directory", metavar="DIR", nargs="?", type=Path, default=Path(), help="default: here")


def run(args: argparse.Namespace) -> ExitCode:
    """Write the two files."""
    from mcp_runtime.config.template import render

    directory: Path = args.directory
    texts = {
        CONFIG_NAME: render({"http.bind": ("127.0.0.1:8000",), "plugins.load": (PLUGIN_NAME,)}),
        PLUGIN_NAME: PLUGIN_TEXT,
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        there = [str(directory / name) for name in texts if (directory / name).exists()]
        if there:
            say(f"mcp-runtime: {' and '.join(there)} would be overwritten; nothing was written")
            return ExitCode.UNEXPECTED
        for name, text in texts.items():
            (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        say(f"mcp-runtime: cannot write to {directory}: {error.strerror or error}")
        return ExitCode.UNEXPECTED
    print(_next_steps(directory))
    return ExitCode.OK


def _next_steps(directory: Path) -> str:
    change = "" if directory == Path() else f"  cd {directory}\n"
    return (
        f"Wrote {directory / CONFIG_NAME} and {directory / PLUGIN_NAME}. Now:\n"
        f"{change}"
        "  mcp-runtime check    see that all is well\n"
        "  mcp-runtime serve    serve it on http://127.0.0.1:8000/mcp"
    )
