"""The invocation of an author's function.

Rule: async ones run in the task of their request, plain ones in a worker thread.

A thread cannot be interrupted: when the call is cancelled the thread is left to finish and what it returns is dropped.
"""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from mcp_runtime.authoring.declarations import Lifespan
from mcp_runtime.authoring.registration.threads import Threads
from mcp_runtime.core.calls.call import Call
from mcp_runtime.core.calls.errors import PluginError
from mcp_runtime.core.handlers.context import Context, call_of
from mcp_runtime.core.handlers.sync_context import SyncContext

Invoke = Callable[[Any, Any], Awaitable[Any]]
"""Calls a function with its arguments and the call's Context (or the Call, where the function takes none), and waits
for what it returns."""


def invoker(fn: Callable[..., Any], *, is_async: bool, context_parameter: str | None, threads: Threads) -> Invoke:
    """The Invoke of `fn` with keyword arguments; `threads` bounds how many plain functions run at once."""
    if is_async:
        if context_parameter is None:
            return lambda arguments, _: fn(**arguments)
        return lambda arguments, context: fn(**arguments, **{context_parameter: context})

    async def in_thread(arguments: dict[str, Any], context: Any) -> Any:
        client = _client_of(context)
        if context_parameter is not None:
            arguments = {**arguments, context_parameter: SyncContext(context)}
        return await threads.run(client, partial(fn, **arguments))

    return in_thread


def positional_invoker(fn: Callable[..., Any], *, is_async: bool, threads: Threads) -> Invoke:
    """The Invoke of `fn`, which takes no context, with a tuple of arguments: to name them costs as much as to call."""
    if is_async:
        return lambda values, _: fn(*values)

    async def in_thread(values: tuple[Any, ...], caller: Call | Context) -> Any:
        return await threads.run(_client_of(caller), fn, *values)

    return in_thread


def _client_of(caller: Call | Context) -> str | None:
    call = caller if isinstance(caller, Call) else call_of(caller)
    return call.share_key


def as_context_manager(factory: Lifespan) -> AbstractAsyncContextManager[Any]:
    """A plugin's lifespan as a context manager, whether it was written as one or as an async generator."""
    if inspect.isasyncgenfunction(factory):
        return asynccontextmanager(factory)()
    made = factory()
    if not isinstance(made, AbstractAsyncContextManager):
        raise PluginError(f"a lifespan is an async generator or an async context manager, not {type(made).__name__}")
    return made
