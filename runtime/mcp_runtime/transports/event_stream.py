"""Streams that stay open: sse-starlette pings them and notices when the client is gone. Rule: a stream ends whole.

Spec: 2026-07-28/basic/transports/streamable-http#receiving-messages
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Final, cast

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Message, Receive, Scope, Send

_FAREWELL_S: Final = 1.0
"""Time for a stream to send what is pending and its last event once the server stops."""


async def serve_event_stream(
    events: AsyncGenerator[ServerSentEvent, None],
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    headers: list[tuple[bytes, bytes]],
    keep_alive_interval_s: float,
    close: Callable[[], None],
) -> None:
    """Send `events` until they end or the client is gone; `headers` go beside those of an event stream.

    `close` is called when the server stops under uvicorn, where sse-starlette sees that before the lifespan does;
    elsewhere the drain comes first.
    """
    source = EventSourceResponse(
        events,
        ping=keep_alive_interval_s,
        ping_message_factory=lambda: ServerSentEvent(comment="keep-alive"),
        shutdown_event=cast("anyio.Event", _CallWhenSet(close)),
        shutdown_grace_period=_FAREWELL_S,
    )
    # It adds Connection, which HTTP/2 forbids and HTTP/1.1 servers set themselves.
    source.raw_headers = [item for item in source.raw_headers if item[0] != b"connection"] + headers
    async with aclosing(events):
        # Servers may fail a send to a client that is gone; whoever has a task group around this would get a group.
        with suppress(OSError):
            await source(scope, *_uninterrupted(receive, send))


def _uninterrupted(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """The same ends for sse-starlette, which takes a disconnect as a reason to cancel what it is sending.

    A server reports the disconnect of its own making while the last piece of the body is on its way, and a connection
    whose last send is cancelled is never closed. So from that piece on a disconnect is no news.
    """
    ended = False

    async def noting_send(message: Message) -> None:
        nonlocal ended
        ended = ended or (message["type"] == "http.response.body" and not message.get("more_body", False))
        await send(message)

    async def deaf_receive() -> Message:
        message = await receive()
        if ended:
            await anyio.sleep_forever()
        return message

    return deaf_receive, noting_send


class _CallWhenSet:
    """What sse-starlette takes for an event to set at shutdown."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def set(self) -> None:
        self._call()
