"""Tools for the soak. Rule: each answer says whose it is, and the process can be asked how many tasks it has."""

import gc

import anyio
import trio

from mcp_runtime import Context, Plugin

plugin = Plugin("soak")


@plugin.tool
async def echo(text: str) -> str:
    """Say it back."""
    return text


@plugin.tool
async def count(times: int, pause_s: float, context: Context) -> str:
    """Report progress so many times, with a pause before each."""
    for number in range(1, times + 1):
        await anyio.sleep(pause_s)
        await context.progress(number, times)
    return "done"


@plugin.tool
async def tasks() -> str:
    """How many tasks there are, once what nobody refers to is gone."""
    # Cycles wait for the collector's third generation, which may be minutes away: they are late, and no leak.
    gc.collect()
    return str(trio.lowlevel.current_statistics().tasks_living)
