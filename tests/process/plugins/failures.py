"""Functions that fail in every way there is, in every place there is. Rule: `KINDS` is the one list of ways.

A `kind` of "value" is no failure: so a test sees that the place is reached.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from typing import Annotated, Any, Final

import anyio
import trio
from pydantic import AfterValidator

from mcp_runtime import Context, Plugin, SyncContext, ToolError, ToolResult, run_asyncio

plugin = Plugin("failures")
CALM: Final = "value"
_released: Final[dict[str, anyio.Event]] = {}


class PanicException(BaseException):
    """As native modules written in Rust raise it."""


class SpeechlessError(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise PanicException("no text")

    __repr__ = __str__


class SpeechlessToolError(ToolError):
    """The model is to be told of it, and cannot."""

    def __str__(self) -> str:
        raise GeneratorExit


def _stray_cancellation() -> BaseException:
    """A cancellation of trio's that was over before it got here."""
    found: list[BaseException] = []

    async def wait() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as cancelled:
                found.append(cancelled)
                raise

    trio.run(wait)
    return found[0]


def _deep_group() -> BaseException:
    error: BaseException = PanicException("deep")
    for _ in range(3000):
        inside: list[BaseException] = [error]
        error = BaseExceptionGroup("one more", inside)
    return error


STRAY: Final = _stray_cancellation()

KINDS: Final[dict[str, Callable[[], BaseException]]] = {
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "asyncio.CancelledError": asyncio.CancelledError,
    "trio.Cancelled": lambda: STRAY,
    "PanicException": lambda: PanicException("index out of bounds"),
    "BaseException": lambda: BaseException("bare"),
    "StopIteration": lambda: StopIteration(5),
    "StopAsyncIteration": StopAsyncIteration,
    "group": lambda: BaseExceptionGroup("two", [KeyboardInterrupt(), ValueError("x")]),
    "nested_group": lambda: BaseExceptionGroup("a", [BaseExceptionGroup("b", [SystemExit(1), GeneratorExit()])]),
    "group_of_cancellations": lambda: BaseExceptionGroup("c", [STRAY, asyncio.CancelledError()]),
    "deep_group": _deep_group,
    "SpeechlessError": SpeechlessError,
    "SpeechlessToolError": SpeechlessToolError,
    "ValueError": lambda: ValueError("no such thing"),
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "TimeoutError": TimeoutError,
}


def fail(kind: str) -> str:
    """Fail in this way."""
    if kind == CALM:
        return CALM
    error = KINDS[kind]()
    raise error


async def fail_later(kind: str) -> str:
    """Fail in this way, once others had their turn."""
    await anyio.lowlevel.checkpoint()
    return fail(kind)


def say(line: str) -> None:
    """Tell the test."""
    os.write(2, f"probe: {line}\n".encode())


@plugin.tool
async def tool_async(kind: str) -> str:
    """Fail in the task of the call."""
    return await fail_later(kind)


@plugin.tool
def tool_sync(kind: str) -> str:
    """Fail in a thread."""
    return fail(kind)


@plugin.tool
async def tool_in_a_nursery(kind: str) -> str:
    """Fail beside something that waits."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, 0 if kind == CALM else 600)
        tasks.start_soon(fail_later, kind)
    return CALM


@plugin.tool
async def tool_with_context(kind: str, ctx: Context) -> str:
    """Fail after having reported progress."""
    await ctx.progress(1)
    return await fail_later(kind)


@plugin.tool
async def memo(kind: str, ctx: Context) -> str:
    """Fail in what is to be remembered."""
    return await ctx.memo("m", lambda: fail_later(kind))


@plugin.tool
def memo_in_a_thread(kind: str, ctx: SyncContext) -> str:
    """Fail in what is to be remembered."""
    return ctx.memo("m", lambda: fail(kind))


@plugin.tool
async def on_the_asyncio_thread(kind: str) -> str:
    """Fail on the loop for asyncio libraries."""
    return await run_asyncio(fail_later, kind)


@plugin.tool
async def in_a_task_of_the_asyncio_thread(kind: str) -> str:
    """Fail in a task that a library starts beside."""

    async def beside() -> str:
        task = asyncio.ensure_future(fail_later(kind))
        return await task

    return await run_asyncio(beside)


@plugin.tool
async def while_it_ends(kind: str) -> str:
    """Fail in the clean-up of a generator."""

    async def numbers() -> AsyncGenerator[int]:
        try:
            yield 1
        finally:
            fail(kind)

    generator = numbers()
    await anext(generator)
    await generator.aclose()
    return CALM


class Zone(tzinfo):
    """A time zone that fails when it is asked."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def utcoffset(self, dt: datetime | None, /) -> timedelta:
        del dt
        fail(self._kind)
        return timedelta(0)

    def dst(self, dt: datetime | None, /) -> timedelta:
        del dt
        return timedelta(0)

    def tzname(self, dt: datetime | None, /) -> str:
        del dt
        return "Z"


@plugin.tool
async def value_of_a_result(kind: str) -> ToolResult:
    """Fail while the result is written."""
    return ToolResult(content=[CALM], structured_content={"at": datetime(2026, 1, 1, tzinfo=Zone(kind))})


class Lazy:
    """A value that pydantic takes for a generator's."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __str__(self) -> str:
        return fail(self._kind)

    __repr__ = __str__


@plugin.tool
async def value_of_a_log_event(kind: str, ctx: Context) -> str:
    """Log what cannot be written."""
    ctx.log.info("seen", value=Lazy(kind), inner={Lazy(kind): 1})
    return CALM


@plugin.tool
async def generator_as_a_result(kind: str) -> Any:
    """Fail while the items of the result are read."""
    return (fail(kind) for _ in range(1))


def _checked(value: str) -> str:
    return fail(value)


@plugin.tool
async def validator_of_an_argument(kind: Annotated[str, AfterValidator(_checked)]) -> str:
    """Fail before it is called."""
    return kind


@plugin.tool
async def open_scope(kind: str) -> str:
    """Enter a scope and never leave it."""
    del kind
    trio.CancelScope().__enter__()
    return CALM


@plugin.tool
async def generator_left_early(kind: str) -> str:
    """Leave a generator in the middle of a scope that it has entered."""
    del kind

    async def numbers() -> AsyncGenerator[int]:
        with anyio.fail_after(600):
            yield 1
            yield 2

    async for _ in numbers():
        break
    return CALM


@plugin.resource("failures://one/SystemExit")
async def resource_of_one() -> str:
    """Fail where there are no variables."""
    sys.exit(3)


@plugin.resource("failures://async/{kind}")
async def resource_async(kind: str) -> str:
    """Fail in a template."""
    return await fail_later(kind)


@plugin.resource("failures://sync/{kind}")
def resource_sync(kind: str) -> str:
    """Fail in a template, in a thread."""
    return fail(kind)


@plugin.prompt
async def prompt_async(kind: str) -> str:
    """Fail in a prompt."""
    return await fail_later(kind)


@plugin.prompt
def prompt_sync(kind: str) -> str:
    """Fail in a prompt, in a thread."""
    return fail(kind)


@plugin.completion(prompt="prompt_async", argument="kind")
async def completion(value: str) -> list[str]:
    """Fail in a completion."""
    return [await fail_later(value)]


@plugin.completion(resource="failures://async/{kind}", argument="kind")
def completion_in_a_thread(value: str) -> list[str]:
    """Fail in a completion, in a thread."""
    return [fail(value)]


@plugin.tool
async def hold(name: str) -> str:
    """Wait until `release` is called with the same name."""
    say(f"{name} started")
    await _released.setdefault(name, anyio.Event()).wait()
    return f"{name} was released"


@plugin.tool
async def release(name: str) -> str:
    """Let the call that holds this name finish."""
    _released.pop(name).set()
    return "released"


@plugin.tool
async def linger() -> str:
    """Take a while."""
    say("linger started")
    await anyio.sleep(0.5)
    return "done"


_tell: Final[list[Callable[[str], None]]] = []


@plugin.tool
async def fail_in_background(kind: str) -> str:
    """Have the background task of the lifespan fail."""
    _tell[0](kind)
    return "told"


async def _background(events: Any) -> None:
    async for kind in events:
        fail(kind)


@plugin.lifespan
async def lifespan() -> AsyncGenerator[None]:
    """Fail where the environment says so."""
    if kind := os.environ.get("FAILURES_START"):
        fail(kind)
    sending, receiving = anyio.create_memory_object_stream[str](8)
    _tell[:] = [sending.send_nowait]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_background, receiving)
        with suppress(anyio.ClosedResourceError):
            yield
        tasks.cancel_scope.cancel()
    say("lifespan left")
    if kind := os.environ.get("FAILURES_END"):
        fail(kind)
