"""The head of a request over HTTP/1.1: its first line and its fields, as values. No I/O here.

Rule: a request that two servers could read differently is refused. `head_reader` reads one. ADR 0011.
"""

import re
from typing import Final, Literal
from urllib.parse import unquote

from msgspec import Struct

from mcp_runtime.config.limits import Limits

EMPTY_LINE: Final = b"\r\n\r\n"
"""The end of a head, and of a body in chunks."""
HTTP2_PREFACE: Final = b"PRI * HTTP/2.0"
"""As far as its first empty line."""
TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE: Final = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/1\.([01])" % TOKEN)
_TOKEN: Final = re.compile(TOKEN)
_BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n")
_LENGTH_DIGITS: Final = 19
"""No body is longer, and Python reads no more than 4,300."""

Field = tuple[bytes, bytes]
"""A header field: its name in lower case, and its value without the blanks around it."""


class RequestRefusedError(Exception):
    """They sent what is no HTTP, or too much of it: answered with `status`, and the connection closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class RequestLine(Struct, frozen=True):
    """The first line of a request, its target in two."""

    method: str
    version: Literal["1.0", "1.1"]
    path: str
    """`raw_path`, unquoted."""
    raw_path: bytes
    query: bytes


class RequestHead(Struct):
    """Request line and header fields. RFC 9112 2-6"""

    line: RequestLine
    headers: list[Field]
    """All fields, in their order."""
    facts: dict[bytes, bytes]
    """The same by name; of one that comes more than once the last, or where that matters to us every value."""
    comes_once: bool
    """Whether none comes more than once."""
    is_last: bool
    """Whether no other request can follow on the connection: CONNECT would turn it into a tunnel.

    To ask for another protocol is to be ignored: RFC 9110 7.8.
    """


def request_line(line: bytes) -> RequestLine:
    """The first line of a request. Raises RequestRefusedError."""
    found = REQUEST_LINE.fullmatch(line)
    if found is None:
        raise RequestRefusedError(400)
    method, target, minor = found.groups()
    raw_path, _, query = target.partition(b"?")
    version: Literal["1.0", "1.1"] = "1.1" if minor == b"1" else "1.0"
    return RequestLine(method.decode(), version, unquote(raw_path.decode("ascii")), raw_path, query)


def check_meaning(line: RequestLine, facts: dict[bytes, bytes]) -> None:
    """Refuse what llhttp lets through. Raises RequestRefusedError."""
    host, coding = facts.get(b"host"), facts.get(b"transfer-encoding")
    if (host is None and line.version == "1.1") or (host is not None and host.find(b",") >= 0):
        raise RequestRefusedError(400)
    if len(facts.get(b"content-length", b"")) > _LENGTH_DIGITS:
        raise RequestRefusedError(400)
    if coding is not None and (line.version == "1.0" or coding.lower() != b"chunked"):
        raise RequestRefusedError(400 if line.version == "1.0" else 501)


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
