"""Tools for the soak. Rule: each answer says whose it is, and the process can be asked how many tasks it has.

Those that throw end as code that somebody else wrote may end: none of that may reach the process.
"""

import asyncio
import gc
from collections.abc import Callable, Mapping
from typing import Final

import anyio
import trio

from mcp_runtime import Context, Plugin

plugin = Plugin("soak")


class HomeMade(BaseException):
    """What a library derives from BaseException, so that nobody catches it."""


ENDINGS: Final[Mapping[str, Callable[[], BaseException]]] = {
    "asyncio.CancelledError": asyncio.CancelledError,
    "GeneratorExit": GeneratorExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(3),
    "StopAsyncIteration": StopAsyncIteration,
    "MemoryError": MemoryError,
    "HomeMade": HomeMade,
    "BaseExceptionGroup": lambda: BaseExceptionGroup("several", [HomeMade(), SystemExit(3), ValueError()]),
}


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


@plugin.tool
async def throw(what: str) -> str:
    """Raise it."""
    ending = ENDINGS[what]()
    raise ending


@plugin.tool
def throw_in_thread(what: str) -> str:
    """Raise it in a thread."""
    ending = ENDINGS[what]()
    raise ending


@plugin.tool
async def throw_in_task(what: str, context: Context) -> str:
    """Raise it in a task of its own, once the answer is a stream."""
    await context.progress(1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(throw, what)
    return "never"


@plugin.resource("soak://broken/{what}")
async def broken_page(what: str) -> str:
    """A page that raises it."""
    return await throw(what)


@plugin.prompt
async def broken_prompt(what: str) -> str:
    """Raise it."""
    return await throw(what)


@plugin.resource("soak://page")
async def page() -> str:
    """A page."""
    return "a page"


@plugin.tool
async def touch() -> str:
    """Say that the page reads differently now."""
    plugin.resource_updated("soak://page")
    return "touched"


@plugin.tool
async def speak(context: Context) -> str:
    """Send a log message of each of two levels."""
    await context.message("info", "info")
    await context.message("error", "error")
    return "spoken"
