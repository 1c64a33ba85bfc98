"""Observers: parts that are told of each request. Rule: told after the answer is known, and never waited for.

Observers see requests of modern revisions: what older ones are bridged from, their bridges count themselves.
"""

from collections.abc import Sequence
from typing import Protocol

from mcp_runtime.core.calls.call import Answer, Call, Reply
from mcp_runtime.telemetry.labels import OutcomeName
from mcp_runtime.telemetry.metrics import Meter


class Observer(Protocol):
    """A part that is told of requests."""

    def served(self, call: Call, answer: Answer | None, since: float) -> None:
        """A request that came in at `since` (loop seconds) has its answer, None where its client gave up.

        Called on the event loop; never waits or fails.
        """
        ...


class MeteringObserver:
    """An observer that tells a meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def served(self, call: Call, answer: Answer | None, since: float) -> None:
        """As the port says."""
        version = call.request.probe.version or ""
        duration_s = call.time.now() - since
        self._meter.request("modern", version, call.transport, call.request.method, outcome_of(answer), duration_s)


class Observers:
    """Several observers as one, told one after the other."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def served(self, call: Call, answer: Answer | None, since: float) -> None:
        """As the port says."""
        for observer in self._observers:
            observer.served(call, answer, since)


def outcome_of(answer: Answer | None) -> OutcomeName:
    """How a request ended."""
    if answer is None:
        return "abandoned"
    return answer.outcome if isinstance(answer, Reply) else "ok"
