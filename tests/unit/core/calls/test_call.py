"""The time of a call: it runs from when the request came in, and counts at once where nobody watches."""

import math

import pytest

from mcp_runtime.core.calls.call import Call
from mcp_runtime.protocol.jsonrpc import NO_PARAMS, Request
from mcp_runtime.protocol.meta import MetaProbe


async def silent(_: bytes) -> None:
    """Nothing is sent."""


def call(*, began: float | None = None, watched_after_s: float = math.inf) -> Call:
    """A request; the clock says 100."""
    return Call(
        request=Request(1, "tools/list", NO_PARAMS, MetaProbe(None, None, "2026-07-28")),
        transport="stdio",
        notify=silent,
        now=lambda: 100.0,
        began=began,
        watched_after_s=watched_after_s,
    )


@pytest.mark.parametrize(("began", "ends_at"), [(None, 105.0), (97.0, 102.0), (0.0, 5.0)])
async def test_its_time_runs_from_when_it_came_in(began: float | None, ends_at: float) -> None:
    limited = call(began=began)
    limited.limit_time(5)
    assert (limited.ends_at, limited.scope.deadline, limited.timeout_s) == (ends_at, ends_at, 5)


@pytest.mark.parametrize(("watched_after_s", "deadline"), [(4.9, math.inf), (5.0, 105.0), (5.1, 105.0)])
async def test_a_limit_that_ends_before_anybody_looks_counts_at_once(watched_after_s: float, deadline: float) -> None:
    limited = call(watched_after_s=watched_after_s)
    limited.limit_time(5)
    assert limited.scope.deadline == deadline
    limited.keep_time()
    assert limited.scope.deadline == 105


async def test_a_limit_that_is_set_once_somebody_has_looked_counts_at_once() -> None:
    limited = call(watched_after_s=0.25)
    limited.keep_time()
    assert limited.scope.deadline == math.inf
    limited.limit_time(5)
    assert limited.scope.deadline == 105


@pytest.mark.parametrize(("timeout_s", "is_late"), [(-1, True), (0, True), (0.1, False), (math.inf, False)])
async def test_it_is_late_from_its_end_on(timeout_s: float, *, is_late: bool) -> None:
    limited = call()
    assert not limited.is_late
    limited.limit_time(timeout_s)
    assert limited.is_late is is_late
