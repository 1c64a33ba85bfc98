"""What a client sends over HTTP/1.1: a head, and a body that may come in chunks. No I/O here.

Rule: a request that two servers could read differently is refused.

httptools (llhttp, in its strict mode) does the parsing; what it lets through and should not is refused here, in
`RequestHead`. ADR 0011.
"""

import re
from collections.abc import Iterable
from typing import Final

from httptools import HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser

from mcp_runtime.limits import Limits

EMPTY_LINE: Final = b"\r\n\r\n"
"""The end of a head, and of a chunked body."""
HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\n"
TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE: Final = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/1\.([01])\r\n" % TOKEN)
_TOKEN_START: Final = re.compile(TOKEN)
_BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n")
_LENGTH_DIGITS: Final = 19
"""No body is longer, and Python reads no more than 4,300."""
_SINGLED_OUT: Final = frozenset(
    (b"host", b"connection", b"content-length", b"transfer-encoding", b"expect", b"upgrade")
)


class RefusedError(Exception):
    """They sent what is no HTTP, or too much of it: answered with `status`, and the connection closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class RequestHead:
    """Request line and header fields. Raises RefusedError. RFC 9112 2-6"""

    __slots__ = ("facts", "headers", "method", "target", "version")

    def __init__(self, head: bytes, limits: Limits) -> None:
        line = _REQUEST_LINE.match(head)
        if line is None:
            raise RefusedError(400)
        if line.end() - 2 > limits.max_request_line_bytes:
            raise RefusedError(414)
        count = head.count(b"\r\n") - 2
        if len(head) > limits.max_header_bytes or count > limits.max_headers:
            raise RefusedError(431)
        method, self.target, minor = line.groups()
        self.method = method.decode()
        self.version = "1.1" if minor == b"1" else "1.0"
        self.headers = [(name.lower(), value.rstrip(b" \t")) for name, value in _parse(head, count)]
        self.facts = dict(self.headers)
        if len(self.facts) != len(self.headers):
            for name in _SINGLED_OUT:
                values = [value for other, value in self.headers if other == name]
                if len(values) > 1:
                    self.facts[name] = b",".join(values)
        self._check()

    def _check(self) -> None:
        """Refuse what httptools lets through."""
        host, coding = self.facts.get(b"host"), self.facts.get(b"transfer-encoding")
        if (host is None and self.version == "1.1") or (host is not None and host.find(b",") >= 0):
            raise RefusedError(400)
        if len(self.facts.get(b"content-length", b"")) > _LENGTH_DIGITS:
            raise RefusedError(400)
        if coding is not None and (self.version == "1.0" or coding.lower() != b"chunked"):
            raise RefusedError(400 if self.version == "1.0" else 501)

    @property
    def is_last(self) -> bool:
        """Whether no other request can follow on the connection: CONNECT would turn it into a tunnel."""
        if self.version == "1.0" or self.method == "CONNECT":
            return True
        connection = self.facts.get(b"connection")
        return connection is not None and b"close" in _tokens(connection)

    @property
    def is_for_hypercorn(self) -> bool:
        """Whether it leads to HTTP/2, or to a WebSocket to be refused."""
        upgrade = self.facts.get(b"upgrade")
        if upgrade is None or b"upgrade" not in _tokens(self.facts.get(b"connection", b"")):
            return False
        upgrade = upgrade.lower()
        has_body = b"content-length" in self.facts or b"transfer-encoding" in self.facts
        return (upgrade == b"h2c" and not has_body) or (upgrade == b"websocket" and self.method == "GET")


class _Fields(list[tuple[bytes, bytes]]):
    """For httptools: all fields, also those that come more than once."""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.append((name, value))


class _FieldsByName(dict[bytes, bytes]):
    """The same, of fields that come once; nothing of it is Python's to run."""

    on_header = dict[bytes, bytes].__setitem__


def _parse(head: bytes, count: int) -> Iterable[tuple[bytes, bytes]]:
    """The `count` fields of `head`. Raises RefusedError."""
    by_name = _FieldsByName()
    _feed(by_name, head)
    if len(by_name) == count:
        return by_name.items()
    fields = _Fields()
    _feed(fields, head)
    if len(fields) != count:
        raise RefusedError(400)
    return fields


def _feed(fields: _Fields | _FieldsByName, head: bytes) -> None:
    try:
        HttpRequestParser(fields).feed_data(head)
    except HttpParserUpgrade:
        pass  # Whether it is one is decided here.
    except HttpParserInvalidMethodError:
        raise RefusedError(501) from None
    except HttpParserError:
        raise RefusedError(400) from None


def check_beginning(head: bytes, new_from: int, limits: Limits) -> None:
    """Look at a head that is not complete, of which the bytes from `new_from` are new. Raises RefusedError.

    So that no client waits for an answer to what cannot become a request any more, or sends without end.
    """
    if not _TOKEN_START.match(head) or _BARE_LINE_FEED.search(head, new_from):
        raise RefusedError(400)
    line_bytes = head.find(b"\r\n", 0, limits.max_request_line_bytes + 2)
    if line_bytes < 0 and len(head) > limits.max_request_line_bytes + 1:
        raise RefusedError(414)
    if len(head) > limits.max_header_bytes:
        raise RefusedError(431)


class ChunkedBody:
    """A chunked body, as it arrives. Extensions and trailers are read and dropped. RFC 9112 7.1"""

    __slots__ = ("_limit", "_overhead", "_parser", "_tail", "is_complete", "pieces")

    def __init__(self, limits: Limits) -> None:
        self.pieces: list[bytes] = []
        self.is_complete = False
        self._tail = b""
        self._overhead = 0
        self._limit = limits.max_header_bytes
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        """For httptools: some of it."""
        self.pieces.append(data)
        self._overhead = 0

    def on_message_complete(self) -> None:
        """For httptools."""
        self.is_complete = True

    def feed(self, data: bytes) -> bytes:
        """Take `data`; returns what comes after the end. Raises RefusedError.

        httptools does not say where a message ended. It ends at an empty line, so it gets no more than up to the next.
        """
        text = self._tail + data
        view, start, searched = memoryview(text), len(self._tail), 0
        while start < len(text) and not self.is_complete:
            found = text.find(EMPTY_LINE, searched)
            end = found + len(EMPTY_LINE) if found >= 0 else len(text)
            self._overhead += end - start
            try:
                self._parser.feed_data(view[start:end])
            except HttpParserError:
                raise RefusedError(400) from None
            if self._overhead > self._limit:
                raise RefusedError(431)
            start = searched = end
        self._tail = text[-3:]
        return text[start:]


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip() for token in value.lower().split(b",")]
