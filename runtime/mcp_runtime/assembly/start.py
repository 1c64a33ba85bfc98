"""The start of a server, as something that can be called off. Rule: what has started by then is left in order.

Each lifespan is entered inside a cancel scope of its own, which stays open around it. So the one that is starting is
cancelled alone: those before it, and the tasks they run, see an end like any other.
"""

from contextlib import AbstractAsyncContextManager, AsyncExitStack

import anyio
import anyio.lowlevel


class StartCalledOff(Exception):  # nothing went wrong
    """Whoever started the server has asked it to end before it was up."""


class Start:
    """The start of one runtime."""

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
