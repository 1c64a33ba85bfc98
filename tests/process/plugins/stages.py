"""A plugin whose start stands still where a test says, and tells on stderr that it does.

Rule: STAGES_IMPORT and STAGES_LIFESPAN name the place; what stands still there never goes on by itself.
"""

import ctypes
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from mcp_runtime import Plugin

plugin = Plugin("stages")


def say(line: str) -> None:
    """Tell the test."""
    os.write(2, f"probe: {line}\n".encode())


def _lock_twice() -> None:
    """Block in C for good: unlike a read or a sleep, a mutex goes on waiting after a signal."""
    libc = ctypes.CDLL(None)
    mutex = ctypes.create_string_buffer(128)  # PTHREAD_MUTEX_INITIALIZER is zeros
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


def _swallow() -> None:
    with suppress(BaseException):
        threading.Event().wait()


IMPORTS: Final[Mapping[str, Callable[[], object]]] = {
    "sleeps": lambda: time.sleep(600),
    "waits": lambda: threading.Event().wait(),
    "blocks in C": _lock_twice,
    "swallows": _swallow,
}

place = os.environ.get("STAGES_IMPORT")
if place is not None:
    say("importing")
    IMPORTS[place]()
    say("imported")


async def _wait_in_a_thread() -> None:
    await anyio.to_thread.run_sync(threading.Event().wait)


async def _wait_for_fifo() -> None:
    await anyio.to_thread.run_sync(Path(os.environ["STAGES_FIFO"]).read_bytes)


async def _block_the_loop() -> None:
    time.sleep(600)  # noqa: ASYNC251  # as authors do


LIFESPANS: Final = {
    "waits": anyio.sleep_forever,
    "waits in a thread": _wait_in_a_thread,
    "blocks the loop": _block_the_loop,
    "until told": _wait_for_fifo,
}


@plugin.lifespan
async def first() -> AsyncGenerator[None]:
    """Leave something to do at the end, which a task of its own does."""
    send, receive = anyio.create_memory_object_stream[str](0)

    async def work() -> None:
        async with receive:
            async for line in receive:
                say(line)

    async with anyio.create_task_group() as tasks, send:
        tasks.start_soon(work)
        say("first entered")
        yield
        await send.send("first left in order")


@plugin.lifespan
async def second() -> AsyncGenerator[None]:
    """Stand still."""
    place = os.environ.get("STAGES_LIFESPAN")
    if place is not None:
        say("second waits")
        await LIFESPANS[place]()
    say("second entered")
    yield


@plugin.lifespan
async def third() -> AsyncGenerator[None]:
    """Say that the start went on."""
    say("third entered")
    yield
