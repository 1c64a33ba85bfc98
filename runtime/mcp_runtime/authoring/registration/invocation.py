"""The invocation of an author's function.

Rule: async ones run in the task of their request, plain ones in a worker thread.

A thread cannot be interrupted: when the call is cancelled the thread is left to finish and what it returns is dropped.
"""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import anyio.to_thread

from mcp_runtime.authoring.declarations import Lifespan
from mcp_runtime.core.calls.errors import PluginError
from mcp_runtime.core.handlers.context import Context
from mcp_runtime.core.handlers.sync_context import SyncContext

Invoke = Callable[[Any, Any], Awaitable[Any]]
"""Calls a function with its arguments and the call's Context (anything, where the function takes none), and waits for
what it returns."""


def invoker(
    fn: Callable[..., Any], *, is_async: bool, context_parameter: str | None, threads: anyio.CapacityLimiter
) -> Invoke:
    """The Invoke of `fn` with keyword arguments; `threads` bounds how many plain functions run at once."""
    if is_async:
        if context_parameter is None:
            return lambda arguments, _: fn(**arguments)
        return lambda arguments, context: fn(**arguments, **{context_parameter: context})

    async def in_thread(arguments: dict[str, Any], context: Context) -> Any:
        if context_parameter is not None:
            arguments = {**arguments, context_parameter: SyncContext(context)}
        return await _in_thread(threads, partial(fn, **arguments))

    return in_thread


def positional_invoker(fn: Callable[..., Any], *, is_async: bool, threads: anyio.CapacityLimiter) -> Invoke:
    """The Invoke of `fn`, which takes no context, with a tuple of arguments: to name them costs as much as to call."""
    if is_async:
        return lambda values, _: fn(*values)

    async def in_thread(values: tuple[Any, ...], _: object) -> Any:
        return await _in_thread(threads, fn, *values)

    return in_thread


async def _in_thread(threads: anyio.CapacityLimiter, fn: Callable[..., Any], *values: Any) -> Any:
    """Run `fn` in a thread, and return or raise as it does.

    asyncio takes some errors out of a thread for its own, a GeneratorExit for one: so they travel as values.
    """
    value, error = await anyio.to_thread.run_sync(_outcome, fn, values, abandon_on_cancel=True, limiter=threads)
    if error is None:
        return value
    try:
        raise error
    finally:
        del error  # It holds this frame.


def _outcome(fn: Callable[..., Any], values: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    try:
        return fn(*values), None
    except BaseException as error:  # noqa: BLE001  # `_in_thread` raises it
        return None, error


def as_context_manager(factory: Lifespan) -> AbstractAsyncContextManager[Any]:
    """A plugin's lifespan as a context manager, whether it was written as one or as an async generator."""
    if inspect.isasyncgenfunction(factory):
        return asynccontextmanager(factory)()
    made = factory()
    if not isinstance(made, AbstractAsyncContextManager):
        raise PluginError(f"a lifespan is an async generator or an async context manager, not {type(made).__name__}")
    return made
