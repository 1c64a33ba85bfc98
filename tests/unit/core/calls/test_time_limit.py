"""The time limit of a call: it runs from when the request came in, and counts at once where nobody is patient."""

import math

import anyio
import pytest

from mcp_runtime.core.calls.time_limit import TimeLimit, no_limit


def limit(*, began: float = 100.0, patience_s: float = math.inf) -> TimeLimit:
    """A limit of a call; the clock says 100."""
    return TimeLimit(cutter=anyio.CancelScope(), now=lambda: 100.0, began=began, patience_s=patience_s)


@pytest.mark.parametrize(("began", "ends_at"), [(100.0, 105.0), (97.0, 102.0), (0.0, 5.0)])
async def test_it_runs_from_when_the_call_came_in(began: float, ends_at: float) -> None:
    time = limit(began=began)
    time.set(5)
    assert (time.ends_at, time.cutter.deadline, time.timeout_s) == (ends_at, ends_at, 5)


@pytest.mark.parametrize(("patience_s", "deadline"), [(4.9, math.inf), (5.0, 105.0), (5.1, 105.0)])
async def test_a_limit_that_ends_before_anybody_looks_counts_at_once(patience_s: float, deadline: float) -> None:
    time = limit(patience_s=patience_s)
    time.set(5)
    assert time.cutter.deadline == deadline
    time.keep()
    assert time.cutter.deadline == 105


async def test_a_limit_that_is_set_once_somebody_has_looked_counts_at_once() -> None:
    time = limit(patience_s=0.25)
    time.keep()
    assert time.cutter.deadline == math.inf
    time.set(5)
    assert time.cutter.deadline == 105


@pytest.mark.parametrize(("timeout_s", "is_over"), [(-1, True), (0, True), (0.1, False), (math.inf, False)])
async def test_it_is_over_from_its_end_on(timeout_s: float, *, is_over: bool) -> None:
    time = limit()
    assert not time.is_over
    time.set(timeout_s)
    assert time.is_over is is_over


@pytest.mark.parametrize("patience_s", [0.25, math.inf])
async def test_lifted_it_limits_nothing_until_it_is_set_again(patience_s: float) -> None:
    time = limit(began=90, patience_s=patience_s)
    time.set(5)
    found = [time.is_over]
    time.lift()
    assert [*found, time.is_over] == [True, False]
    time.keep()
    assert time.cutter.deadline == math.inf
    time.set(6)
    assert time.cutter.deadline == 96


async def test_a_deadline_that_was_not_set_is_not_touched_when_the_limit_is_lifted() -> None:
    time = limit(patience_s=0.25)
    time.cutter.deadline = 7
    time.set(5)
    time.lift()
    assert time.cutter.deadline == 7


async def test_a_call_without_a_limit_has_nothing_that_could_cut_it_off() -> None:
    time = no_limit()
    time.cutter.cancel()
    time.keep()
    assert not time.is_over
    assert time.cutter.deadline == math.inf
