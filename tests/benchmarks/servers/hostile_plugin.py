"""Tools for hostile clients, and one for the honest one. Rule: each costs the client little, and gives it much to hold."""

import time
from dataclasses import dataclass
from typing import Final

from mcp_runtime import Context, Plugin

plugin = Plugin("hostile")
_LARGE: Final = "x" * 4 * 2**20


@dataclass
class Who:
    """The form that nobody fills in."""

    name: str


@plugin.tool
async def echo(text: str) -> str:
    """Say it back."""
    return text


@plugin.tool
async def large() -> str:
    """Answer with 4 MiB."""
    return _LARGE


@plugin.tool
async def flood(times: int, context: Context) -> str:
    """Report progress so many times, without a pause."""
    for number in range(1, times + 1):
        await context.progress(number, times)
    return "done"


@plugin.tool
async def ask(context: Context) -> str:
    """Ask the user for a name."""
    return str(await context.elicit("Who are you?", Who))


@plugin.tool
def block(seconds: float) -> str:
    """Hold a worker thread."""
    time.sleep(seconds)
    return "done"
