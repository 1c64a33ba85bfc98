"""Heads and chunked bodies without a socket: what is made of them, wherever their bytes are split."""

import pytest

from mcp_runtime.config.limits import Limits
from mcp_runtime.server.http1.head_reader import (
    KEPT_HEAD_BYTES,
    KEPT_LINE_BYTES,
    KEPT_LINES,
    ConnectionHeads,
    HeadReader,
)
from mcp_runtime.server.http1.request_body import ChunkedBody
from mcp_runtime.server.http1.request_head import RequestHead, RequestLine, RequestRefusedError, check_beginning

LIMITS = Limits()
READER = HeadReader(LIMITS)
CHUNKED = b"3\r\nabc\r\n4;x=y\r\n\r\n\r\n\r\n1\r\n\n\r\n0\r\nTrailer: z\r\nOther: 0\r\n\r\n"
NEXT = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n0\r\n\r\n"


class TestRequestHead:
    def test_names_are_lower_case_and_blanks_around_values_gone(self) -> None:
        head = READER.read(b"PUT /a?b HTTP/1.1\r\nHOST:a\r\nX-Y: \t c d \t\r\nx-y:")
        assert head.line == RequestLine("PUT", "1.1", "/a", b"/a", b"b")
        assert head.headers == [(b"host", b"a"), (b"x-y", b"c d"), (b"x-y", b"")]

    @pytest.mark.parametrize(
        ("fields", "is_last"),
        [
            (b"", False),
            (b"Connection: keep-alive\r\n", False),
            (b"Connection: closed\r\n", False),
            (b"Connection: close\r\n", True),
            (b"Connection: keep-alive\r\nConnection: x,Close\r\n", True),
        ],
    )
    def test_the_last_one_says_so(self, fields: bytes, is_last: bool) -> None:
        assert READER.read(b"GET / HTTP/1.1\r\n" + fields + b"Host: a").is_last is is_last

    def test_1_0_and_connect_are_the_last(self) -> None:
        assert READER.read(b"GET / HTTP/1.0\r\nConnection: keep-alive").is_last
        assert READER.read(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1").is_last

    @pytest.mark.parametrize(
        ("method", "fields"),
        [
            (b"GET", b"Connection: upgrade\r\nUpgrade: websocket\r\n"),
            (b"GET", b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"),
            (b"POST", b"Connection: upgrade\r\nUpgrade: websocket\r\n"),
            (b"GET", b"Upgrade: websocket\r\n"),
            (b"GET", b"Connection: upgrade\r\n"),
            (b"GET", b"Connection: upgrade\r\nUpgrade: h2c\r\n"),
            (b"OPTIONS", b"Connection: upgrade\r\nUpgrade: h2c\r\n"),
            (b"POST", b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n"),
            (b"POST", b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n"),
            (b"GET", b"Connection: upgrade\r\nUpgrade: h2c, websocket\r\n"),
            (b"GET", b"Connection: upgrade\r\nUpgrade: TLS/1.3\r\n"),
        ],
    )
    def test_to_ask_for_another_protocol_is_to_ask_for_nothing(self, method: bytes, fields: bytes) -> None:
        head = READER.read(method + b" / HTTP/1.1\r\n" + fields + b"Host: a")
        assert (head.line.method.encode(), head.is_last, head.comes_once) == (method, False, True)

    @pytest.mark.parametrize(("digits", "status"), [(b"9" * 19, None), (b"0" * 20, 400), (b"0" * 5000, 400)])
    def test_a_length_has_no_more_digits_than_a_length_can_have(self, digits: bytes, status: int | None) -> None:
        data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + digits
        if status is None:
            assert READER.read(data).facts[b"content-length"] == digits
            return
        with pytest.raises(RequestRefusedError) as caught:
            READER.read(data)
        assert caught.value.status == status


class TestRememberedLines:
    GET = b"GET / HTTP/1.1\r\nHost: a\r\n"

    def read(self, fields: bytes) -> RequestHead:
        return READER.read(self.GET + fields)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (b"Content-Length: 5", b"Content-Length: 6"),
            (b"Content-Length: 5", b"Content-Length: 5"),
            (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
            (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
            (b"Host: b", b"X: y"),
        ],
    )
    def test_lines_that_were_taken_one_by_one_are_refused_together(self, one: bytes, other: bytes) -> None:
        for line in (one, other):
            if not line.startswith(b"Host"):
                name, _, value = line.partition(b": ")
                assert [self.read(line).facts[name.lower()] for _ in range(2)] == [value] * 2
        for fields in (one + b"\r\n" + other, other + b"\r\n" + one):
            for _ in range(2):
                with pytest.raises(RequestRefusedError) as refused:
                    self.read(fields)
                assert refused.value.status in (400, 501)

    def test_a_head_of_remembered_lines_is_read_as_before(self) -> None:
        first, second = (self.read(b"Accept:  a \r\nx-two: b") for _ in range(2))
        assert first.headers == second.headers == [(b"host", b"a"), (b"accept", b"a"), (b"x-two", b"b")]
        assert first.line is second.line
        assert first.headers[1] is second.headers[1]

    @pytest.mark.parametrize("name", [b"Authorization", b"proxy-authorization", b"COOKIE", b"Mcp-Session-Id", b"X-Key"])
    def test_secrets_are_not_kept(self, name: bytes) -> None:
        for _ in range(2):
            assert self.read(name + b": a secret").facts[name.lower()] == b"a secret"
        assert not [line for line in READER.known_fields if b"a secret" in line]
        assert READER.read(b"GET /?a-secret HTTP/1.1\r\nHost: a").line.query == b"a-secret"
        assert not [line for line in READER.known_lines if b"a-secret" in line]

    def test_no_more_and_no_longer_lines_are_kept_than_that(self) -> None:
        kept, longer = (b"accept: " + b"y" * (KEPT_LINE_BYTES - 8 + more) for more in (0, 1))
        for line in (kept, longer):
            assert self.read(line).facts[b"accept"] == line[8:]
        assert (kept in READER.known_fields, longer in READER.known_fields) == (True, False)
        longest = READER.read(b"GET /%b HTTP/1.1\r\nHost: a" % kept[8:]).line
        assert (longest.path[1:].encode(), longest in READER.known_lines.values()) == (kept[8:], False)
        for number in range(KEPT_LINES + 10):
            assert self.read(b"accept: %d" % number).facts[b"accept"] == b"%d" % number
            assert READER.read(b"GET /%d HTTP/1.1\r\nHost: a" % number).line.raw_path == b"/%d" % number
        assert len(READER.known_fields) <= KEPT_LINES
        assert len(READER.known_lines) <= KEPT_LINES

    def test_a_line_that_was_refused_is_refused_again(self) -> None:
        for _ in range(2):
            with pytest.raises(RequestRefusedError):
                self.read(b"X : y")
            with pytest.raises(RequestRefusedError):
                READER.read(b"G@T / HTTP/1.1\r\nHost: a")


class TestConnectionHeads:
    HEAD = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nMcp-Name: one\r\nCookie: a secret"

    def after(self, *heads: bytes, reader: HeadReader = READER) -> ConnectionHeads:
        """A connection on which these came."""
        connection = ConnectionHeads(reader)
        for head in heads:
            connection.read(head)
        return connection

    def test_the_same_head_again_is_the_same(self) -> None:
        connection = self.after(self.HEAD, self.HEAD)
        assert connection.read(self.HEAD) is connection.read(self.HEAD)

    def test_the_first_is_not_kept(self) -> None:
        connection = self.after(self.HEAD)
        assert [getattr(connection, name) for name in ("_last", "_head", "_lines")] == [None, b"", []]

    @pytest.mark.parametrize(
        ("old", "new", "is_parsed"),
        [
            (b": 12", b": 345", False),
            (b"one", b"two", False),
            (b": 12\r\nMcp-Name: one", b": 345\r\nMcp-Name: two", False),
            (b": 12", b": 777", True),  # which nobody has sent before
            (b"Host: a", b"Host: b", True),
            (b"a secret", b"b secret", True),
            (b"Mcp-Name: one", b"Accept: one", True),
            (b"/a", b"/b", True),
            (b"Mcp-Name: one\r\n", b"", True),
        ],
    )
    def test_what_is_new_is_seen_and_what_is_not_is_not_parsed_again(
        self, old: bytes, new: bytes, *, is_parsed: bool
    ) -> None:
        for line in (b"Content-Length: 345", b"Mcp-Name: two", b"Host: b", b"Accept: one"):
            READER.read(b"GET / HTTP/1.1\r\n" + (b"" if line[:4] == b"Host" else b"Host: c\r\n") + line)
        READER.known_fields.pop(b"Content-Length: 777", None)
        connection = self.after(self.HEAD, self.HEAD)
        before = connection.read(self.HEAD)
        shown = list(before.headers), dict(before.facts)
        head = self.HEAD.replace(old, new)
        found, expected = connection.read(head), READER.read(head)
        assert (found.line, found.headers, found.facts) == (expected.line, expected.headers, expected.facts)
        cookies = [dict(one.headers).get(b"cookie") for one in (before, found)]
        assert (cookies[0] is cookies[1]) is not is_parsed
        assert (before.headers, before.facts) == shown
        assert connection.read(self.HEAD).headers == before.headers

    def test_a_field_in_the_place_of_the_request_line_is_none(self) -> None:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nMcp-Name: one"
        READER.read(b"GET / HTTP/1.1\r\nHost: c\r\nMcp-Name: two")
        connection = self.after(head, head)
        with pytest.raises(RequestRefusedError) as refused:
            connection.read(head.replace(b"POST / HTTP/1.1", b"Mcp-Name: two"))
        assert refused.value.status == 400

    def test_a_long_one_is_not_kept(self) -> None:
        for more, is_kept in ((0, True), (1, False)):
            long = self.HEAD + b"x" * (KEPT_HEAD_BYTES - len(self.HEAD) + more)
            connection = self.after(self.HEAD, self.HEAD, long)
            assert (connection._head == long) is is_kept
            assert (connection._last is None) is not is_kept
            assert connection.read(long).facts[b"cookie"] == long.rpartition(b"Cookie: ")[2]

    def test_a_field_that_comes_twice_is_looked_at_each_time(self) -> None:
        head = self.HEAD + b"\r\nMcp-Name: 1"
        READER.read(b"GET / HTTP/1.1\r\nHost: c\r\nMcp-Name: two")
        connection = self.after(head, head)
        assert not connection.read(head).comes_once
        assert connection.read(head.replace(b"one", b"two")).facts[b"mcp-name"] == b"1"
        with pytest.raises(RequestRefusedError):
            connection.read(head.replace(b"Mcp-Name: 1", b"Content-Length: 12"))

    def test_a_head_that_grows_past_the_limit_is_refused(self) -> None:
        longer = self.HEAD.replace(b": 12", b": 345")
        for more, status in ((4, None), (3, 431)):
            reader = HeadReader(Limits(max_header_bytes=len(longer) + more))
            reader.read(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 345")
            connection = self.after(self.HEAD, self.HEAD, reader=reader)
            if status is None:
                assert connection.read(longer).facts[b"content-length"] == b"345"
            else:
                with pytest.raises(RequestRefusedError) as refused:
                    connection.read(longer)
                assert refused.value.status == status

    def test_a_length_of_too_many_digits_is_never_known(self) -> None:
        line = b"Content-Length: %020d" % 3
        for _ in range(2):
            with pytest.raises(RequestRefusedError):
                READER.read(b"GET / HTTP/1.1\r\nHost: a\r\n" + line)
        assert line not in READER.known_fields


class TestBeginning:
    @pytest.mark.parametrize("seen", range(24))
    def test_a_good_one_is_no_error_wherever_it_is_split(self, seen: int) -> None:
        check_beginning(b"GET / HTTP/1.1\r\nHost: a\r"[: seen + 1], seen, LIMITS)

    @pytest.mark.parametrize("seen", [0, 14, 15])
    def test_a_bare_line_feed_is_seen_wherever_it_is_split(self, seen: int) -> None:
        with pytest.raises(RequestRefusedError):
            check_beginning(b"GET / HTTP/1.1.\nHost", seen, LIMITS)


class TestChunkedBody:
    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 11, 1000])
    def test_it_ends_where_it_ends_however_it_is_split(self, size: int) -> None:
        data, body, rest = CHUNKED + NEXT, ChunkedBody(LIMITS), b""
        for at in range(0, len(data), size):
            part = data[at : at + size]
            rest += part if body.is_complete else body.feed(part)
        assert b"".join(body.pieces) == b"abc\r\n\r\n\n"
        assert rest == NEXT

    @pytest.mark.parametrize("at", range(len(CHUNKED)))
    def test_two_parts(self, at: int) -> None:
        body = ChunkedBody(LIMITS)
        assert body.feed(CHUNKED[:at]) == b""
        assert not body.is_complete
        assert body.feed(CHUNKED[at:] + NEXT) == NEXT
        assert body.is_complete

    def test_what_comes_after_the_end_is_not_touched(self) -> None:
        body = ChunkedBody(LIMITS)
        body.feed(b"0\r\n\r\n")
        assert body.feed(b"\x00\xff") == b"\x00\xff"

    def test_an_error_is_400(self) -> None:
        with pytest.raises(RequestRefusedError) as caught:
            ChunkedBody(LIMITS).feed(b"zz\r\n")
        assert caught.value.status == 400

    def test_small_chunks_are_no_overhead(self) -> None:
        body = ChunkedBody(Limits(max_header_bytes=1024))
        for _ in range(1000):
            body.feed(b"1\r\nx\r\n")
        body.feed(b"0\r\n\r\n")
        assert len(b"".join(body.pieces)) == 1000

    @pytest.mark.parametrize("size", [1000, 1100])
    def test_trailers_are_limited_like_a_head(self, size: int) -> None:
        body = ChunkedBody(Limits(max_header_bytes=1024))
        body.feed(b"1\r\nx\r\n")
        trailer = b"0\r\nx: " + b"y" * (size - 10) + b"\r\n\r\n"
        if size < 1024:
            assert body.feed(trailer) == b""
            return
        with pytest.raises(RequestRefusedError) as caught:
            body.feed(trailer)
        assert caught.value.status == 431
