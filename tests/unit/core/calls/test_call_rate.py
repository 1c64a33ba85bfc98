"""A client within its rate goes on; past it, it is told when to come back, and then it may."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_runtime.core.calls.call_rate import CallRate

CLIENTS_REMEMBERED = 10_000


class Clock:
    def __init__(self) -> None:
        self.now_s = 12_345.678

    def __call__(self) -> float:
        return self.now_s


def rate(per_minute: int) -> tuple[CallRate, Clock]:
    clock = Clock()
    return CallRate(per_minute, now=clock), clock


def test_zero_is_unlimited() -> None:
    calls, _ = rate(0)
    assert {calls.wait_s("a") for _ in range(10_000)} == {0}


@pytest.mark.spec("server/tools#security-considerations")
@pytest.mark.parametrize("per_minute", [1, 2, 60, 1000])
def test_a_minutes_calls_may_come_at_once_and_the_next_one_waits(per_minute: int) -> None:
    calls, _ = rate(per_minute)
    assert [calls.wait_s("a") for _ in range(per_minute)] == [0] * per_minute
    assert calls.wait_s("a") > 0


@pytest.mark.parametrize(("per_minute", "wait_s"), [(1, 60), (2, 30), (7, 9), (60, 1), (120, 1), (1000, 1)])
def test_the_wait_is_in_whole_seconds_at_least_one(per_minute: int, wait_s: int) -> None:
    calls, _ = rate(per_minute)
    for _ in range(per_minute):
        calls.wait_s("a")
    assert calls.wait_s("a") == wait_s


def test_a_refused_call_costs_nothing() -> None:
    calls, clock = rate(1)
    calls.wait_s("a")
    for _ in range(100):
        assert calls.wait_s("a") == 60
    clock.now_s += 60
    assert calls.wait_s("a") == 0


def test_the_wait_shrinks_as_time_goes_by() -> None:
    calls, clock = rate(1)
    calls.wait_s("a")
    clock.now_s += 20.5
    assert calls.wait_s("a") == 40
    clock.now_s += 39
    assert calls.wait_s("a") == 1


def test_idle_time_saves_up_no_more_than_a_minutes_calls() -> None:
    calls, clock = rate(3)
    calls.wait_s("a")
    clock.now_s += 100_000
    assert [calls.wait_s("a") > 0 for _ in range(4)] == [False, False, False, True]


def test_each_client_has_a_rate_of_its_own() -> None:
    calls, _ = rate(1)
    assert (calls.wait_s("a"), calls.wait_s("b"), calls.wait_s("c")) == (0, 0, 0)
    assert min(calls.wait_s("a"), calls.wait_s("b"), calls.wait_s("c")) > 0


def test_a_client_without_a_key_is_not_counted() -> None:
    calls, _ = rate(1)
    assert {calls.wait_s(None) for _ in range(100)} == {0}
    assert not calls._buckets


def test_memory_is_bounded_and_no_crowd_makes_a_limited_client_forgotten() -> None:
    calls, clock = rate(1)
    for number in range(CLIENTS_REMEMBERED):
        assert calls.wait_s(f"client {number}") == 0
        assert calls.wait_s(f"client {number}") == 60
    assert [calls.wait_s(f"another {number}") > 0 for number in range(CLIENTS_REMEMBERED)].count(False) == 1
    assert calls.wait_s("client 0") == calls.wait_s("client 1") == 60
    assert len(calls._buckets) == CLIENTS_REMEMBERED + 1  # What comes beside them shares one rate.
    clock.now_s += 60
    assert [calls.wait_s(f"a third {number}") for number in range(2)] == [0, 0]


def test_what_is_full_again_makes_room_whoever_was_seen_first() -> None:
    calls, clock = rate(1)
    calls.wait_s("limited")
    for number in range(1, CLIENTS_REMEMBERED):
        calls.wait_s(f"client {number}")
    clock.now_s += 60.5
    calls.wait_s("limited")
    assert [calls.wait_s(f"fresh {number}") for number in range(50)] == [0] * 50
    assert calls.wait_s("limited") > 0
    assert len(calls._buckets) == 51


def test_all_buckets_are_looked_at_once_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, clock = rate(1)
    for number in range(CLIENTS_REMEMBERED):
        calls.wait_s(f"client {number}")
    looked: list[float] = []
    tokens = calls._tokens

    def look(bucket: tuple[float, float], now: float) -> float:
        looked.append(now)
        return tokens(bucket, now)

    monkeypatch.setattr(calls, "_tokens", look)
    for number in range(1000):
        clock.now_s += 0.0009
        calls.wait_s(f"another {number}")
    assert len(looked) == CLIENTS_REMEMBERED + 1000


@given(st.integers(1, 200), st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=60))
def test_who_waits_as_long_as_told_may_go_on(per_minute: int, pauses_s: list[float]) -> None:
    calls, clock = rate(per_minute)
    for _ in range(per_minute):
        calls.wait_s("a")
    for pause_s in pauses_s:
        clock.now_s += pause_s
        wait_s = calls.wait_s("a")
        if wait_s:
            clock.now_s += wait_s
            assert calls.wait_s("a") == 0


@given(st.integers(1, 30), st.lists(st.floats(0, 20, allow_nan=False), max_size=200))
def test_no_minute_sees_more_than_twice_the_rate(per_minute: int, pauses_s: list[float]) -> None:
    calls, clock = rate(per_minute)
    allowed: list[float] = []
    for pause_s in pauses_s:
        clock.now_s += pause_s
        if calls.wait_s("a") == 0:
            allowed.append(clock.now_s)
    for start in allowed:
        assert sum(start <= moment < start + 60 for moment in allowed) <= 2 * per_minute
