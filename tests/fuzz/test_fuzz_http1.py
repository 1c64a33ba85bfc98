"""Heads that are almost right. What we accept, another parser reads the same way: h11, in nothing but its own strictness."""

from typing import Final

import h11
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcp_runtime.config.limits import Limits
from mcp_runtime.server.http1.head_reader import ConnectionHeads, HeadReader
from mcp_runtime.server.http1.request_body import ChunkedBody
from mcp_runtime.server.http1.request_head import RequestHead, RequestRefusedError

LIMITS: Final = Limits()
READER: Final = HeadReader(LIMITS)
"""A server's, for as long as these tests run."""
GOOD: Final = (
    b"POST /mcp?x=y HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost:a\r\nTransfer-Encoding: chunked\r\nX:\t y \r\nX: z\r\n\r\n",
    b"GET http://a/b HTTP/1.0\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
)
CHUNKS: Final = b"3\r\nabc\r\n1;x=y\r\n\n\r\n0\r\nTrailer: x\r\n\r\n"
PIECES: Final = (
    *(b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b":", b",", b";", b'"', b"\x0b", b"\x7f", b"\xe9", b"0", b"1", b"a"),
    *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n", b"HTTP/1.1", b"\r\n x\r\n"),
)


@st.composite
def damaged(draw: st.DrawFn, good: tuple[bytes, ...]) -> bytes:
    """A good one in which a few places are replaced, removed or doubled."""
    data = draw(st.sampled_from(good))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        end = at + draw(st.integers(0, 3))
        data = data[:at] + draw(st.sampled_from((*PIECES, b"", data[at:end] * 2))) + data[end:]
    return data


def read(head: bytes, reader: HeadReader | ConnectionHeads) -> RequestHead | int:
    """What is made of it by a server or on a connection, or the status that it is refused with."""
    try:
        return reader.read(head)
    except RequestRefusedError as error:
        return error.status


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(damaged(GOOD))
@example(GOOD[0])
@example(GOOD[1])
@example(GOOD[2])
def test_a_head_that_we_accept_is_the_same_to_another_parser(data: bytes) -> None:
    head = data.partition(b"\r\n\r\n")[0]
    ours, again = read(head, READER), read(head, READER)  # whose lines are known the second time
    if isinstance(ours, int) or isinstance(again, int):
        assert ours == again
        return
    assert (again.line, again.headers, again.facts) == (ours.line, ours.headers, ours.facts)
    other = h11.Connection(h11.SERVER)
    other.receive_data(head + b"\r\n\r\n")
    theirs = other.next_event()
    assert isinstance(theirs, h11.Request)
    raw_path, _, query = theirs.target.partition(b"?")
    assert (ours.line.method, ours.line.version) == (theirs.method.decode(), theirs.http_version.decode())
    assert (ours.line.raw_path, ours.line.query) == (raw_path, query)
    lowered = [(name, value.lower()) for name, value in ours.headers]
    assert lowered == [(name, value.lower()) for name, value in theirs.headers]


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(damaged((CHUNKS,)), st.integers(1, 50))
@example(CHUNKS, 1)
def test_a_chunked_body_that_we_accept_is_the_same_to_another_parser(data: bytes, size: int) -> None:
    body, rest = ChunkedBody(LIMITS), b""
    try:
        for at in range(0, len(data), size):
            part = data[at : at + size]
            rest += part if body.is_complete else body.feed(part)
    except RequestRefusedError:
        return
    other = h11.Connection(h11.SERVER)
    other.receive_data(GOOD[1] + data)
    theirs = b""
    while isinstance(event := other.next_event(), (h11.Request, h11.Data)):
        theirs += bytes(event.data) if isinstance(event, h11.Data) else b""
    assert (b"".join(body.pieces), body.is_complete) == (theirs, isinstance(event, h11.EndOfMessage))
    if body.is_complete:
        assert rest == other.trailing_data[0]


def is_taken_by_llhttp(head: bytes) -> bool:
    """Whether it has nothing against it."""
    try:
        HttpRequestParser(object()).feed_data(head)
    except HttpParserUpgrade:
        return True
    except HttpParserError:
        return False
    return True


FIRST_LINES = (b"POST / HTTP/1.1", b"POST / HTTP/1.0", b"CONNECT a:1 HTTP/1.1", b"GET /a?b HTTP/1.1", b"G@T / HTTP/1.1")
FIELD_LINES = (
    *(b"Host: a", b"host: a", b"Host: a,b", b"Host:", b"Content-Length: 3", b"content-length: 3", b"Content-Length: 4"),
    *(
        b"Content-Length: +3",
        b"Content-Length: 3, 3",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
    ),
    *(
        b"Transfer-Encoding : chunked",
        b"Connection: close",
        b"Connection: upgrade",
        b"Upgrade: h2c",
        b"Upgrade: websocket",
    ),
    *(
        b"Expect: 100-continue",
        b"X: y",
        b"X:\ty ",
        b"X : y",
        b" folded",
        b"X: \xff",
        b"X: \x01",
        b"X",
        b": y",
        b"Cookie: a",
    ),
    *(b"Proxy-Connection: keep-alive", b"TE: trailers", b"Trailer: x", b"Keep-Alive: 5", b"X: a\nb", b"X: a\rb"),
)


@settings(max_examples=2000, deadline=None, derandomize=True)
@given(st.sampled_from(FIRST_LINES), st.lists(st.sampled_from(FIELD_LINES), max_size=5))
def test_to_know_the_lines_of_a_head_changes_nothing(first: bytes, lines: list[bytes]) -> None:
    head = b"\r\n".join((first, *lines))
    reader = HeadReader(LIMITS)
    cold = read(head, reader)
    for line in lines:
        read(b"\r\n".join((b"GET / HTTP/1.1", b"Host: known", line)), reader)
    read(first + b"\r\nHost: known", reader)
    warm = read(head, reader)
    if isinstance(cold, int) or isinstance(warm, int):
        assert cold == warm
        return
    assert (warm.line, warm.headers, warm.facts) == (cold.line, cold.headers, cold.facts)
    assert is_taken_by_llhttp(head + b"\r\n\r\n")


def alone(head: bytes) -> RequestHead | int:
    """What is made of it where nothing came before it: llhttp reads every line of it."""
    return read(head, HeadReader(LIMITS))


def what_it_says(head: RequestHead) -> tuple[object, ...]:
    """Everything that is made use of."""
    return head.line, head.headers, head.facts, head.comes_once, head.is_last


LIKELY_LINES = (
    *(b"Host: a", b"Host: b", b"Content-Length: 3", b"Content-Length: 14", b"Content-Length: 00000000000000000003"),
    *(b"Mcp-Name: a", b"mcp-name: b", b"Mcp-Method: a", b"Connection: close", b"Connection: keep-alive", b"Cookie: a"),
)
HEADS = st.tuples(st.sampled_from(FIRST_LINES[:4]), st.lists(st.sampled_from(LIKELY_LINES), max_size=6))
CHANGES = st.lists(st.tuples(st.integers(-1, 5), st.sampled_from((*LIKELY_LINES, *FIELD_LINES, b""))), max_size=2)
"""A line in the place of another, or none; -1 is the first line."""


@settings(max_examples=3000, deadline=None, derandomize=True)
@given(HEADS, st.lists(CHANGES | HEADS, max_size=5))
@example((FIRST_LINES[0], [b"Host: a", b"Mcp-Name: a"]), [[(-1, b"mcp-name: b")]])
def test_what_came_before_a_head_changes_nothing(
    begin: tuple[bytes, list[bytes]],
    then: list[list[tuple[int, bytes]] | tuple[bytes, list[bytes]]],
) -> None:
    reader = HeadReader(LIMITS)
    for line in LIKELY_LINES:
        read(b"GET / HTTP/1.1\r\nHost: known\r\n" + line, reader)
    connection, (first, lines) = ConnectionHeads(reader), begin
    for step in ([], [], *then):
        if isinstance(step, tuple):
            first, lines = step
        else:
            for at, line in step:
                if at < 0:
                    first = line
                else:
                    lines = [*lines[:at], *([line] if line else []), *lines[at + 1 :]]
        head = b"\r\n".join((first, *lines))
        found, expected = read(head, connection), alone(head)
        if isinstance(found, int) or isinstance(expected, int):
            assert found == expected
            return  # after which the connection is closed
        assert what_it_says(found) == what_it_says(expected)
        assert is_taken_by_llhttp(head + b"\r\n\r\n")
