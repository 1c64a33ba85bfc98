"""What a client sends over HTTP/1.1: a head. No I/O here.

Rule: a request that two servers could read differently is refused.

httptools (llhttp, in its strict mode) judges every head that has something new in it, but for fields that mean nothing
to a parser, and every one in which lines may say together what none says alone; but not what it has judged before on
the same connection. What it lets through and should not is refused here, in `read_head`. ADR 0011.
"""

import re
from typing import Final, Literal
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser
from msgspec import Struct

from mcp_runtime.config.limits import Limits

EMPTY_LINE: Final = b"\r\n\r\n"
"""The end of a head, and of a body in chunks."""
HTTP2_PREFACE: Final = b"PRI * HTTP/2.0"
"""As far as its first empty line."""
TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE: Final = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/1\.([01])" % TOKEN)
_TOKEN: Final = re.compile(TOKEN)
_PLAIN: Final = bytes((0x09, *range(0x20, 0x7F)))
_VALUE: Final = re.compile(rb"[^\0\r\n]*")
_BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n")
_LENGTH_DIGITS: Final = 19
"""No body is longer, and Python reads no more than 4,300."""
KEPT_LINES: Final = 1024
_KEPT_HEAD_BYTES: Final = 4096
"""Most are a tenth of it, and with a token not longer; and an idle connection is not to hold more."""
KEPT_LINE_BYTES: Final = 256
"""A longer line is as long as a client likes, and different each time."""
_KEPT_NAMES: Final = frozenset(
    b"accept accept-encoding accept-language cache-control connection content-length content-type host"
    b" mcp-method mcp-name mcp-protocol-version origin user-agent".split()
)
"""What requests repeat, and is no secret: that stays in memory no longer than its connection does."""
_FREE_NAMES: Final = _KEPT_NAMES - {b"connection", b"host"}
"""Of these, what has one meaning whatever else is in a head."""
_MEANT: Final = frozenset(b"connection content-length expect host proxy-connection transfer-encoding upgrade".split())
"""What means something to a parser. There is no head that llhttp would not take any other field in, if it is plain."""
_SINGLED_OUT: Final = frozenset(
    (b"host", b"connection", b"content-length", b"transfer-encoding", b"expect", b"upgrade")
)


class RequestRefusedError(Exception):
    """They sent what is no HTTP, or too much of it: answered with `status`, and the connection closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class RequestLine(Struct, frozen=True):
    """The first line of a request, its target in two; `path` is `raw_path` unquoted."""

    method: str
    version: Literal["1.0", "1.1"]
    path: str
    raw_path: bytes
    query: bytes


def _request_line(line: bytes) -> RequestLine:
    """Raises RequestRefusedError."""
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise RequestRefusedError(400)
    method, target, minor = found.groups()
    raw_path, _, query = target.partition(b"?")
    version: Literal["1.0", "1.1"] = "1.1" if minor == b"1" else "1.0"
    return RequestLine(method.decode(), version, unquote(raw_path.decode("ascii")), raw_path, query)


class RequestHead(Struct):
    """Request line and header fields. RFC 9112 2-6

    `headers` are all fields; `facts` the same by name, of one that comes more than once the last, or where that matters
    here every value. `comes_once` says that none comes more than once; `is_last` that no other request can follow on
    the connection: CONNECT would turn it into a tunnel. To ask for another protocol is to be ignored: RFC 9110 7.8.
    """

    line: RequestLine
    headers: list[tuple[bytes, bytes]]
    facts: dict[bytes, bytes]
    comes_once: bool
    is_last: bool


def read_head(head: bytes, limits: Limits, lines: list[bytes] | None = None) -> RequestHead:
    """A head without its empty line; `lines` are its lines, where somebody has them. Raises RequestRefusedError."""
    if lines is None:
        lines = head.split(b"\r\n")
    first, fields = lines[0], lines[1:]
    if len(first) > limits.max_request_line_bytes:
        raise RequestRefusedError(414 if _REQUEST_LINE.fullmatch(first) else 400)
    known = KNOWN_LINES.get(first)
    line = _request_line(first) if known is None else known
    if len(head) + len(EMPTY_LINE) > limits.max_header_bytes or len(fields) > limits.max_headers:
        raise RequestRefusedError(431)
    unsure: list[tuple[bytes, tuple[bytes, bytes]]] = []
    headers = [KNOWN_FIELDS.get(one) or _new_field(one, unsure) for one in fields]
    facts = dict(headers)
    comes_once = len(facts) == len(fields)
    if known is None or unsure or not comes_once or b"transfer-encoding" in facts:
        _parse(head + EMPTY_LINE)
    if not comes_once:
        for name in _SINGLED_OUT:
            values = [value for other, value in headers if other == name]
            if len(values) > 1:
                facts[name] = b",".join(values)
    _check(line, facts)
    if known is None or unsure:
        _keep(first, line, unsure)
    connection = facts.get(b"connection")
    is_last = line.version == "1.0" or line.method == "CONNECT"
    is_last = is_last or (connection is not None and b"close" in _tokens(connection))
    return RequestHead(line, headers, facts, comes_once, is_last)


def _check(line: RequestLine, facts: dict[bytes, bytes]) -> None:
    """Refuse what httptools lets through."""
    host, coding = facts.get(b"host"), facts.get(b"transfer-encoding")
    if (host is None and line.version == "1.1") or (host is not None and host.find(b",") >= 0):
        raise RequestRefusedError(400)
    if len(facts.get(b"content-length", b"")) > _LENGTH_DIGITS:
        raise RequestRefusedError(400)
    if coding is not None and (line.version == "1.0" or coding.lower() != b"chunked"):
        raise RequestRefusedError(400 if line.version == "1.0" else 501)


class Heads:
    """The heads of one connection, one after the other. What is read is not to be changed: the next may be the same.

    A client that calls a tool again sends the head that it has sent before, but for a length and a name. That is not
    parsed again. The last head is kept as long as the connection is, whatever is in it, unless it is a long one. The
    first is not: it may open a stream for days.
    """

    __slots__ = ("_head", "_is_first", "_last", "_limits", "_lines")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
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
        if found is None or len(head) + len(EMPTY_LINE) > self._limits.max_header_bytes:
            found = read_head(head, self._limits, lines)
        if self._is_first:
            self._is_first = False
        elif len(head) > _KEPT_HEAD_BYTES:
            self._last, self._head, self._lines = None, b"", []
        else:
            self._last, self._head, self._lines = found, head, lines
        return found

    def _like_last(self, last: RequestHead, lines: list[bytes]) -> RequestHead | None:
        """What it is, where all that is new about it is known from others, and means the same to a parser."""
        before = self._lines
        if lines[0] != before[0] or len(lines) != len(before) or not last.comes_once:
            return None
        headers, facts = last.headers.copy(), last.facts.copy()
        for at in range(1, len(lines)):
            if lines[at] != before[at]:
                field = KNOWN_FIELDS.get(lines[at])
                if field is None or field[0] not in _FREE_NAMES or field[0] != headers[at - 1][0]:
                    return None
                headers[at - 1] = field
                facts[field[0]] = field[1]
        return RequestHead(last.line, headers, facts, True, last.is_last)  # `comes_once`


KNOWN_LINES: Final[dict[bytes, RequestLine]] = {}
KNOWN_FIELDS: Final[dict[bytes, tuple[bytes, bytes]]] = {}
"""What is in lines that llhttp has taken. Requests repeat each other's, whoever they are from, but for very few."""


def _keep(first: bytes, line: RequestLine, fields: list[tuple[bytes, tuple[bytes, bytes]]]) -> None:
    """There is nothing against these lines, and llhttp need not look at them again."""
    if len(first) <= KEPT_LINE_BYTES and not line.query:
        if len(KNOWN_LINES) >= KEPT_LINES:
            KNOWN_LINES.clear()
        KNOWN_LINES[first] = line
    for one, field in fields:
        _keep_field(one, field)


def _keep_field(line: bytes, field: tuple[bytes, bytes]) -> None:
    if len(line) <= KEPT_LINE_BYTES and field[0] in _KEPT_NAMES:
        if len(KNOWN_FIELDS) >= KEPT_LINES:
            KNOWN_FIELDS.clear()
        KNOWN_FIELDS[line] = field


def _new_field(line: bytes, unsure: list[tuple[bytes, tuple[bytes, bytes]]]) -> tuple[bytes, bytes]:
    """Name and value of a header field, the name in lower case; also into `unsure`, where it may mean more to a parser.

    Raises RequestRefusedError.
    """
    name, colon, value = line.partition(b":")
    if not colon or _TOKEN.fullmatch(name) is None:
        raise RequestRefusedError(400)
    field = (name.lower(), value.strip(b" \t"))
    if field[0] not in _MEANT and not value.translate(None, _PLAIN):
        _keep_field(line, field)
    elif _VALUE.fullmatch(value) is not None:
        unsure.append((line, field))
    else:
        raise RequestRefusedError(400)
    return field


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


def check_beginning(head: bytes, new_from: int, limits: Limits) -> None:
    """Look at a head that is not complete, of which the bytes from `new_from` are new. Raises RequestRefusedError.

    So that no client waits for an answer to what cannot become a request any more, or sends without end.
    """
    if not _TOKEN.match(head) or _BARE_LINE_FEED.search(head, new_from):
        raise RequestRefusedError(400)
    line_bytes = head.find(b"\r\n", 0, limits.max_request_line_bytes + 2)
    if line_bytes < 0 and len(head) > limits.max_request_line_bytes + 1:
        raise RequestRefusedError(414)
    if len(head) > limits.max_header_bytes:
        raise RequestRefusedError(431)


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip() for token in value.lower().split(b",")]
