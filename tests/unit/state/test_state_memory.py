"""Memory is bounded by number and bytes whatever is put; a bus delivers to who listens, and loses nothing it took."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from types import FrameType
from typing import Protocol

import anyio
import pytest

from mcp_runtime.state.memory import MemoryBus, MemoryStore
from tests.support.clocks import Backend, run


class TraceFunction(Protocol):
    def __call__(self, frame: FrameType, event: str, argument: object, /) -> "TraceFunction": ...


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def store(*, max_entries: int = 1000, max_bytes: int = 1_000_000) -> tuple[MemoryStore, Clock]:
    clock = Clock()
    return MemoryStore(max_entries=max_entries, max_bytes=max_bytes, now=clock), clock


async def test_keys_and_values_together_are_at_most_max_bytes() -> None:
    kept, _ = store(max_bytes=10)
    await kept.put("aa", b"123", ttl_s=60)
    await kept.put("bb", b"123", ttl_s=60)
    assert (await kept.get("aa"), await kept.get("bb")) == (b"123", b"123")
    await kept.put("c", b"", ttl_s=60)
    assert (await kept.get("aa"), await kept.get("bb"), await kept.get("c")) == (None, b"123", b"")


async def test_one_long_value_takes_the_place_of_as_many_as_it_needs() -> None:
    kept, _ = store(max_bytes=10)
    for key in "abcde":
        await kept.put(key, b"1", ttl_s=60)
    await kept.put("f", b"12345", ttl_s=60)
    assert [await kept.get(key) for key in "abcdef"] == [None, None, None, b"1", b"1", b"12345"]


@pytest.mark.parametrize(("length", "fits"), [(9, True), (10, False)])
async def test_a_value_too_long_by_itself_is_forgotten_and_nothing_else(length: int, *, fits: bool) -> None:
    kept, _ = store(max_bytes=10)
    if not fits:
        await kept.put("b", b"old", ttl_s=60)
    await kept.put("a", b"old", ttl_s=60)
    await kept.put("a", b"x" * length, ttl_s=60)
    assert await kept.get("a") == (b"x" * length if fits else None)
    assert fits or await kept.get("b") == b"old"


async def test_bytes_are_given_back_by_every_way_out() -> None:
    kept, clock = store(max_bytes=10)
    await kept.put("a", b"12345", ttl_s=1)
    await kept.put("a", b"123456", ttl_s=1)
    await kept.delete("a")
    await kept.put("b", b"123456789", ttl_s=1)
    clock.now_s += 1
    await kept.put("c", b"1234", ttl_s=60)
    await kept.put("d", b"1234", ttl_s=60)
    assert (await kept.get("c"), await kept.get("d")) == (b"1234", b"1234")
    assert kept._bytes == 10


async def test_what_has_expired_is_out_of_memory_with_the_next_call_whatever_it_is() -> None:
    kept, clock = store()
    for number in range(100):
        await kept.put(str(number), b"x", ttl_s=number + 1)
    clock.now_s += 50
    assert await kept.get("nothing") is None
    assert (len(kept._entries), kept._bytes) == (50, 100 + 50)
    clock.now_s += 50
    assert len(kept) == 0
    assert (len(kept._entries), len(kept._deadlines), kept._bytes) == (0, 0, 0)


async def test_deadlines_of_what_is_gone_do_not_pile_up() -> None:
    kept, _ = store(max_entries=10)
    for number in range(10_000):
        await kept.put("same", b"x", ttl_s=60)
        await kept.put(str(number), b"x", ttl_s=60)
    assert len(kept) == 10
    assert len(kept._deadlines) <= 2 * 10 + 64
    for number in range(10_000):
        await kept.put("short-lived", b"x", ttl_s=60)
        await kept.delete("short-lived")
        await kept.delete(str(number))
    assert len(kept._deadlines) <= 2 * 10 + 64


async def test_a_value_put_again_survives_the_deadline_of_the_one_before() -> None:
    kept, clock = store()
    await kept.put("a", b"1", ttl_s=1)
    await kept.put("a", b"2", ttl_s=60)
    await kept.put("b", b"1", ttl_s=1)
    await kept.delete("b")
    clock.now_s += 1
    assert (await kept.get("a"), await kept.get("b")) == (b"2", None)


async def test_the_work_of_a_put_does_not_grow_with_what_is_kept() -> None:
    async def lines_per_put(entries: int) -> float:
        kept, clock = store(max_entries=entries)
        lines = 0

        def trace(_frame: FrameType, _event: str, _argument: object) -> TraceFunction:
            nonlocal lines
            lines += 1
            return trace

        async def put(numbers: range) -> None:
            for number in numbers:
                clock.now_s += 1
                await kept.put(str(number), b"x", ttl_s=entries / 2 if number % 2 else 10 * entries)

        await put(range(2 * entries))
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            await put(range(2 * entries, 3 * entries))
        finally:
            sys.settrace(before)
        return lines / entries

    assert await lines_per_put(2000) < 1.5 * await lines_per_put(200)


# The bus


@pytest.fixture(params=["trio", "asyncio"])
def on_bus(request: pytest.FixtureRequest) -> Callable[[Callable[[MemoryBus], Awaitable[None]]], None]:
    backend: Backend = request.param

    def on_it(test: Callable[[MemoryBus], Awaitable[None]]) -> None:
        async def with_bus() -> None:
            bus = MemoryBus()
            await test(bus)
            assert bus._channels == {}

        run(backend, with_bus)

    return on_it


OnBus = Callable[[Callable[[MemoryBus], Awaitable[None]]], None]


async def read(messages: AsyncIterator[bytes], number: int) -> list[bytes]:
    return [await anext(messages) for _ in range(number)]


async def is_quiet(messages: AsyncIterator[bytes]) -> bool:
    with anyio.move_on_after(1000):
        await anext(messages)
        return False
    return True


def test_each_subscriber_of_a_channel_gets_every_message_in_order(on_bus: OnBus) -> None:
    async def test(bus: MemoryBus) -> None:
        async with (
            bus.subscribe("a", max_pending=9) as one,
            bus.subscribe("a", max_pending=9) as other,
            bus.subscribe("b", max_pending=9) as elsewhere,
        ):
            assert [await bus.publish("a", b"%d" % number) for number in range(3)] == [2, 2, 2]
            assert await bus.publish("b", b"x") == 1
            assert await read(one, 3) == await read(other, 3) == [b"0", b"1", b"2"]
            assert await read(elsewhere, 1) == [b"x"]
            assert await is_quiet(one)
            assert await is_quiet(elsewhere)

    on_bus(test)


def test_a_message_nobody_listens_for_is_taken_by_nobody_and_not_kept(on_bus: OnBus) -> None:
    async def test(bus: MemoryBus) -> None:
        assert await bus.publish("a", b"early") == 0
        async with bus.subscribe("a", max_pending=1) as messages:
            assert await is_quiet(messages)
        assert await bus.publish("a", b"late") == 0

    on_bus(test)


@pytest.mark.parametrize("max_pending", [1, 3])
def test_one_with_no_room_left_does_not_take_a_message_and_the_others_do(on_bus: OnBus, max_pending: int) -> None:
    async def test(bus: MemoryBus) -> None:
        async with (
            bus.subscribe("a", max_pending=max_pending) as slow,
            bus.subscribe("a", max_pending=100) as fast,
        ):
            assert [await bus.publish("a", b"%d" % number) for number in range(max_pending)] == [2] * max_pending
            assert await bus.publish("a", b"too many") == 1
            assert await read(slow, 1) == [b"0"]
            assert await bus.publish("a", b"room again") == 2
            expected = [b"%d" % number for number in range(max_pending)]
            assert await read(slow, max_pending) == [*expected[1:], b"room again"]
            assert await read(fast, max_pending + 2) == [*expected, b"too many", b"room again"]

    on_bus(test)


def test_publish_never_waits(on_bus: OnBus) -> None:
    async def test(bus: MemoryBus) -> None:
        async with bus.subscribe("a", max_pending=1):
            with anyio.CancelScope() as scope:
                scope.cancel()  # Whatever waits now is cancelled.
                assert [await bus.publish("a", b"x") for _ in range(3)] == [1, 0, 0]
            assert not scope.cancelled_caught

    on_bus(test)


def test_a_reader_that_waits_is_woken(on_bus: OnBus) -> None:
    async def test(bus: MemoryBus) -> None:
        heard: list[bytes] = []

        async def listen(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            async with bus.subscribe("a", max_pending=1) as messages:
                task_status.started()
                heard.extend(await read(messages, 3))

        async with anyio.create_task_group() as tasks:
            await tasks.start(listen)
            for message in (b"1", b"2", b"3"):
                await anyio.wait_all_tasks_blocked()
                assert await bus.publish("a", message) == 1
        assert heard == [b"1", b"2", b"3"]

    on_bus(test)


def test_a_reader_cancelled_as_its_message_arrives_finds_it_when_it_reads_again(on_bus: OnBus) -> None:
    async def test(bus: MemoryBus) -> None:
        heard: list[bytes] = []
        reading = anyio.CancelScope()

        async def listen(messages: AsyncIterator[bytes]) -> None:
            with reading:
                heard.append(await anext(messages))

        async with bus.subscribe("a", max_pending=9) as messages:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen, messages)
                await anyio.wait_all_tasks_blocked()
                await bus.publish("a", b"1")
                reading.cancel()
            heard += [] if heard else await read(messages, 1)
            assert heard == [b"1"]
            await bus.publish("a", b"2")
            assert await read(messages, 1) == [b"2"]

    on_bus(test)


def test_a_reader_cancelled_while_it_waits_reads_on_later(on_bus: OnBus) -> None:
    async def test(bus: MemoryBus) -> None:
        async with bus.subscribe("a", max_pending=9) as messages:
            assert await is_quiet(messages)
            await bus.publish("a", b"1")
            assert await read(messages, 1) == [b"1"]
            assert await is_quiet(messages)

    on_bus(test)


def test_two_readers_of_one_subscription_share_its_messages(on_bus: OnBus) -> None:
    async def test(bus: MemoryBus) -> None:
        heard: list[list[bytes]] = []

        async def listen(messages: AsyncIterator[bytes]) -> None:
            heard.append(await read(messages, 1))

        async with bus.subscribe("a", max_pending=9) as messages, anyio.create_task_group() as tasks:
            tasks.start_soon(listen, messages)
            tasks.start_soon(listen, messages)
            for number in (1, 2):
                await anyio.wait_all_tasks_blocked()
                await bus.publish("a", b"%d" % number)
        assert sorted(heard) == [[b"1"], [b"2"]]

    on_bus(test)


def test_iterating_ends_when_the_block_is_left_and_not_before(on_bus: OnBus) -> None:
    async def test(bus: MemoryBus) -> None:
        heard: list[bytes | None] = []

        async def listen(messages: AsyncIterator[bytes]) -> None:
            async for message in messages:
                heard.append(message)  # noqa: PERF401  # as they come, not once the iteration has ended
            heard.append(None)

        async with anyio.create_task_group() as tasks:
            async with bus.subscribe("a", max_pending=9) as messages:
                tasks.start_soon(listen, messages)
                await anyio.wait_all_tasks_blocked()
                await bus.publish("a", b"1")
                await anyio.wait_all_tasks_blocked()
                assert heard == [b"1"]
                await bus.publish("a", b"unread")
            await anyio.wait_all_tasks_blocked()
        assert heard == [b"1", None]

    on_bus(test)


def test_who_leaves_with_an_error_hears_no_more_and_the_others_do(on_bus: OnBus) -> None:
    async def test(bus: MemoryBus) -> None:
        async with bus.subscribe("a", max_pending=9) as stays:
            left: list[AsyncIterator[bytes]] = []

            async def fail() -> None:
                async with bus.subscribe("a", max_pending=9) as leaves:
                    left.append(leaves)
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await fail()
            assert await bus.publish("a", b"1") == 1
            assert await read(stays, 1) == [b"1"]
            with pytest.raises(StopAsyncIteration):
                await anext(left[0])

    on_bus(test)
