"""Messages on pipes. Rule: every answer is counted once, by its id; one too many or too few is no result."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from tests.benchmarks.measurement import Measurement, Series
from tests.benchmarks.peers import STDIO
from tests.benchmarks.pinning import LOAD_CORE, pinned_to
from tests.benchmarks.server import PeerError, StdioServer, installed
from tests.benchmarks.turns import Pace, in_turns, percentile, say
from tests.support.messages import encode, request

_OUTSTANDING: Final = 64
"""Calls under way at once: their lines fit into a pipe, so that neither side can block the other."""
_ROUND_TRIPS: Final = 1000


class _Pipes:
    """A running server, asked by lines whose ids count up."""

    def __init__(self, server: StdioServer) -> None:
        self._server = server
        self._last = 0
        line = encode(request("tools/call", {"name": "echo", "arguments": {"text": "hello"}}, capabilities={}, id=0))
        self._before, self._after = line.split(b'"id":0,')

    def send(self) -> None:
        """One more call."""
        self._last += 1
        self._server.stdin.write(b'%b"id":%d,%b\n' % (self._before, self._last, self._after))
        self._server.stdin.flush()

    def receive(self) -> int:
        """The id of the next answer. Raises PeerError where it is none."""
        line = self._server.stdout.readline()
        try:
            answer = json.loads(line)
            if answer["result"]["content"][0]["text"] == "hello":
                return int(answer["id"])
        except (ValueError, KeyError, IndexError):
            pass
        raise self._server.failure(f"answered {line[:300]!r}")

    def calls_per_second(self, seconds: float) -> float:
        """With as many calls under way as `_OUTSTANDING`."""
        first = self._last + 1
        answered: set[int] = set()
        started = time.perf_counter()
        for _ in range(_OUTSTANDING):
            self.send()
        while time.perf_counter() < started + seconds:
            answered.add(self.receive())
            self.send()
        while len(answered) <= self._last - first:
            before = len(answered)
            answered.add(self.receive())
            if len(answered) == before:
                raise self._server.failure("answered a call twice")
        return len(answered) / (time.perf_counter() - started)

    def round_trips_us(self, count: int) -> list[float]:
        """How long each of `count` calls took, one after the other."""
        taken: list[float] = []
        for _ in range(count):
            started = time.perf_counter()
            self.send()
            self.receive()
            taken.append((time.perf_counter() - started) * 1e6)
        return taken


def run(pace: Pace, peers: tuple[str, ...] = STDIO) -> list[Measurement]:
    """Calls a second, and round trips at the median and the 99th percentile."""
    absent: dict[str, str] = {}
    with ExitStack() as stack, pinned_to(LOAD_CORE):
        pipes: dict[str, _Pipes] = {}
        for key in peers:
            try:
                pipes[key] = _start(key, stack)
            except PeerError as error:
                absent[key] = str(error)
        rates = in_turns({key: _rate(one, pace) for key, one in pipes.items()}, pace.rounds, say=_say)
        trips = in_turns({key: _trips(one, pace) for key, one in pipes.items()}, pace.rounds, say=_say)
    made = [
        Measurement(
            key="stdio/calls",
            title="tools/call on stdio, 64 under way",
            unit="calls/s",
            better="more",
            series=tuple(Series(peer=key, samples=tuple(values)) for key, values in rates.items()),
            absent=absent,
        )
    ]
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        series = tuple(
            Series(peer=key, samples=tuple(percentile(taken, share) for taken in rounds))
            for key, rounds in trips.items()
        )
        title = f"round trip of a tools/call on stdio, {name}"
        made.append(
            Measurement(key=f"stdio/{name}", title=title, unit="us", better="less", series=series, absent=absent)
        )
    return made


def _start(key: str, stack: ExitStack) -> _Pipes:
    peer = installed(key)
    say(f"stdio: starting {peer.label}")
    pipes = _Pipes(stack.enter_context(StdioServer(peer)))
    pipes.round_trips_us(50)
    return pipes


def _rate(pipes: _Pipes, pace: Pace) -> Callable[[], float]:
    return lambda: pipes.calls_per_second(pace.seconds)


def _trips(pipes: _Pipes, pace: Pace) -> Callable[[], list[float]]:
    return lambda: pipes.round_trips_us(pace.count(_ROUND_TRIPS, 100))


def _say(text: str) -> None:
    say(f"stdio: {text}")
