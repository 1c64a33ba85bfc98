"""Server-sent events are written as sse-starlette writes them, whose clients read many servers."""

import tracemalloc
from itertools import product

import pytest
from sse_starlette import ServerSentEvent

from mcp_runtime.transports.http.server_sent_events import encode_event

MESSAGES = (b"", b"{}", b"a\nb", b"a\r\nb\rc\n", b"\r\n\r\n", "é\u2028 \x85".encode())


@pytest.mark.parametrize("message", MESSAGES)
def test_an_event_is_what_sse_starlette_makes_of_it(message: bytes) -> None:
    names, ids, retries = (None, "endpoint", "two\nlines"), (None, "7", "a\r\nb\rc"), (None, 0, 1000)
    for name, event_id, retry_ms in product(names, ids, retries):
        theirs = ServerSentEvent(data=message.decode(), event=name, id=event_id, retry=retry_ms).encode()
        assert encode_event(message, name=name, event_id=event_id, retry_ms=retry_ms) == theirs


def test_a_long_message_is_copied_once() -> None:
    message = b"x" * 4_000_000
    tracemalloc.start()
    try:
        encode_event(message, event_id="1")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1.3 * len(message)
