"""Server-sent events: messages on a stream. Rule: a message that is one line is copied once, however long it is.

Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import re
from typing import Final

KEEP_ALIVE: Final = b": keep-alive\r\n\r\n"
"""A comment, which clients drop."""
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


def encode_event(
    message: bytes, *, name: str | None = None, event_id: str | None = None, retry_ms: int | None = None
) -> bytes:
    """The event that carries `message`. `event_id` is where a client takes the stream up again, after `retry_ms`."""
    before = b"" if event_id is None else b"id: %b\r\n" % _one_line(event_id)
    if name is not None:
        before += b"event: %b\r\n" % _one_line(name)
    after = b"\r\n" if retry_ms is None else b"retry: %d\r\n\r\n" % retry_ms
    if message.find(b"\n") >= 0 or message.find(b"\r") >= 0:  # JSON that a plugin wrote, over several lines
        message = b"\r\ndata: ".join(_LINE_END.split(message))
    return b"%bdata: %b\r\n%b" % (before, message, after)


def _one_line(text: str) -> bytes:
    return _LINE_END.sub(b"", text.encode())
