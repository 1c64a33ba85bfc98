"""What every Store promises, over each engine and both event loops."""

import math
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Final, Literal, Protocol

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_runtime.state.memory import MemoryStore
from mcp_runtime.state.port import Store
from mcp_runtime.state.sqlite import SqliteStore
from tests.support.clocks import Backend, run

Engine = Literal["memory", "sqlite"]

ENGINES: Final[Sequence[Engine]] = ("memory", "sqlite")
BACKENDS: Final[Sequence[Backend]] = ("trio", "asyncio")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


Contract = Callable[[Store, Clock], Awaitable[None]]


class Holds(Protocol):
    def __call__(self, contract: Contract, *, max_entries: int = 1000) -> None: ...


def hold(engine: Engine, backend: Backend, directory: Path, contract: Contract, max_entries: int) -> None:
    async def test() -> None:
        clock = Clock()
        if engine == "memory":
            await contract(MemoryStore(max_entries=max_entries, max_bytes=100_000_000, now=clock), clock)
            return
        store = SqliteStore(directory / "state.db", max_entries=max_entries, now=clock)
        try:
            await contract(store, clock)
        finally:
            await store.close()

    run(backend, test, clock="virtual" if engine == "memory" else "real")


@pytest.fixture(params=list(product(ENGINES, BACKENDS)), ids="-".join)
def holds(request: pytest.FixtureRequest, tmp_path: Path) -> Holds:
    engine, backend = request.param

    def on_it(contract: Contract, *, max_entries: int = 1000) -> None:
        hold(engine, backend, tmp_path, contract, max_entries)

    return on_it


async def kept(store: Store, *keys: str) -> str:
    """The keys that still have a value."""
    return " ".join([key for key in keys if await store.get(key) is not None])


def test_what_was_never_put_is_none(holds: Holds) -> None:
    async def contract(store: Store, _: Clock) -> None:
        assert await store.get("a") is None
        await store.put("b", b"1", ttl_s=60)
        assert await store.get("a") is None

    holds(contract)


@pytest.mark.parametrize("value", [b"", b"\0", b"text", bytes(range(256)) * 1000], ids=len)
def test_a_value_comes_back_byte_for_byte(holds: Holds, value: bytes) -> None:
    async def contract(store: Store, _: Clock) -> None:
        await store.put("a", value, ttl_s=60)
        found = await store.get("a")
        assert type(found) is bytes
        assert found == value

    holds(contract)


def test_a_key_is_any_text(holds: Holds) -> None:
    keys = ["", " ", "a", "A", "a ", "a'b\"", "caf\u00e9", "cafe\u0301", "a\0b", "1", "1.0", "%", "x" * 10_000]

    async def contract(store: Store, _: Clock) -> None:
        for number, key in enumerate(keys):
            await store.put(key, str(number).encode(), ttl_s=60)
        assert [await store.get(key) for key in keys] == [str(number).encode() for number in range(len(keys))]

    holds(contract)


def test_a_value_is_there_until_its_time_is_over_and_not_a_moment_longer(holds: Holds) -> None:
    async def contract(store: Store, clock: Clock) -> None:
        await store.put("a", b"1", ttl_s=10)
        clock.now_s += 9.75
        assert await store.get("a") == b"1"
        clock.now_s += 0.25
        assert await store.get("a") is None

    holds(contract)


def test_a_second_put_replaces_the_value_and_its_time(holds: Holds) -> None:
    async def contract(store: Store, clock: Clock) -> None:
        await store.put("a", b"1", ttl_s=10)
        await store.put("b", b"1", ttl_s=100)
        clock.now_s += 5
        await store.put("a", b"2", ttl_s=10)
        await store.put("b", b"2", ttl_s=5)
        clock.now_s += 5
        assert (await store.get("a"), await store.get("b")) == (b"2", None)
        clock.now_s += 5
        assert await store.get("a") is None

    holds(contract)


@pytest.mark.parametrize("ttl_s", [0, -1])
def test_a_value_without_time_left_is_gone_at_once_and_what_was_there_too(holds: Holds, ttl_s: float) -> None:
    async def contract(store: Store, _: Clock) -> None:
        await store.put("a", b"1", ttl_s=60)
        await store.put("a", b"2", ttl_s=ttl_s)
        assert await store.get("a") is None

    holds(contract)


def test_a_value_may_be_for_ever(holds: Holds) -> None:
    async def contract(store: Store, clock: Clock) -> None:
        await store.put("a", b"1", ttl_s=math.inf)
        clock.now_s += 1e12
        assert await store.get("a") == b"1"

    holds(contract)


def test_delete_removes_one_value_and_nothing_is_no_error(holds: Holds) -> None:
    async def contract(store: Store, _: Clock) -> None:
        await store.delete("a")
        await store.put("a", b"1", ttl_s=60)
        await store.put("b", b"2", ttl_s=60)
        await store.delete("a")
        await store.delete("a")
        assert (await store.get("a"), await store.get("b")) == (None, b"2")

    holds(contract)


def test_swap_sets_only_what_is_as_expected(holds: Holds) -> None:
    async def contract(store: Store, _: Clock) -> None:
        assert not await store.swap("a", b"1", expected=b"0", ttl_s=60)
        assert await store.get("a") is None
        assert await store.swap("a", b"1", expected=None, ttl_s=60)
        assert not await store.swap("a", b"2", expected=None, ttl_s=60)
        assert not await store.swap("a", b"2", expected=b"", ttl_s=60)
        assert await store.get("a") == b"1"
        assert await store.swap("a", b"2", expected=b"1", ttl_s=60)
        assert await store.get("a") == b"2"

    holds(contract)


def test_swap_tells_an_empty_value_from_none(holds: Holds) -> None:
    async def contract(store: Store, _: Clock) -> None:
        await store.put("a", b"", ttl_s=60)
        assert not await store.swap("a", b"1", expected=None, ttl_s=60)
        assert await store.swap("a", b"1", expected=b"", ttl_s=60)

    holds(contract)


def test_swap_sees_an_expired_value_as_none(holds: Holds) -> None:
    async def contract(store: Store, clock: Clock) -> None:
        await store.put("a", b"1", ttl_s=10)
        clock.now_s += 10
        assert not await store.swap("a", b"2", expected=b"1", ttl_s=60)
        assert await store.swap("a", b"2", expected=None, ttl_s=60)

    holds(contract)


def test_swap_gives_new_time_and_a_refused_one_gives_none(holds: Holds) -> None:
    async def contract(store: Store, clock: Clock) -> None:
        await store.put("a", b"1", ttl_s=10)
        await store.put("b", b"1", ttl_s=10)
        assert await store.swap("a", b"1", expected=b"1", ttl_s=20)
        assert not await store.swap("b", b"1", expected=b"2", ttl_s=20)
        clock.now_s += 10
        assert await kept(store, "a", "b") == "a"

    holds(contract)


def test_past_the_bound_what_was_put_longest_ago_is_forgotten(holds: Holds) -> None:
    async def contract(store: Store, _: Clock) -> None:
        for key in "abc":
            await store.put(key, b"1", ttl_s=60)
        assert await kept(store, *"abc") == "a b c"  # Reading makes nothing younger.
        await store.put("d", b"1", ttl_s=60)
        assert await kept(store, *"abcd") == "b c d"
        assert await store.swap("e", b"1", expected=None, ttl_s=60)
        assert await kept(store, *"abcde") == "c d e"

    holds(contract, max_entries=3)


def test_what_is_put_or_swapped_again_is_the_youngest(holds: Holds) -> None:
    async def contract(store: Store, _: Clock) -> None:
        for key in "abc":
            await store.put(key, b"1", ttl_s=60)
        await store.put("a", b"2", ttl_s=60)
        assert await store.swap("b", b"2", expected=b"1", ttl_s=60)
        assert not await store.swap("c", b"2", expected=b"0", ttl_s=60)
        await store.put("d", b"1", ttl_s=60)
        await store.put("e", b"1", ttl_s=60)
        assert await kept(store, *"abcde") == "b d e"

    holds(contract, max_entries=3)


def test_what_was_deleted_makes_room(holds: Holds) -> None:
    async def contract(store: Store, _: Clock) -> None:
        for key in "abc":
            await store.put(key, b"1", ttl_s=60)
        await store.delete("b")
        await store.put("d", b"1", ttl_s=60)
        assert await kept(store, *"abcd") == "a c d"

    holds(contract, max_entries=3)


def test_what_has_expired_goes_before_what_is_older(holds: Holds) -> None:
    async def contract(store: Store, clock: Clock) -> None:
        await store.put("a", b"1", ttl_s=60)
        await store.put("b", b"1", ttl_s=1)
        await store.put("c", b"1", ttl_s=60)
        clock.now_s += 1
        await store.put("d", b"1", ttl_s=60)
        assert await kept(store, *"abcd") == "a c d"

    holds(contract, max_entries=3)


def test_of_many_that_swap_from_nothing_one_succeeds(holds: Holds) -> None:
    async def contract(store: Store, _: Clock) -> None:
        winners: list[bytes] = []

        async def race(number: int) -> None:
            if await store.swap("a", b"%d" % number, expected=None, ttl_s=60):
                winners.append(b"%d" % number)

        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(race, number)
        assert winners == [await store.get("a")]

    holds(contract)


def test_tasks_that_count_by_swapping_lose_no_count(holds: Holds) -> None:
    async def contract(store: Store, _: Clock) -> None:
        async def count() -> None:
            counted = False
            while not counted:
                found = await store.get("n")
                await anyio.lowlevel.checkpoint()  # Others count in between.
                counted = await store.swap("n", b"%d" % (int(found or b"0") + 1), expected=found, ttl_s=60)

        async with anyio.create_task_group() as tasks:
            for _task in range(15):
                tasks.start_soon(count)
        assert await store.get("n") == b"15"

    holds(contract)


class Model:
    """A Store written to be obviously right, and slow."""

    def __init__(self, max_entries: int) -> None:
        self.max_entries = max_entries
        self.rows: list[tuple[str, bytes, float]] = []

    def get(self, key: str, now: float) -> bytes | None:
        return next((value for name, value, end in self.rows if name == key and end > now), None)

    def put(self, key: str, value: bytes, ttl_s: float, now: float) -> None:
        self.delete(key)
        self.rows = [row for row in [*self.rows, (key, value, now + ttl_s)] if row[2] > now][-self.max_entries :]

    def swap(self, key: str, value: bytes, expected: bytes | None, ttl_s: float, now: float) -> bool:
        as_expected = self.get(key, now) == expected
        if as_expected:
            self.put(key, value, ttl_s, now)
        return as_expected

    def delete(self, key: str) -> None:
        self.rows = [row for row in self.rows if row[0] != key]


KEYS = st.sampled_from("abcdef")
VALUES = st.sampled_from([b"", b"1", b"2"])
TTLS_S = st.sampled_from([0.5, 1.0, 3.0, 20.0])
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, VALUES, TTLS_S),
    st.tuples(st.just("swap"), KEYS, VALUES, TTLS_S, st.none() | VALUES),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 1.0, 5.0])),
)


@pytest.mark.parametrize("engine", ENGINES)
@given(max_entries=st.integers(1, 5), steps=st.lists(STEPS, max_size=40))
def test_whatever_is_done_to_it_it_holds_what_the_model_holds(
    engine: Engine, max_entries: int, steps: list[tuple[object, ...]]
) -> None:
    async def contract(store: Store, clock: Clock) -> None:
        model = Model(max_entries)
        for step in steps:
            match step:
                case ("put", str(key), bytes(value), float(ttl_s)):
                    await store.put(key, value, ttl_s=ttl_s)
                    model.put(key, value, ttl_s, clock.now_s)
                case ("swap", str(key), bytes(value), float(ttl_s), bytes() | None as expected):
                    swapped = await store.swap(key, value, expected=expected, ttl_s=ttl_s)
                    assert swapped == model.swap(key, value, expected, ttl_s, clock.now_s)
                case ("delete", str(key)):
                    await store.delete(key)
                    model.delete(key)
                case ("wait", float(time_s)):
                    clock.now_s += time_s
                case _:
                    pytest.fail(f"no step: {step}")
            assert [await store.get(key) for key in "abcdef"] == [model.get(key, clock.now_s) for key in "abcdef"]

    with tempfile.TemporaryDirectory() as directory:
        hold(engine, "trio", Path(directory), contract, max_entries)
