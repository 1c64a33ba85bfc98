"""Libraries that only know asyncio, from handlers on any loop.

Rule: one asyncio loop in one thread, for the whole process.

So that a client object made in one call can be used in the next: it always meets the loop it was made on.
"""

import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, TypeVarTuple, Unpack

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from anyio.lowlevel import EventLoopToken, current_token

if TYPE_CHECKING:  # half of a stdio server's other imports together; most plugins never need it
    import asyncio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_CLEAN_UP_S: Final = 5.0
"""How long a cancelled coroutine may take to end; after that its caller goes on without it."""


class AsyncioThread:
    """A thread with an asyncio loop. It starts with the first `run` and stops when the last user leaves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._opened: AbstractContextManager[BlockingPortal] | None = None
        self._portal: BlockingPortal | None = None

    @contextmanager
    def in_use(self) -> Generator[None, None, None]:
        """Keep the thread, once it has started, for as long as the block runs."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                opened, portal = (None, None) if self._users else (self._opened, self._portal)
                if opened is not None:
                    self._opened = self._portal = None
            if opened is not None and portal is not None:
                portal.call(partial(portal.stop, cancel_remaining=True))
                opened.__exit__(None, None, None)

    def _open(self) -> "asyncio.AbstractEventLoop":
        import asyncio

        with self._lock:
            if self._portal is None:
                self._opened = start_blocking_portal("asyncio", name="mcp-runtime-asyncio")
                self._portal = self._opened.__enter__()
            return self._portal.call(asyncio.get_running_loop)

    async def run(self, fn: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts) -> T:
        """Call `fn(*args)` on the asyncio loop and wait for its result.

        When the caller is cancelled so is the coroutine, once, as asyncio has it, and its clean-up is waited for.
        Raises what `fn` raises, RuntimeError where the coroutine was cancelled from elsewhere.
        """
        loop = await anyio.to_thread.run_sync(self._open)
        token = current_token()
        ended = anyio.Event()
        running: _Running[T] = _Running(partial(fn, *args), lambda: _call_soon(token, ended.set))
        loop.call_soon_threadsafe(running.start, loop, copy_context())
        try:
            await ended.wait()
        except anyio.get_cancelled_exc_class():
            loop.call_soon_threadsafe(running.cancel)
            with anyio.move_on_after(_CLEAN_UP_S, shield=True):
                await ended.wait()
            raise
        return running.result()


class _Running(Generic[T]):
    """One coroutine on the asyncio loop. All but `result` is called there; `result` once `ended` was called."""

    def __init__(self, call: Callable[[], Awaitable[T]], ended: Callable[[], None]) -> None:
        self._call = call
        self._ended = ended
        self._task: asyncio.Task[None] | None = None
        self._values: list[T] = []
        self._error: BaseException | None = None

    def start(self, loop: "asyncio.AbstractEventLoop", context: Context) -> None:
        self._task = loop.create_task(self._run(), context=context)
        self._task.add_done_callback(lambda _: self._ended())

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        import asyncio

        try:
            self._values.append(await self._call())
        except asyncio.CancelledError:
            self._error = RuntimeError("the call was cancelled on the asyncio side")
            raise
        except BaseException as error:  # noqa: BLE001  # the caller is the one to raise it; here it would end the loop
            self._error = error

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._values[0]


def _call_soon(token: EventLoopToken, fn: Callable[[], None]) -> None:
    """Have `token`'s loop call `fn`, without waiting for it: the loop may be waiting for this very thread."""
    native: Any = token.native_token
    schedule = native.run_sync_soon if hasattr(native, "run_sync_soon") else native.call_soon_threadsafe
    try:
        schedule(fn)
    except RuntimeError:
        return  # That loop has ended, and with it whoever waited.


SHARED: Final = AsyncioThread()


async def run_asyncio(fn: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts) -> T:
    """Call `fn(*args)`, a coroutine function of an asyncio-only library, and wait for its result.

    All calls of a process share one asyncio loop. Raises what `fn` raises; cancelling the caller cancels it.
    """
    return await SHARED.run(fn, *args)
