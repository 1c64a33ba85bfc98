"""The head of an answer over HTTP/1.1: what the application says of it, as lines. No I/O here.

Rule: a head is made once, for all answers that are like it.
"""

import re
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from msgspec import Struct

from mcp_runtime.server.http1.request_head import TOKEN
from mcp_runtime.transports.http.direct import Fields

_FIELD: Final = re.compile(rb"%b: [^\0\r\n]*\r\n" % TOKEN)
_KEPT_HEADS: Final = 512
"""Heads, and lengths, of answers that were made lately: there are few."""
_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def status_line(status: int) -> bytes:
    """The first line of an answer."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


class AnswerHead(Struct, frozen=True):
    """The head of an answer, as far as the application says it."""

    lines: bytes
    length: int | None
    """Of the body, where it is said."""
    says_close: bool
    """Whether it is the last answer on its connection."""


@lru_cache(maxsize=_KEPT_HEADS)
def answer_head(status: int, headers: Fields) -> AnswerHead:
    """Raises ValueError where that is no head of an answer, TypeError for fields that are no tuples."""
    if not 200 <= status < 1000:
        raise ValueError(f"{status} is no status of an answer")
    lines = [status_line(status)]
    length: int | None = None
    says_close = False
    for name, value in headers:
        lowered = name.lower()
        line = b"%b: %b\r\n" % (name, value)
        if not _FIELD.fullmatch(line):
            raise ValueError("a header field of the answer has a line end in it, or is no field at all")
        if lowered == b"transfer-encoding":
            continue  # How an answer is sent is decided by the exchange.
        lines.append(line)
        if lowered == b"content-length":
            length = int(value)
        says_close = says_close or (lowered == b"connection" and b"close" in value.lower())
    return AnswerHead(b"".join(lines), length, says_close)


class Length(Struct, frozen=True):
    """The length of an answer, as a field and as its line."""

    field: tuple[bytes, bytes]
    line: bytes


@lru_cache(maxsize=_KEPT_HEADS)
def length_of(size: int) -> Length:
    """How an answer of `size` bytes says so."""
    digits = b"%d" % size
    return Length((b"content-length", digits), b"content-length: %b\r\n" % digits)
