"""Metrics: the counts of the work. Rule: to count is arithmetic on numbers that are there; text is made when asked for.

Whoever serves requests knows the port, `Meter`, alone. Labels come from fixed sets, so that no client can add a series:
a method that nobody knows is "other".
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, Literal, Protocol

import msgspec

from mcp_runtime.protocol.legacy import LEGACY_METHODS
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS, MODERN_REVISIONS
from mcp_runtime.telemetry.labels import EraName, OutcomeName, TransportName

OTHER: Final = "other"
"""The label of what is in no set."""
NO_REVISION: Final = "none"
"""The label of a request before a revision was agreed on: an empty one would be no label."""
DURATION_BUCKETS_S: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)
"""From what a cheap tool takes to the default time limit of a handler."""


class Meter(Protocol):
    """The port of metrics, told of requests and streams. Called on the event loop; never waits, never fails."""

    def request(  # noqa: PLR0917  # on every request, where keywords cost
        self,
        era: EraName,
        revision: str,
        transport: TransportName,
        method: str,
        outcome: OutcomeName,
        duration_s: float,
    ) -> None:
        """A request has ended. `revision` is empty where none was agreed on."""
        ...

    def stream_opened(self, era: EraName, transport: TransportName) -> None:
        """A long-lived stream begins: subscriptions/listen, the GET of a session, HTTP+SSE."""
        ...

    def stream_closed(self, era: EraName, transport: TransportName) -> None:
        """It has ended, in whatever way."""
        ...


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers under one name, which ends in "_total" for a counter, and has the unit in it.

    `read` gives them by the values of `labels`, in their order, whenever somebody asks.
    """

    name: str
    description: str
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    read: Callable[[], Mapping[tuple[str, ...], float]]


class Histogram(msgspec.Struct, kw_only=True):
    """A histogram of durations: how many fell into each bucket, the last one past every bound; and their sum."""

    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * (len(DURATION_BUCKETS_S) + 1))
    sum_s: float = 0.0


class _Series(msgspec.Struct):
    """The counts of one combination of labels, found once."""

    durations: Histogram
    count: int = 0


_Labels = tuple[str, str, str, str, str]


class Metrics:
    """The meter that remembers. `methods` are those that get a label of their own.

    For one thread: the event loop's.
    """

    def __init__(self, *, methods: Collection[str]) -> None:
        self._methods = LEGACY_METHODS.union(methods)
        self._requests: dict[_Labels, _Series] = {}
        self._durations: dict[tuple[str, str, str], Histogram] = {}
        self._streams: dict[tuple[str, str], int] = {}
        self._families: list[Family] = []

    def request(  # noqa: PLR0917  # on every request, where keywords cost
        self,
        era: EraName,
        revision: str,
        transport: TransportName,
        method: str,
        outcome: OutcomeName,
        duration_s: float,
    ) -> None:
        """Count a request, and how long it took."""
        series = self._requests.get((era, revision, transport, method, outcome))
        if series is None:
            series = self._bounded(era, revision, transport, method, outcome)
        series.count += 1
        durations = series.durations
        durations.buckets[bisect_left(DURATION_BUCKETS_S, duration_s)] += 1
        durations.sum_s += duration_s

    def stream_opened(self, era: EraName, transport: TransportName) -> None:
        """One more stream is open."""
        self._streams[era, transport] = self._streams.get((era, transport), 0) + 1

    def stream_closed(self, era: EraName, transport: TransportName) -> None:
        """One fewer is open."""
        self._streams[era, transport] = self._streams.get((era, transport), 0) - 1

    def add(self, family: Family) -> None:
        """Show these numbers, too."""
        self._families.append(family)

    def durations(self) -> Mapping[tuple[str, str, str], Histogram]:
        """By era, transport and method."""
        return self._durations

    def families(self) -> Iterator[Family]:
        """Everything that is no histogram."""
        yield Family(
            name="mcp_requests_total",
            description="Requests that have ended.",
            kind="counter",
            labels=("era", "revision", "transport", "method", "outcome"),
            read=lambda: {labels: series.count for labels, series in self._requests.items()},
        )
        yield Family(
            name="mcp_open_streams",
            description="Streams that are open: subscriptions/listen, GET streams of sessions, HTTP+SSE.",
            kind="gauge",
            labels=("era", "transport"),
            read=lambda: dict[tuple[str, ...], float](self._streams.items()),
        )
        yield from self._families

    def _bounded(self, era: str, revision: str, transport: str, method: str, outcome: str) -> _Series:
        """The series of what may not have been seen before: under labels of the fixed sets."""
        known_revision = revision if revision in _REVISIONS else OTHER if revision else NO_REVISION
        known_method = method if method in self._methods else OTHER
        labels = (era, known_revision, transport, known_method, outcome)
        series = self._requests.get(labels)
        if series is None:
            durations = self._durations.setdefault((era, transport, known_method), Histogram())
            series = self._requests[labels] = _Series(durations)
        return series


_REVISIONS: Final = frozenset({*MODERN_REVISIONS, *LEGACY_REVISIONS})
