"""Observers: parts that are told of each request. Rule: told after the answer is known, and never waited for.

A transport tells of requests of modern revisions, a bridge of those that it has put to the core for an old client, each
once however many rounds it took; `Call.spoken` tells them apart. What a bridge answers by itself it counts itself.
"""

from collections.abc import Sequence
from typing import Protocol

from mcp_runtime.core.calls.call import Answer, Call, Reply
from mcp_runtime.telemetry.labels import EraName, OutcomeName
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
        era: EraName = "modern" if call.spoken is None else "legacy"
        version = call.spoken or call.request.probe.version or ""
        duration_s = call.time.now() - since
        self._meter.request(era, version, call.transport, call.request.method, outcome_of(answer), duration_s)


class Observers:
    """Several observers as one, told one after the other."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def served(self, call: Call, answer: Answer | None, since: float) -> None:
        """As the port says."""
        for observer in self._observers:
            observer.served(call, answer, since)


def as_one(observers: Sequence[Observer]) -> Observer | None:
    """These observers as one, None where there are none."""
    return Observers(observers) if len(observers) > 1 else next(iter(observers), None)


def outcome_of(answer: Answer | None) -> OutcomeName:
    """How a request ended."""
    if answer is None:
        return "abandoned"
    return answer.outcome if isinstance(answer, Reply) else "ok"
