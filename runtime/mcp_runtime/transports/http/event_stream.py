"""Event streams that stay open. Rule: a stream ends whole, and an idle one costs two tasks and no more.

Its own task sends what there is. Patience has the other one: it notices that the client is gone, and keeps the
connection alive.
Spec: 2026-07-28/basic/transports/streamable-http#receiving-messages
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, cast

import anyio
from starlette.types import Message

from mcp_runtime.transports.http.bridge_port import LegacyExchange
from mcp_runtime.transports.http.event_answer import EventAnswer
from mcp_runtime.transports.http.patience import Patience, Watched

Events = AsyncGenerator[bytes, None]
"""Server-sent events, encoded."""

_FAREWELL_S: Final = 1.0
"""Time for a stream to send what is pending and its last event once uvicorn stops, however short the grace is."""


class _OpenStream(Watched, kw_only=True):
    """`is_ending` once nobody is to cut it off any more."""

    scope: anyio.CancelScope
    answer: EventAnswer
    is_ending: bool = False

    def gone(self) -> None:
        if not self.is_ending:
            self.scope.cancel()

    async def keep_alive(self) -> None:
        await self.answer.keep_alive()


async def serve_event_stream(events: Events, exchange: LegacyExchange, *, patience: Patience) -> None:
    """Answer `exchange` with `events`, until they end or the client is gone."""
    answer = exchange.open_stream()
    with patience.loop.new_scope() as scope:
        watched = _OpenStream(receive=exchange.incoming, scope=scope, answer=answer)
        patience.look_after(watched)
        patience.streams.add(scope)
        try:
            await answer.begin()
            async with aclosing(events):
                async for event in events:
                    await answer.send(event)
            # Some servers report a disconnect of their own making while the last piece is on its way, and a connection
            # whose last send is cancelled is never closed.
            watched.is_ending = True
            await answer.end()
        finally:
            patience.streams.discard(scope)
            patience.leave(watched)


async def end_with_uvicorn(patience: Patience, close: Callable[[], None], *, grace_s: float) -> None:
    """Call `close` once uvicorn stops, and cut streams that are still open `grace_s` later.

    So long do calls on a stream of HTTP+SSE have to finish, which ends it. Waits for ever under other servers.

    uvicorn waits for its connections before it ends the lifespan. sse-starlette knows how to see it stop: so it gets
    one stream of its own, which goes nowhere.
    """
    from sse_starlette import EventSourceResponse

    source = EventSourceResponse(
        _silence(),
        shutdown_event=cast("anyio.Event", _CallWhenSet(close)),
        shutdown_grace_period=max(grace_s, _FAREWELL_S),
    )
    await source({"type": "http", "method": "GET"}, _never, _nowhere)
    for scope in list(patience.streams):
        scope.cancel()


async def _silence() -> Events:
    await anyio.sleep_forever()
    yield b""


async def _never() -> Message:
    await anyio.sleep_forever()
    raise AssertionError("it never wakes")


async def _nowhere(message: Message) -> None:
    del message


class _CallWhenSet:
    """What sse-starlette takes for an event to set at shutdown."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def set(self) -> None:
        self._call()
