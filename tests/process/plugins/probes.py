"""Tools that misbehave on purpose, and say on stderr how far they got.

Rule: what a test waits for is a line that is written when it happens.
"""

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from mcp_runtime import Context, Plugin, SyncContext

print("noise: printed on import")
os.write(1, b"noise: written to fd 1 on import\n")

plugin = Plugin("probes")
_released: Final[dict[str, anyio.Event]] = {}


@dataclass
class Who:
    """What `ask` wants to know."""

    name: str


def say(line: str) -> None:
    """Tell the test."""
    os.write(2, f"probe: {line}\n".encode())


@plugin.lifespan
async def lifespan() -> AsyncGenerator[None]:
    if fifo := os.environ.get("PROBES_START_FIFO"):
        say("lifespan waits")
        await anyio.to_thread.run_sync(_read_all, fifo)
    if os.environ.get("PROBES_START_FAILS"):
        raise RuntimeError("no database today")
    say("lifespan entered")
    try:
        yield
    finally:
        say("lifespan left")


@plugin.tool
async def echo(text: str) -> str:
    """Return the text."""
    return text


@plugin.tool
async def hold(name: str) -> str:
    """Wait until `release` is called with the same name."""
    event = _released.setdefault(name, anyio.Event())
    say(f"{name} started")
    try:
        await event.wait()
    except anyio.get_cancelled_exc_class():
        say(f"{name} cancelled")
        raise
    say(f"{name} finished")
    return f"{name} was released"


@plugin.tool
async def hold_on(name: str, ctx: Context) -> str:
    """Report progress, then wait for good."""
    await ctx.progress(1)
    say(f"{name} started")
    try:
        await anyio.sleep_forever()
    finally:
        say(f"{name} cancelled")
    return "never"


@plugin.tool
async def ask(name: str, ctx: Context) -> str:
    """Ask for a name, and greet."""
    say(f"{name} asked")
    answer = await ctx.elicit("Who are you?", Who)
    return f"Hello, {answer.data.name}!"


@plugin.tool
async def release(name: str) -> str:
    """Let the call that holds this name finish."""
    _released.pop(name).set()
    return "released"


@plugin.tool
def hold_until_told(name: str, fifo: str) -> str:
    """Wait until somebody has written to a named pipe."""
    say(f"{name} started")
    return _read_all(fifo).decode()


@plugin.tool
def hold_until_told_in_context(name: str, fifo: str, ctx: SyncContext) -> str:
    """Report progress, then wait until somebody has written to a named pipe."""
    ctx.progress(1)
    say(f"{name} started")
    return _read_all(fifo).decode()


def _read_all(path: str) -> bytes:
    return Path(path).read_bytes()


@plugin.tool
async def linger(seconds: float) -> str:
    """Take this long."""
    say("linger started")
    await anyio.sleep(seconds)
    return "done"


@plugin.tool
def block(name: str) -> str:
    """Block a thread for good."""
    say(f"{name} started")
    threading.Event().wait()
    return "never"


@plugin.tool
def block_in_context(name: str, ctx: SyncContext) -> str:
    """Report progress, then block a thread for good."""
    ctx.progress(1)
    say(f"{name} started")
    threading.Event().wait()
    return "never"


@plugin.tool
async def make_noise() -> str:
    """Write to standard output in every way there is."""
    print("noise: print")
    sys.stdout.write("noise: sys.stdout\n")
    sys.stdout.flush()
    os.write(1, b"noise: fd 1\n")
    libc = ctypes.CDLL(None)
    libc.puts(b"noise: puts")
    libc.fflush(None)
    subprocess.run(["echo", "noise: child"], check=True)
    child = subprocess.run(["cat"], check=True, capture_output=True)
    return f"the child read {len(child.stdout)} bytes"


@plugin.tool
async def big(size_bytes: int) -> str:
    """Return a text of this length."""
    return "x" * size_bytes


@plugin.tool
async def flood(name: str, size_bytes: int, ctx: Context) -> str:
    """Report progress for ever, each time with a message of this length."""
    say(f"{name} started")
    try:
        for done in range(1_000_000_000):
            await ctx.progress(done, message="x" * size_bytes)
    except anyio.get_cancelled_exc_class():
        say(f"{name} cancelled")
        raise
    return "never"


@plugin.tool
async def count_up(times: int, ctx: Context) -> str:
    """Report progress some times."""
    for done in range(1, times + 1):
        await ctx.progress(done, times)
    return "counted"


@plugin.tool
async def loaded_modules() -> list[str]:
    """Name the top-level modules that this process has imported, and every one of the bridges."""
    return sorted({name if name.startswith("mcp_bridges.") else name.partition(".")[0] for name in sys.modules})


async def _extra() -> str:
    """Be there or not."""
    return "extra"


@plugin.tool
async def change_tools() -> str:
    """Change the list of tools."""
    try:
        plugin.remove_tool("_extra")
    except KeyError:
        plugin.add_tool(_extra)
    return "changed"


@plugin.tool
async def update_often(uri: str, times: int) -> str:
    """Say that a resource was updated, often, without letting anything else happen in between."""
    for _ in range(times):
        plugin.resource_updated(uri)
    return "updated"


@plugin.tool
async def update_many(uris: list[str], rounds: int) -> str:
    """Say that resources were updated, again and again, while those who listen are told."""
    for _ in range(rounds):
        for uri in uris:
            plugin.resource_updated(uri)
        await anyio.sleep(0.001)
    return "updated"
