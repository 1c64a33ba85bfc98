"""Tools that do their work in child processes. Rule: what a child runs, takes and returns is of this very file."""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_process
import anyio.to_thread

from mcp_runtime import Plugin

from .beside import double  # a file beside this one

plugin = Plugin("children")


def say(line: str) -> None:
    """Write to standard output in two ways."""
    process = multiprocessing.current_process().name
    print(f"noise: {line} in {process}", flush=True)
    if process != "MainProcess":  # anyio's workers have a protocol of their own there
        os.write(1, f"noise: fd 1, {line} in {process}\n".encode())


say("imported")


@dataclass
class Job:
    """What is handed to a child."""

    number: int


@dataclass
class Done:
    """What comes back."""

    number: int
    pid: int


class OddError(Exception):
    """What a child fails with."""


def work(job: Job) -> Done:
    """Run in a child."""
    say("at work")
    if job.number % 2:
        raise OddError(job.number)
    return Done(double(job.number), os.getpid())


def _in_pool(method: str, number: int) -> str:
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            done = pool.submit(work, Job(number)).result()
        except OddError as error:
            return f"odd: {error.args[0]}"
    assert type(done) is Done
    assert done.pid != os.getpid()
    return str(done.number)


@plugin.tool
async def in_pool(method: str, number: int) -> str:
    """Double a number in a pool of processes that start in this way."""
    return await anyio.to_thread.run_sync(_in_pool, method, number)


def _tell(queue: "multiprocessing.SimpleQueue[Done]", number: int) -> None:
    queue.put(work(Job(number)))


def _in_process(method: str, number: int) -> str:
    context: Any = multiprocessing.get_context(method)  # typeshed gives the class of all of them no Process
    queue = context.SimpleQueue()
    process = context.Process(target=_tell, args=(queue, number))
    process.start()
    done: Done = queue.get()
    process.join()
    return str(done.number)


@plugin.tool
async def in_process(method: str, number: int) -> str:
    """Double a number in one process that starts in this way."""
    return await anyio.to_thread.run_sync(_in_process, method, number)


@plugin.tool
async def in_anyio(number: int) -> str:
    """Double a number in a worker process of anyio's."""
    return str((await anyio.to_process.run_sync(work, Job(number))).number)


@plugin.tool
def fork_one_that_stays(seconds: float) -> int:
    """Leave a forked child behind."""
    pid = os.fork()
    if pid == 0:
        time.sleep(seconds)
        os._exit(0)
    return pid
