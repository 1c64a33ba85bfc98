"""The attackers over HTTP/2: frames by hand, as in `soak_http2`. Rule: each has a connection for one step."""

import random
from typing import Final

import trio

from tests.benchmarks import soak_http2
from tests.benchmarks.hostile.foe import Foe
from tests.benchmarks.soak_http2 import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, fields, frame
from tests.benchmarks.soak_wire import connected
from tests.support.messages import call, encode

_NO_WINDOW: Final = frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0")
_POST: Final = ((b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"127.0.0.1:8000"), (b":path", b"/mcp"))
_STREAMS: Final = 5
_MOST_BYTES: Final = 8192
_PIECE_BYTES: Final = 2048
_PAUSE_S: Final = 0.02
"""So many bytes of an attack, in pieces of some dozens of frames: more would be a fight for the processor."""
_SOURCE: Final = random.Random(1)


async def gives_no_window(foe: Foe) -> None:
    """Answers of 4 MiB on several streams, and no credit for a byte of them."""
    (connection,) = await foe.hold()
    sent = [PREFACE, _NO_WINDOW]
    for stream in range(1, 2 * _STREAMS, 2):
        message = call("large", next(foe.ids))
        head = fields(*_POST, *((name.encode(), value.encode()) for name, value in foe.headers(message).items()))
        sent += [frame(HEADERS, END_HEADERS, stream, head), frame(DATA, END_STREAM, stream, encode(message))]
    await connection.stream.send_all(b"".join(sent))


async def resets_rapidly(foe: Foe) -> None:
    """Requests that are taken back at once."""
    await _attack(foe, soak_http2.rapid_resets)


async def floods(foe: Foe) -> None:
    """Pings and settings, each of which is to be answered."""
    await _attack(foe, soak_http2.floods)


async def _attack(foe: Foe, attack: soak_http2.Attack) -> None:
    async with connected(foe.port) as connection, foe.heard(connection):
        await connection.stream.send_all(PREFACE + frame(SETTINGS, 0, 0))
        sent = b"".join(attack(_SOURCE))[:_MOST_BYTES]
        for start in range(0, len(sent), _PIECE_BYTES):
            await connection.stream.send_all(sent[start : start + _PIECE_BYTES])
            await trio.sleep(_PAUSE_S)
