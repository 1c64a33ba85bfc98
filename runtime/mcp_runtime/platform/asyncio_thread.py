"""The asyncio thread: a loop for libraries that know no other, whatever loop serves.

Rule: one asyncio loop in one thread, for the whole process.

So that a client object made in one call can be used in the next: it always meets the loop it was made on.
"""

import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, TypeVarTuple, Unpack

import anyio
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
        self._opened: _LoopThread | None = None

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
                opened = None if self._users else self._opened
                if opened is not None:
                    self._opened = None
            if opened is not None:
                opened.stop()

    def _open(self) -> "asyncio.AbstractEventLoop":
        with self._lock:
            if self._opened is None:
                self._opened = _LoopThread()
            return self._opened.loop

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


class _LoopThread:
    """A thread whose asyncio loop runs until `stop`, whatever its tasks raise.

    asyncio leaves its loop with a SystemExit or KeyboardInterrupt of any task: also of one that a library has started.
    The task has it as its outcome by then, and the loop can go on where it was.
    """

    def __init__(self) -> None:
        import asyncio

        self._runner = asyncio.Runner()
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mcp-runtime-asyncio", daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def loop(self) -> "asyncio.AbstractEventLoop":
        return self._runner.get_loop()

    def stop(self) -> None:
        """Cancel what still runs, and wait for its end."""
        self.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        import asyncio

        with self._runner:
            loop = self._runner.get_loop()
            self._ready.set()
            _complete(loop, loop.create_task(self._stopping.wait()))
            if left := asyncio.all_tasks(loop):
                for task in left:
                    task.cancel()
                _complete(loop, loop.create_task(asyncio.wait(left)))


def _complete(loop: "asyncio.AbstractEventLoop", task: "asyncio.Task[Any]") -> None:
    while not task.done():
        with suppress(SystemExit, KeyboardInterrupt):
            loop.run_until_complete(task)


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
