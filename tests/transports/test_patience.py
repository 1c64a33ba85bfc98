"""Looking after calls that take a while. Rule: signs of life come as often as the call wants, and at least as often as
the operator does.
"""

import math
from typing import Any, Final

import anyio
import pytest

from mcp_runtime.transports.http.patience import Patience, Watched
from tests.support.clocks import Backend, run

BACKENDS: Final[tuple[Backend, ...]] = ("trio", "asyncio")


class Wire:
    """A connection whose client says nothing until it leaves."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.changed = anyio.Event()
        self.signs: list[float] = []
        self.gone_at: float | None = None
        self.began = anyio.current_time()

    async def receive(self) -> Any:
        while not self.messages:
            await self.changed.wait()
        return self.messages.pop(0)

    def say(self, kind: str) -> None:
        self.messages.append({"type": kind})
        self.changed.set()
        self.changed = anyio.Event()

    async def keep_alive(self) -> None:
        self.signs.append(round(anyio.current_time() - self.began, 2))

    def watched(self, every_s: float = math.inf) -> Watched:
        return _Heard(wire=self, receive=self.receive, every_s=every_s)


class _Heard(Watched, kw_only=True):
    """All that patience does for it is written down."""

    wire: Wire

    def gone(self) -> None:
        self.wire.gone_at = round(anyio.current_time() - self.wire.began, 2)

    async def keep_alive(self) -> None:
        await self.wire.keep_alive()


class _Ageing(Watched, kw_only=True):
    """Something without a client."""

    ages: list[float]
    began: float

    def aged(self) -> None:
        self.ages.append(round(anyio.current_time() - self.began, 2))


@pytest.mark.parametrize(
    ("every_s", "signs"),
    [
        (math.inf, [10.25, 20.25, 30.25]),
        (100.0, [10.25, 20.25, 30.25]),
        (10.0, [10.25, 20.25, 30.25]),
        (8.0, [8.25, 16.25, 24.25, 32.25]),
        (20.0, [10.25, 20.25, 30.25]),
    ],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_signs_of_life_come_at_the_shorter_of_two_intervals(
    backend: Backend, every_s: float, signs: list[float]
) -> None:
    async def test() -> None:
        patience, wire = Patience(after_s=0.25, keep_alive_interval_s=10), Wire()
        async with patience.running():
            watched = wire.watched(every_s)
            patience.enter(watched)
            await anyio.sleep(33)
            patience.leave(watched)
            await anyio.sleep(33)
        assert (wire.signs, wire.gone_at) == (signs, None)

    run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_disconnect_is_noticed_between_two_signs_of_life_and_ends_them(backend: Backend) -> None:
    async def test() -> None:
        patience, wire = Patience(after_s=0.25, keep_alive_interval_s=10), Wire()
        async with patience.running():
            patience.enter(watched := wire.watched(4))
            await anyio.sleep(5)
            wire.say("http.request")  # more of a body that nobody wants
            await anyio.sleep(1)
            wire.say("http.disconnect")
            await anyio.sleep(20)
            patience.leave(watched)
        assert (wire.signs, wire.gone_at) == ([4.25], 6)

    run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_of_different_patience_do_not_disturb_each_other(backend: Backend) -> None:
    async def test() -> None:
        patience, often, seldom = Patience(after_s=0.25, keep_alive_interval_s=10), Wire(), Wire()
        async with patience.running():
            for watched in (often.watched(3), seldom.watched()):
                patience.enter(watched)
            await anyio.sleep(11)
        assert (often.signs, seldom.signs) == ([3.25, 6.25, 9.25], [10.25])

    run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_has_no_client_to_look_after_is_told_its_age_once_and_no_more(backend: Backend) -> None:
    async def test() -> None:
        patience, ages = Patience(after_s=0.25, keep_alive_interval_s=10), list[float]()
        began = anyio.current_time()
        async with patience.running():
            watched, quick = _Ageing(ages=ages, began=began), _Ageing(ages=ages, began=began)
            patience.enter(watched)
            patience.enter(quick)
            await anyio.sleep(0.2)
            patience.leave(quick)
            await anyio.sleep(30)
            assert (watched.is_old, quick.is_old) == (True, False)
            patience.leave(watched)
        assert ages == [0.25]

    run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_client_may_be_listened_to_and_told_nothing(backend: Backend) -> None:
    async def test() -> None:
        patience, wire = Patience(after_s=0.25, keep_alive_interval_s=10), Wire()
        async with patience.running():
            patience.enter(Watched(receive=wire.receive))
            await anyio.sleep(15)
            wire.say("http.disconnect")
            await anyio.sleep(15)
            assert wire.messages == []  # it was heard

    run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_disconnect_that_is_told_as_an_error_is_one(backend: Backend) -> None:
    class Failing(Wire):
        async def receive(self) -> Any:
            await anyio.sleep(3)
            raise OSError("gone")

    async def test() -> None:
        patience, wire = Patience(after_s=0.25, keep_alive_interval_s=10), Failing()
        async with patience.running():
            patience.enter(watched := wire.watched())
            await anyio.sleep(5)
            patience.leave(watched)
        assert wire.gone_at == 3.25

    run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_has_become_something_else_is_young_again(backend: Backend) -> None:
    async def test() -> None:
        patience, ages = Patience(after_s=2, keep_alive_interval_s=10), list[float]()
        async with patience.running():
            watched = _Ageing(ages=ages, began=anyio.current_time())
            patience.enter(watched)
            await anyio.sleep(4)
            patience.enter(_Ageing(ages=[], began=anyio.current_time()))  # Patience does not sleep meanwhile.
            await anyio.sleep(1)
            patience.renew(watched)
            assert not watched.is_old
            await anyio.sleep(5)
            patience.leave(watched)
        assert ages == [2, 7]

    run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_sleeps_where_nothing_is_at_work(backend: Backend) -> None:
    async def test() -> None:
        patience = Patience(after_s=2, keep_alive_interval_s=10)
        async with patience.running():
            watched = _Ageing(ages=[], began=anyio.current_time())
            patience.enter(watched)
            patience.leave(watched)
            await anyio.sleep(5)
            assert patience._idle is not None, "it looks again and again"

    run(backend, test)
