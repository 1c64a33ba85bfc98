"""Requests a second, and processor time each, of several servers. Rule: answers are right before and after, or nothing.

A lane is a running server, the requests that are sent to it and what their answers have to be.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from tests.benchmarks import wrk
from tests.benchmarks.measurement import Measurement, Series
from tests.benchmarks.peers import PEERS
from tests.benchmarks.server import HttpServer, PeerError, installed
from tests.benchmarks.turns import Pace, in_turns, say
from tests.benchmarks.wire import Message, ask

Check = Callable[[list[Message]], bool]
Prepare = Callable[[HttpServer], Sequence[bytes]]
"""Makes the requests for a server that has started: older revisions need sessions first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is asked, over how many connections, and what the answers have to be."""

    name: str
    prepare: Prepare
    is_right: Check
    connections: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A peer under a workload; `extra` are more variables for its process."""

    peer: str
    workload: Workload
    x: float | None = None
    extra: Mapping[str, str] | None = None
    transport: Literal["http", "sse"] = "http"


@dataclass(slots=True)
class Ready:
    """A lane whose server runs and has answered rightly."""

    lane: Lane
    server: HttpServer
    requests: Sequence[bytes]

    def check(self) -> None:
        """Raises PeerError unless the first and the last request are answered as they should be."""
        for request in {self.requests[0], self.requests[-1]}:
            try:
                answer = ask(self.server.port, request)
            except (OSError, ValueError) as error:
                raise self.server.failure(f"{self.lane.workload.name}: {type(error).__name__}: {error}") from None
            if not self.lane.workload.is_right(answer):
                raise self.server.failure(f"{self.lane.workload.name}: answered {str(answer)[:300]}")

    def run(self, seconds: float) -> tuple[float, float]:
        """One run: answers a second, and microseconds of the server's processor time for each.

        Raises PeerError where an answer was no answer.
        """
        workload, before_s = self.lane.workload, self.server.cpu_s()
        try:
            load = wrk.run(self.server.port, self.requests, seconds=seconds, connections=workload.connections)
        except wrk.LoadError as error:
            raise self.server.failure(f"{workload.name}: {error}") from None
        return load.per_second, (self.server.cpu_s() - before_s) * 1e6 / load.requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What came of a measurement: answers a second, microseconds of processor each, and who is missing and why."""

    per_second: tuple[Series, ...]
    cpu_us: tuple[Series, ...]
    absent: dict[str, str]


def start(lane: Lane, stack: ExitStack) -> Ready:
    """Start the server of `lane`, warm it up and check its answers. Raises PeerError."""
    server = stack.enter_context(HttpServer(installed(lane.peer), extra=lane.extra, transport=lane.transport))
    server.wait_until_listening()
    try:
        requests = lane.workload.prepare(server)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise server.failure(f"{lane.workload.name}: {type(error).__name__}: {error}") from None
    ready = Ready(lane, server, requests)
    ready.check()
    return ready


def measure(lanes: Sequence[Lane], pace: Pace) -> Rates:
    """All lanes, in turns. Raises PeerError for an answer that is wrong once it has been right."""
    absent: dict[str, str] = {}
    samples: dict[int, list[tuple[float, float]]] = {index: [] for index in range(len(lanes))}
    for _ in range(pace.starts):
        with ExitStack() as stack:
            ready: dict[int, Ready] = {}
            for index, had in samples.items():
                lane = lanes[index]
                say(f"{lane.workload.name}: starting {PEERS[lane.peer].label}")
                try:
                    started = start(lane, stack)
                    started.run(1)
                except PeerError as error:
                    if had:
                        raise
                    absent[lane.peer] = str(error)
                else:
                    ready[index] = started
            samplers = {index: _sampler(one, pace.seconds) for index, one in ready.items()}
            found = in_turns(samplers, pace.rounds, say=lambda text: say(f"{lanes[0].workload.name}: {text}"))
            for one in ready.values():
                one.check()
        samples = {index: samples[index] + more for index, more in found.items()}
    return Rates(
        per_second=tuple(_series(lanes[index], [rate for rate, _ in pairs]) for index, pairs in samples.items()),
        cpu_us=tuple(_series(lanes[index], [cpu for _, cpu in pairs]) for index, pairs in samples.items()),
        absent=absent,
    )


def _series(lane: Lane, samples: list[float]) -> Series:
    return Series(peer=lane.peer, samples=tuple(samples), x=lane.x)


def _sampler(ready: Ready, seconds: float) -> Callable[[], tuple[float, float]]:
    return lambda: ready.run(seconds)


def measurements(
    key: str, title: str, lanes: Sequence[Lane], pace: Pace, *, axis: str | None = None, against: str = "ours"
) -> list[Measurement]:
    """`measure`, as two measurements: `key` is the rate, `key`-cpu what a request costs the server.

    `against` is the peer that ratios are to.
    """
    rates = measure(lanes, pace)
    return [
        Measurement(
            key=key,
            title=title,
            unit="requests/s",
            better="more",
            series=rates.per_second,
            against=against,
            axis=axis,
            absent=rates.absent,
        ),
        Measurement(
            key=f"{key}-cpu",
            title=f"{title}: processor time",
            unit="us",
            better="less",
            series=rates.cpu_us,
            against=against,
            axis=axis,
            absent=rates.absent,
        ),
    ]
