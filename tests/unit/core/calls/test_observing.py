"""Who is told of what was served: each in turn, of every way in which a request can end."""

from typing import Any, cast

import pytest
import trio
import trio.testing

from mcp_runtime.core.calls.call import Answer, Call, Reply, Stream
from mcp_runtime.core.calls.observers import MeteringObserver, Observers, outcome_of
from mcp_runtime.core.calls.time_limit import no_limit
from mcp_runtime.protocol.jsonrpc import NO_PARAMS, Request
from mcp_runtime.protocol.meta import MetaProbe
from mcp_runtime.telemetry.metrics import Metrics


async def silent(_: bytes) -> None:
    """Nothing is sent."""


def call(version: str | None = "2026-07-28") -> Call:
    """A request for the tools."""
    request = Request(1, "tools/list", NO_PARAMS, MetaProbe(None, None, version))
    return Call(request=request, transport="stdio", notify=silent, time=no_limit())


class Witness:
    """Writes down what it is told."""

    def __init__(self, name: str, told: list[tuple[str, float]]) -> None:
        self._name = name
        self._told = told

    def served(self, call: Call, answer: Answer | None, since: float) -> None:
        """As the port says."""
        del call, answer
        self._told.append((self._name, since))


async def test_all_are_told_in_their_order() -> None:
    told: list[tuple[str, float]] = []
    Observers([Witness("first", told), Witness("second", told)]).served(call(), None, 3.0)
    assert told == [("first", 3.0), ("second", 3.0)]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (None, "abandoned"),
        (Reply(body=b"{}"), "ok"),
        (Reply(body=b"{}", outcome="tool_error"), "tool_error"),
        (Reply(body=b"{}", outcome="refused"), "refused"),
        (cast("Stream", object()), "ok"),
    ],
)
def test_an_outcome_is_what_the_answer_says(answer: Answer | None, outcome: str) -> None:
    assert outcome_of(answer) == outcome


@pytest.mark.parametrize(("version", "label"), [("2026-07-28", "2026-07-28"), (None, "none")])
async def test_a_meter_hears_how_long_it_took(
    version: str | None, label: str, autojump_clock: trio.testing.MockClock
) -> None:
    metrics = Metrics(methods=["tools/list"])
    since = trio.current_time()
    await trio.sleep(2)
    MeteringObserver(metrics).served(call(version), Reply(body=b"{}"), since)
    counted: Any = next(metrics.families()).read()
    assert counted == {("modern", label, "stdio", "tools/list", "ok"): 1}
    assert metrics.durations()["modern", "stdio", "tools/list"].sum_s == 2
