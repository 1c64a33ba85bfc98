"""The honest client: one call after the other, in turns on each way to reach the server. Rule: every answer is looked at.

It has an address of its own, as the attackers have.
"""

import http.client
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Self

from tests.benchmarks.hostile.foe import FORWARDED, SESSION
from tests.support.blocking_http import Connection
from tests.support.blocking_http2 import Http2Connection
from tests.support.blocking_old_http import initialize, old_call
from tests.support.messages import Message, call, encode, text

_EXTRA: Final = {FORWARDED: "203.0.113.1"}
_OLD: Final = {
    **_EXTRA,
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": SESSION,
}
_PAUSE_S: Final = 0.004
_NEW: Final = "new connection"
"""The way on which to connect is a part of the call."""
_GOES_WRONG: Final = (OSError, http.client.HTTPException, AssertionError, ValueError, KeyError)
"""Of the clients in tests/support: what was lost, refused, or answered as it should not be."""
Ask = Callable[[Message], Message]


@dataclass(slots=True)
class Seen:
    """What the honest client saw: seconds of each call by the way it took, and what went wrong."""

    taken_s: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    failures: list[str] = field(default_factory=list[str])


class Honest:
    """The client of the server at `port`, whose connections last until something goes wrong on them, or it pauses."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/mcp"
        self._stacks: dict[str, ExitStack] = {}
        self._open: dict[str, Ask] = {}
        self._ids = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_all()

    def call_for(self, seconds: float) -> Seen:
        """Call for so long, on connections that are new. What goes wrong is written down, and it goes on."""
        self._close_all()
        seen = Seen({way: [] for way in WAYS})
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for way in WAYS:
                is_first = way not in self._open and way != _NEW
                began = time.perf_counter()
                try:
                    self._call(way)
                except _GOES_WRONG as error:
                    seen.failures.append(f"{way}: {type(error).__name__}: {str(error)[:200]}")
                    self._close(way)
                    is_first = False  # What it took to find out counts.
                if not is_first:
                    seen.taken_s[way].append(time.perf_counter() - began)
            time.sleep(_PAUSE_S)
        return seen

    def _call(self, way: str) -> None:
        if way not in self._open:
            self._stacks[way] = ExitStack()
            self._open[way] = WAYS[way](self._url, self._stacks[way])
        number = next(self._ids)
        make = old_call if way == "session" else call
        answer = self._open[way](make("echo", number, text=str(number)))
        if answer.get("id") != number or text(answer) != str(number):
            raise ValueError(f"request {number} was answered with {answer}")
        if way == _NEW:
            self._close(way)

    def _close_all(self) -> None:
        for way in list(self._stacks):
            self._close(way)

    def _close(self, way: str) -> None:
        self._open.pop(way, None)
        if way in self._stacks:
            self._stacks.pop(way).close()


def _over_http1(url: str, stack: ExitStack) -> Ask:
    connection = stack.enter_context(Connection(url))

    def ask(message: Message) -> Message:
        connection.send(message, _EXTRA)
        return connection.answer()

    return ask


def _over_http2(url: str, stack: ExitStack) -> Ask:
    connection = stack.enter_context(Http2Connection(url, tls=None))

    def ask(message: Message) -> Message:
        answer = connection.answer(connection.send(message, _EXTRA))
        connection.seen.clear()
        return answer

    return ask


def _in_session(url: str, stack: ExitStack) -> Ask:
    connection = stack.enter_context(Connection(url))
    connection.send_body(encode(initialize(SESSION)), _OLD)
    opened = connection.response()
    fields = {**_OLD, "mcp-session-id": opened.headers["mcp-session-id"] or ""}
    connection.answer()

    def ask(message: Message) -> Message:
        connection.send_body(encode(message), fields)
        return connection.answer()

    return ask


WAYS: Final[dict[str, Callable[[str, ExitStack], Ask]]] = {
    "HTTP/1.1": _over_http1,
    "HTTP/2": _over_http2,
    "session": _in_session,
    _NEW: _over_http1,
}
"""Each way to the server, and what opens it."""
