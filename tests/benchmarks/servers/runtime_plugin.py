"""The measured tools as a plugin. Rule: what every peer serves, and BENCH_TOOLS more of the same where that is set."""

import os

from mcp_runtime import Context, Plugin

plugin = Plugin("bench")


@plugin.tool
async def echo(text: str) -> str:
    """Say it back."""
    return text


@plugin.tool
async def count(times: int, context: Context) -> str:
    """Report progress so many times."""
    for number in range(1, times + 1):
        await context.progress(number, times)
    return "done"


for extra in range(int(os.environ.get("BENCH_TOOLS", "0"))):
    plugin.tool(name=f"echo_{extra}")(echo)
