"""The measured tool, and a mark for callgrind. Rule: `mark` calls a function of the C library that nothing else does."""

import os

from mcp_runtime import Plugin

plugin = Plugin("counted")


@plugin.tool
async def echo(text: str) -> str:
    """Say it back."""
    return text


@plugin.tool
async def mark() -> str:
    """Call `getloadavg`: callgrind is told to write its counts down before that, and to begin anew."""
    os.getloadavg()
    return "marked"
