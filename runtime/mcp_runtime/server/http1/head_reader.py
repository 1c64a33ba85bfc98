"""The head reader: reads the heads of requests, and knows lines that it has taken before. No I/O here.

Rule: to know a line changes nothing but the time that it takes. Why it cannot is argued in steps in ADR 0011.

httptools (llhttp, in its strict mode) judges every head that has something new in it, but for fields that mean nothing
to a parser, and every one in which lines may say together what none says alone; but not what it has judged before on
the same connection.
"""

import re
from typing import Final

from httptools import HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser

from mcp_runtime.config.limits import Limits
from mcp_runtime.server.http1.request_head import (
    EMPTY_LINE,
    REQUEST_LINE,
    TOKEN,
    Field,
    RequestHead,
    RequestLine,
    RequestRefusedError,
    check_meaning,
    request_line,
)

KEPT_LINES: Final = 1024
"""Of first lines, and as many of fields."""
KEPT_LINE_BYTES: Final = 256
"""A longer line is as long as a client likes, and different each time."""
KEPT_HEAD_BYTES: Final = 4096
"""Most are a tenth of it, and with a token not longer; and an idle connection is not to hold more."""
_NAME: Final = re.compile(TOKEN)
_VALUE: Final = re.compile(rb"[^\0\r\n]*")
_PLAIN: Final = bytes((0x09, *range(0x20, 0x7F)))
_MEANT: Final = frozenset(b"connection content-length expect host proxy-connection transfer-encoding upgrade".split())
"""What means something to a parser. There is no head that llhttp would not take any other field in, if it is plain."""
_REPEATED: Final = frozenset(
    b"accept accept-encoding accept-language cache-control connection content-length content-type host"
    b" mcp-method mcp-name mcp-protocol-version origin user-agent".split()
)
"""What requests repeat, and is no secret: that stays in memory no longer than its connection does."""
_FREE: Final = (_REPEATED - _MEANT) | {b"content-length"}
"""Of these, what has one meaning whatever else is in a head."""


class HeadReader:
    """The reader of one server's heads, whoever they are from."""

    __slots__ = ("known_fields", "known_lines", "limits")

    limits: Limits
    known_lines: dict[bytes, RequestLine]
    """First lines that llhttp has taken."""
    known_fields: dict[bytes, Field]
    """Lines of fields that it has taken, or would take. Requests repeat each other's, but for very few."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.known_lines = {}
        self.known_fields = {}

    def read(self, head: bytes, lines: list[bytes] | None = None) -> RequestHead:
        """A head without its empty line; `lines` are its lines, where somebody has them. Raises RequestRefusedError."""
        if lines is None:
            lines = head.split(b"\r\n")
        first, fields, limits = lines[0], lines[1:], self.limits
        if len(first) > limits.max_request_line_bytes:
            raise RequestRefusedError(414 if REQUEST_LINE.fullmatch(first) else 400)
        known, known_fields = self.known_lines.get(first), self.known_fields
        line = request_line(first) if known is None else known
        if len(head) + len(EMPTY_LINE) > limits.max_header_bytes or len(fields) > limits.max_headers:
            raise RequestRefusedError(431)
        unsure: list[tuple[bytes, Field]] = []
        headers = [known_fields.get(one) or self._new_field(one, unsure) for one in fields]
        facts = dict(headers)
        comes_once = len(facts) == len(fields)
        if known is None or unsure or not comes_once or b"transfer-encoding" in facts:
            _parse(head + EMPTY_LINE)
        if not comes_once:
            for name in _MEANT:
                values = [value for other, value in headers if other == name]
                if len(values) > 1:
                    facts[name] = b",".join(values)
        check_meaning(line, facts)
        if known is None or unsure:
            self._keep(first, line, unsure)
        connection = facts.get(b"connection")
        is_last = line.version == "1.0" or line.method == "CONNECT"
        is_last = is_last or (connection is not None and b"close" in _tokens(connection))
        return RequestHead(line, headers, facts, comes_once, is_last)

    def _new_field(self, line: bytes, unsure: list[tuple[bytes, Field]]) -> Field:
        """The field in a line that is not known; also into `unsure`, where it may mean more to a parser.

        Raises RequestRefusedError.
        """
        name, colon, value = line.partition(b":")
        if not colon or _NAME.fullmatch(name) is None:
            raise RequestRefusedError(400)
        field = (name.lower(), value.strip(b" \t"))
        if field[0] not in _MEANT and not value.translate(None, _PLAIN):
            self._keep_field(line, field)
        elif _VALUE.fullmatch(value) is not None:
            unsure.append((line, field))
        else:
            raise RequestRefusedError(400)
        return field

    def _keep(self, first: bytes, line: RequestLine, fields: list[tuple[bytes, Field]]) -> None:
        """There is nothing against these lines, and llhttp need not look at them again."""
        if len(first) <= KEPT_LINE_BYTES and not line.query:
            if len(self.known_lines) >= KEPT_LINES:
                self.known_lines.clear()
            self.known_lines[first] = line
        for one, field in fields:
            self._keep_field(one, field)

    def _keep_field(self, line: bytes, field: Field) -> None:
        if len(line) <= KEPT_LINE_BYTES and field[0] in _REPEATED:
            if len(self.known_fields) >= KEPT_LINES:
                self.known_fields.clear()
            self.known_fields[line] = field


class ConnectionHeads:
    """The heads of one connection, one after the other. What is read is not to be changed: the next may be the same.

    A client that calls a tool again sends the head that it has sent before, but for a length and a name. That is not
    parsed again. The last head is kept as long as the connection is, whatever is in it, unless it is a long one. The
    first is not: it may open a stream for days.
    """

    __slots__ = ("_head", "_is_first", "_last", "_lines", "_reader")

    def __init__(self, reader: HeadReader) -> None:
        self._reader = reader
        self._is_first = True
        self._last: RequestHead | None = None
        self._head = b""
        self._lines: list[bytes] = []

    def read(self, head: bytes) -> RequestHead:
        """The next one, without its empty line. Raises RequestRefusedError."""
        last = self._last
        if last is not None and head == self._head:
            return last
        lines = head.split(b"\r\n")
        found = None if last is None else self._like_last(last, lines)
        if found is None or len(head) + len(EMPTY_LINE) > self._reader.limits.max_header_bytes:
            found = self._reader.read(head, lines)
        if self._is_first:
            self._is_first = False
        elif len(head) > KEPT_HEAD_BYTES:
            self._last, self._head, self._lines = None, b"", []
        else:
            self._last, self._head, self._lines = found, head, lines
        return found

    def _like_last(self, last: RequestHead, lines: list[bytes]) -> RequestHead | None:
        """What it is, where all that is new about it is known from others, and means the same to a parser."""
        before, known_fields = self._lines, self._reader.known_fields
        if lines[0] != before[0] or len(lines) != len(before) or not last.comes_once:
            return None
        headers, facts = last.headers.copy(), last.facts.copy()
        for at in range(1, len(lines)):
            if lines[at] != before[at]:
                field = known_fields.get(lines[at])
                if field is None or field[0] not in _FREE or field[0] != headers[at - 1][0]:
                    return None
                headers[at - 1] = field
                facts[field[0]] = field[1]
        return RequestHead(last.line, headers, facts, True, last.is_last)  # `comes_once`


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip() for token in value.lower().split(b",")]


class _Nothing:
    """For httptools: what it finds is read once it has nothing against it."""


_NOTHING: Final = _Nothing()


def _parse(head: bytes) -> None:
    """Raises RequestRefusedError where it is no head to llhttp."""
    try:
        HttpRequestParser(_NOTHING).feed_data(head)
    except HttpParserUpgrade:
        pass  # Whether it is one is decided here.
    except HttpParserInvalidMethodError:
        raise RequestRefusedError(501) from None
    except HttpParserError:
        raise RequestRefusedError(400) from None
