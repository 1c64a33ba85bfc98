"""Running a test on either event loop, in time that passes only where everybody waits. Rule: no test sleeps.

Time is virtual: when every task waits, the clock jumps to the next deadline. A test that waits for what never comes
fails at once, not after a timeout.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

import anyio
import trio
import trio.testing

Backend = Literal["trio", "asyncio"]
Clock = Literal["virtual", "real"]

_PATIENCE_S: Final[Mapping[Clock, float]] = {"virtual": 20_000.0, "real": 20.0}
"""How long a test may take. Real time is for tests whose work is done in threads, which no virtual clock waits for."""


def run(backend: Backend, test: Callable[[], Awaitable[None]], *, clock: Clock = "virtual") -> None:
    """Run `test` to its end on a loop of its own. What it raises comes out without the groups around it."""

    async def patiently() -> None:
        with anyio.fail_after(_PATIENCE_S[clock]):
            await test()

    try:
        if backend == "trio":
            trio.run(patiently, clock=trio.testing.MockClock(autojump_threshold=0) if clock == "virtual" else None)
        else:
            options: dict[str, Any] = {"loop_factory": _VirtualTimeLoop} if clock == "virtual" else {}
            anyio.run(patiently, backend="asyncio", backend_options=options)
    except BaseExceptionGroup as group:
        raise _innermost(group) from None


def _innermost(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


class _JumpingSelector(selectors.DefaultSelector):
    """Where nothing is ready, time passes."""

    now_s: float = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.now_s += timeout
        return ready


class _VirtualTimeLoop(asyncio.SelectorEventLoop):
    """asyncio's answer to trio's MockClock."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s
