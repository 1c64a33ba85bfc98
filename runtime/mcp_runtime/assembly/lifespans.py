"""The lifespans of plugins: each is entered, held open and left in a task of its own.

Rule: one that fails while the server runs cancels nothing else; whoever runs the server is told, and ends it in order.

In the task that serves, a nursery of an author's that dies would take all calls at work with it.

The start can be called off. Each lifespan is entered inside a cancel scope of its own, which stays open around it. So
the one that is starting is cancelled alone: those before it, and the tasks they run, see an end like any other.
"""

import inspect
import traceback
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import Context, copy_context
from typing import Any, Final, Protocol

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from mcp_runtime.authoring.declarations import Lifespan
from mcp_runtime.authoring.plugin import Plugin
from mcp_runtime.authoring.plugin_loading import LifespanError, PluginLoadError, cause_of, place_of
from mcp_runtime.authoring.registration.invocation import as_context_manager
from mcp_runtime.config import ConfigError

_UNSET: Final = object()


class StartCalledOff(Exception):  # nothing went wrong
    """A start that was called off: whoever started the server has asked it to end before it was up."""


class Start:
    """The start of one runtime. Rule: once it is called off, no more is started; what has started is left in order."""

    def __init__(self) -> None:
        self._entering: anyio.CancelScope | None = None
        self._is_called_off = False

    def call_off(self) -> None:
        """Cancel what is starting, and start no more. From a task of the same event loop; harmless once it is up."""
        self._is_called_off = True
        if self._entering is not None:
            self._entering.cancel()

    async def enter(self, lifespan: AbstractAsyncContextManager[object], stack: AsyncExitStack) -> None:
        """Enter `lifespan`, to be left with `stack`, whose block ends here without an exception if it is called off."""
        scope = self._entering = stack.enter_context(anyio.CancelScope())
        try:
            await self._leave_if_called_off(scope)
            await stack.enter_async_context(lifespan)
            await self._leave_if_called_off(scope)  # It may have waited in a thread, which cannot be cancelled.
        finally:
            self._entering = None

    async def _leave_if_called_off(self, scope: anyio.CancelScope) -> None:
        if self._is_called_off:
            scope.cancel()
            await anyio.lowlevel.checkpoint()


class Lifespans:
    """The lifespans of `plugins`, for one run of the server at a time."""

    def __init__(self, plugins: Sequence[Plugin[Any]]) -> None:
        self._plugins = plugins
        self._failures: list[LifespanError] = []
        self._failed = anyio.Event()

    @asynccontextmanager
    async def running(self, start: Start) -> AsyncGenerator[None, None]:
        """Enter them in order, and leave them in reverse at the end.

        Raises PluginLoadError for one that fails to start, or ConfigError where that is what it says; StartCalledOff
        where `start` was called off meanwhile; and in the end LifespanError for one that failed later.
        """
        self._failures, self._failed = [], anyio.Event()
        raised: BaseException | None = None
        is_called_off = True
        try:
            async with anyio.create_task_group() as tasks, AsyncExitStack() as stack:
                for plugin in self._plugins:
                    for factory in plugin.declared.lifespans:
                        await start.enter(_Held(plugin.name, factory, self._note).running(tasks), stack)
                is_called_off = False
                yield
        except (
            BaseExceptionGroup
        ) as group:  # The task group's own, around what was raised in here; its tasks raise nothing.
            raised = group.exceptions[0] if len(group.exceptions) == 1 else group
        else:
            raised = self._failures.pop(0) if self._failures else StartCalledOff() if is_called_off else None
        finally:
            for failure in self._failures:  # The server ends with something else.
                failure.log()
        if raised is not None:
            raise raised

    async def wait_failed(self) -> LifespanError:
        """Return once one of them has failed, unless it was to be left by then."""
        await self._failed.wait()
        return self._failures[0]

    def _note(self, failure: LifespanError, *, is_over: bool) -> None:
        """Keep a failure, of a server that `is_over` or that has to end because of it."""
        self._failures.append(failure)
        if not is_over:
            self._failed.set()


class _Note(Protocol):
    def __call__(self, failure: LifespanError, *, is_over: bool) -> None: ...


class _Held:
    """One lifespan of `plugin`, held open. `note` is told how it failed, unless it did so at the start."""

    def __init__(self, plugin: str, factory: Lifespan, note: _Note) -> None:
        self._plugin = plugin
        self._factory = factory
        self._note = note
        self._ready = anyio.Event()
        self._leave = anyio.Event()
        self._ended = anyio.Event()
        # What cancels the server cancels them one after the other: those that are left last may still be in use.
        self._scope = anyio.CancelScope(shield=True)
        self._context: Context | None = None
        self._error: BaseException | None = None

    @asynccontextmanager
    async def running(self, tasks: TaskGroup) -> AsyncGenerator[None, None]:
        """Hold it open in a task of its own for as long as the block runs."""
        try:
            tasks.start_soon(self.run)
            _adopt(await self.started())
            yield
        finally:
            await self.end()

    async def run(self) -> None:
        """Enter it, wait until it is to be left, and leave it. Raises nothing but what comes from outside."""
        try:
            with self._scope:
                async with as_context_manager(self._factory):
                    self._context = copy_context()
                    self._ready.set()
                    await self._leave.wait()
                if not self._leave.is_set():
                    self._note(self._failure("ended before the server did", None), is_over=False)
        except BaseException as error:  # an author's code, which may fail in any way
            from mcp_runtime.platform.interruptions import is_interruption

            if is_interruption(error):
                raise
            self._error = error
            if self._context is not None:
                is_over = self._leave.is_set()
                what = "failed at the end" if is_over else "failed while the server ran"
                self._note(self._failure(what, error), is_over=is_over)
        finally:
            self._ended.set()
            self._ready.set()

    async def started(self) -> Context:
        """Wait until it is entered. Returns the context variables that it has set."""
        await self._ready.wait()
        if self._context is not None:
            return self._context
        while (error := self._error) is None:
            await anyio.sleep_forever()  # It was interrupted, and so is this task in a moment.
        first = _first(error)
        if isinstance(first, ConfigError):
            raise first
        place = self._place(first, error)
        raise PluginLoadError(self._plugin, f"its lifespan failed: {cause_of(first)}", place) from error

    def _failure(self, what: str, error: BaseException | None) -> LifespanError:
        if error is None:
            return LifespanError(self._plugin, what, self._place(None))
        first = _first(error)
        failure = LifespanError(self._plugin, f"{what}: {cause_of(first)}", self._place(first, error))
        failure.__cause__ = error
        return failure

    def _place(self, *errors: BaseException | None) -> str | None:
        """The line in the file of the lifespan where the first of `errors` that came by there was; else any line."""
        code = getattr(inspect.unwrap(self._factory), "__code__", None)
        file = None if code is None else code.co_filename
        causes = [None if error is None else error.__cause__ for error in errors]
        for error in (*errors, *causes):
            if frames := _frames(error, file):
                return frames[-1]
        elsewhere = None if errors[0] is None else place_of(errors[0])
        return elsewhere or (None if code is None else f"{file}:{code.co_firstlineno}")

    async def end(self) -> None:
        """Leave it, and wait until that is done."""
        self._leave.set()
        try:
            await self._ended.wait()
        except anyio.get_cancelled_exc_class():
            self._scope.cancel()
            with anyio.CancelScope(shield=True):
                await self._ended.wait()
            raise


def _frames(error: BaseException | None, file: str | None) -> list[str]:
    """The lines of `file` that `error` came by, the last one last."""
    found: list[traceback.FrameSummary] = [] if error is None else traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno}" for frame in found if frame.filename == file]


def _first(error: BaseException) -> BaseException:
    """The first failure in `error`, which may be a group: an author may open a nursery."""
    from mcp_runtime.platform.interruptions import leaves_of

    cancelled = anyio.get_cancelled_exc_class()
    leaves = leaves_of(error)
    return next((leaf for leaf in leaves if not isinstance(leaf, cancelled)), leaves[0])


def _adopt(context: Context) -> None:
    """Take over what was set in another task: a lifespan may set context variables for the calls to come."""
    for variable, value in context.items():
        if variable.get(_UNSET) is not value:
            variable.set(value)
