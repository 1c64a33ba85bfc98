"""Server-sent events: messages on a stream. Rule: sse-starlette encodes them, and is imported for the first one.

A process that sends none loads neither it nor what it brings.
"""

from functools import cache
from typing import Any, Final

KEEP_ALIVE: Final = b": keep-alive\r\n\r\n"
"""A comment, which clients drop."""


def encode_event(
    message: bytes, *, name: str | None = None, event_id: str | None = None, retry_ms: int | None = None
) -> bytes:
    """The event that carries `message`. `event_id` is where a client takes the stream up again, after `retry_ms`."""
    encoded: bytes = _event_type()(data=message.decode(), event=name, id=event_id, retry=retry_ms).encode()
    return encoded


@cache
def _event_type() -> Any:
    from sse_starlette import ServerSentEvent

    return ServerSentEvent
