"""Clients of older revisions. Rule: the sessions are real ones, opened by `initialize`."""

import http.client
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final
from urllib.parse import urljoin

from tests.benchmarks import lanes, workloads
from tests.benchmarks.measurement import Measurement, Series
from tests.benchmarks.peers import PEERS, SDKS, SSE
from tests.benchmarks.pinning import LOAD_CORE, pinned_to
from tests.benchmarks.server import HttpServer, PeerError, installed
from tests.benchmarks.streams import GET, SSE_PATH
from tests.benchmarks.turns import Pace, in_turns, percentile, say
from tests.benchmarks.wire import HOST, INITIALIZE, INITIALIZED, Exchange, Message, events
from tests.support.messages import encode

_ROUND_TRIPS: Final = 500


class _SseClient:
    """A client of 2024-11-05: it posts, and hears the answer on its stream."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._stream = Exchange(server.port, GET)
        self._events = events(self._stream.response)
        self._endpoint = urljoin(SSE_PATH, next(self._events))
        self._posts = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        self._last = 0
        params = {**INITIALIZE["params"], "protocolVersion": "2024-11-05"}
        if "result" not in self.ask("initialize", params):
            raise server.failure("initialize was refused on /sse")
        self._post(INITIALIZED)

    def ask(self, method: str, params: Message) -> Message:
        """The answer, which comes on the stream."""
        self._last += 1
        self._post({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params})
        for data in self._events:
            message: Message = json.loads(data)
            if message.get("id") == self._last:
                return message
        raise self._server.failure("the stream ended")

    def _post(self, message: Message) -> None:
        self._posts.request("POST", self._endpoint, encode(message), {"content-type": "application/json", "host": HOST})
        response = self._posts.getresponse()
        response.read()
        if response.status != 202:
            raise self._server.failure(f"{message.get('method')}: {response.status}")

    def round_trips_us(self, count: int) -> list[float]:
        """How long each of `count` calls took."""
        # While others had their turn the server may have closed what was idle; the call before the first one reconnects.
        self._posts.close()
        self.ask("ping", {})
        taken: list[float] = []
        for _ in range(count):
            started = time.perf_counter()
            answer = self.ask("tools/call", {"name": "echo", "arguments": {"text": "hello"}})
            taken.append((time.perf_counter() - started) * 1e6)
            if answer.get("result", {}).get("content", [{}])[0].get("text") != "hello":
                raise self._server.failure(f"answered {str(answer)[:300]}")
        return taken

    def close(self) -> None:
        """Hang up."""
        self._posts.close()
        self._stream.close()


def run(pace: Pace) -> list[Measurement]:
    """Requests a second in sessions, and round trips over HTTP+SSE."""
    rows = [lanes.Lane(peer=peer, workload=workloads.legacy_call()) for peer in SDKS]
    return [*lanes.measurements("legacy/call", "tools/call in sessions of 2025-11-25", rows, pace), *_over_sse(pace)]


def _over_sse(pace: Pace) -> list[Measurement]:
    absent: dict[str, str] = {}
    count = pace.count(_ROUND_TRIPS, 50)
    with ExitStack() as stack, pinned_to(LOAD_CORE):
        clients: dict[str, Callable[[], list[float]]] = {}
        for key in SSE:
            say(f"HTTP+SSE: starting {PEERS[key].label}")
            try:
                clients[key] = _trips(_connect(key, stack), count)
            except (PeerError, OSError, ValueError, StopIteration, http.client.HTTPException) as error:
                absent[key] = str(error) or type(error).__name__
        trips = in_turns(clients, pace.rounds, say=lambda text: say(f"HTTP+SSE: {text}"))
    return [
        Measurement(
            key=f"legacy/sse-{name}",
            title=f"round trip of a tools/call over HTTP+SSE, {name}",
            unit="us",
            better="less",
            series=tuple(
                Series(peer=key, samples=tuple(percentile(taken, share) for taken in rounds))
                for key, rounds in trips.items()
            ),
            absent=absent,
        )
        for share, name in ((0.5, "p50"), (0.99, "p99"))
    ]


def _connect(key: str, stack: ExitStack) -> _SseClient:
    server = stack.enter_context(HttpServer(installed(key), transport="sse"))
    server.wait_until_listening()
    client = _SseClient(server)
    stack.callback(client.close)
    client.round_trips_us(20)
    return client


def _trips(client: _SseClient, count: int) -> Callable[[], list[float]]:
    return lambda: client.round_trips_us(count)
