"""Requests that two servers could read differently: what each of both parsers answers, and that ours is the stricter.

Every row is sent to both, whole, and to ours a byte at a time. An answer to NEXT, the request behind it, shows that the
first one ended where the row says that it does.
"""

import logging
from collections.abc import AsyncGenerator
from typing import Final

import pytest
import trio

from tests.unit.server.http1.http1_server import PATIENCE_S, Served, echo, serving

H: Final = b"Host: a\r\n"
G: Final = b"GET / HTTP/1.1\r\n" + H
P: Final = b"POST / HTTP/1.1\r\n" + H
N: Final = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
CH: Final = P + b"Transfer-Encoding: chunked\r\n\r\n"
END: Final = b"0\r\n\r\n"

Row = tuple[str, bytes, list[int], list[int]]
ROWS: Final[list[Row]] = [
    ("plain GET", G + b"\r\n", [200], [200]),
    ("two pipelined", G + b"\r\n" + N, [200, 200], [200, 200]),
    # What Content-Length can be.
    ("same length twice", P + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" + N, [400], [200, 200]),
    ("two lengths", P + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd" + N, [400], [400]),
    ("length list", P + b"Content-Length: 3, 3\r\n\r\nabc" + N, [400], [200, 200]),
    ("length list differing", P + b"Content-Length: 3, 4\r\n\r\nabcd" + N, [400], [400]),
    ("length plus", P + b"Content-Length: +3\r\n\r\nabc" + N, [400], [400]),
    ("length minus", P + b"Content-Length: -3\r\n\r\nabc" + N, [400], [400]),
    ("length hex", P + b"Content-Length: 0x3\r\n\r\nabc" + N, [400], [400]),
    ("length float", P + b"Content-Length: 3.0\r\n\r\nabc" + N, [400], [400]),
    ("length empty", P + b"Content-Length:\r\n\r\n" + N, [400], [400]),
    ("length blank within", P + b"Content-Length: 1 2\r\n\r\nabc" + N, [400], [400]),
    ("length underscore", P + b"Content-Length: 1_0\r\n\r\n" + b"a" * 10 + N, [400], [400]),
    ("length non-ascii digit", P + "Content-Length: ٣\r\n\r\nabc".encode() + N, [400], [400]),
    ("length past 64 bits", P + b"Content-Length: 18446744073709551619\r\n\r\nabc" + N, [400], [400]),
    ("length of many zeros", P + b"Content-Length: " + b"0" * 5000 + b"3\r\n\r\nabc" + N, [400], [400]),
    ("length quoted", P + b'Content-Length: "3"\r\n\r\nabc' + N, [400], [400]),
    ("length after blank name", P + b"Content-Length : 3\r\n\r\nabc" + N, [400], [400]),
    ("length tab name", P + b"Content-Length\t: 3\r\n\r\nabc" + N, [400], [400]),
    ("length NUL name", P + b"Content-Length\0: 3\r\n\r\nabc" + N, [400], [400]),
    ("length folded", P + b"Content-Length:\r\n 3\r\n\r\nabc" + N, [400], [200, 200]),
    # What Transfer-Encoding can be, alone and beside Content-Length.
    ("length and chunked", P + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n" + END + N, [400], [200, 200]),
    ("chunked and length", P + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n" + END + N, [400], [200, 200]),
    ("chunked twice", P + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + END + N, [400], [501]),
    (
        "chunked, identity lines",
        P + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + END + N,
        [400],
        [501],
    ),
    ("identity", P + b"Transfer-Encoding: identity\r\n\r\n" + N, [400], [501]),
    ("identity with length", P + b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc" + N, [400], [501]),
    ("gzip, chunked", P + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + END + N, [501], [501]),
    ("chunked, gzip", P + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + END + N, [400], [501]),
    ("chunked, chunked", P + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + END + N, [400], [501]),
    ("xchunked", P + b"Transfer-Encoding: xchunked\r\n\r\n" + END + N, [400], [501]),
    ("vertical tab chunked", P + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + END + N, [400], [400]),
    ("quoted chunked", P + b'Transfer-Encoding: "chunked"\r\n\r\n' + END + N, [400], [501]),
    ("chunked;param", P + b"Transfer-Encoding: chunked;q=1\r\n\r\n" + END + N, [400], [501]),
    ("empty TE", P + b"Transfer-Encoding:\r\n\r\n" + END + N, [400], [501]),
    ("empty TE with length", P + b"Transfer-Encoding:\r\nContent-Length: 3\r\n\r\nabc" + N, [400], [501]),
    ("TE blank name", P + b"Transfer-Encoding : chunked\r\n\r\n" + END + N, [400], [400]),
    ("TE folded", P + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + END + N, [400], [200, 200]),
    ("TE tab", P + b"Transfer-Encoding:\tchunked\r\n\r\n" + END + N, [200, 200], [200, 200]),
    ("TE upper", P + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n" + END + N, [200, 200], [200, 200]),
    ("TE trailing comma", P + b"Transfer-Encoding: chunked,\r\n\r\n" + END + N, [400], [501]),
    ("TE in 1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + END + N, [400], [400]),
    ("TE in bare CR value", P + b"Foo: bar\rTransfer-Encoding: chunked\r\n\r\n" + END + N, [400], [400]),
    ("TE underscore", P + b"Transfer_Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc" + N, [200, 200], [200, 200]),
    # Chunks, their extensions and trailers.
    ("chunk size hex prefix", CH + b"0x3\r\nabc\r\n" + END + N, [400], [400]),
    ("chunk size plus", CH + b"+3\r\nabc\r\n" + END + N, [400], [400]),
    ("chunk size minus", CH + b"-3\r\nabc\r\n" + END + N, [400], [400]),
    ("chunk size leading blank", CH + b" 3\r\nabc\r\n" + END + N, [400], [400]),
    ("chunk size trailing blank", CH + b"3 \r\nabc\r\n" + END + N, [400], [200, 200]),
    ("chunk size empty", CH + b"\r\nabc\r\n" + END + N, [400], [400]),
    ("chunk size overflow", CH + b"10000000000000003\r\nabc\r\n" + END + N, [400], [400]),
    ("chunk size many zeros", CH + b"0" * 40 + b"3\r\nabc\r\n" + END + N, [200, 200], [400]),
    ("chunk size underscore", CH + b"1_0\r\n" + b"a" * 16 + b"\r\n" + END + N, [400], [400]),
    ("chunk LF after size", CH + b"3\nabc\r\n" + END + N, [400], [400]),
    ("chunk LF after data", CH + b"3\r\nabc\n" + END + N, [400], [400]),
    ("chunk no CRLF after data", CH + b"3\r\nabc" + END + N, [400], [400]),
    ("chunk wrong after data", CH + b"3\r\nabcXX" + END + N, [400], [400]),
    ("chunk CR only", CH + b"3\rabc\r" + END + N, [400], [400]),
    ("chunk extension", CH + b"3;a=b\r\nabc\r\n" + END + N, [200, 200], [200, 200]),
    ("chunk extension quoted", CH + b'3;a="b;c"\r\nabc\r\n' + END + N, [200, 200], [200, 200]),
    ("chunk extension LF", CH + b"3;a\nb\r\nabc\r\n" + END + N, [400], [400]),
    ("chunk extension CR", CH + b"3;a\rb\r\nabc\r\n" + END + N, [400], [200, 200]),
    ("chunk extension NUL", CH + b"3;a\0b\r\nabc\r\n" + END + N, [400], [200, 200]),
    ("chunk extension blank", CH + b"3 ;a\r\nabc\r\n" + END + N, [400], [400]),
    ("last chunk LF", CH + b"0\n\n" + N, [400], [400]),
    ("last chunk LF end", CH + b"0\r\n\n" + N, [400], [200, 200]),
    ("last chunk 00", CH + b"00\r\n\r\n" + N, [200, 200], [200, 200]),
    ("trailer", CH + b"0\r\nX: y\r\n\r\n" + N, [200, 200], [200, 200]),
    ("trailer blank name", CH + b"0\r\nX : y\r\n\r\n" + N, [400], [400]),
    ("trailer folded", CH + b"0\r\nX: y\r\n z\r\n\r\n" + N, [400], [200, 200]),
    ("trailer length", CH + b"0\r\nContent-Length: 9\r\n\r\n" + N, [400], [200, 200]),
    ("trailer TE", CH + b"0\r\nTransfer-Encoding: chunked\r\n\r\n" + N, [400], [200, 200]),
    ("trailer host", CH + b"0\r\nHost: b\r\n\r\n" + N, [200, 200], [200, 200]),
    ("trailer LF", CH + b"0\r\nX: y\n\r\n" + N, [400], [200, 200]),
    ("trailer no colon", CH + b"0\r\nGET /x HTTP/1.1\r\n\r\n" + N, [400], [400]),
    # Where a line ends.
    ("all LF", b"GET / HTTP/1.1\nHost: a\n\n" + N, [400], [200, 200]),
    ("LF after request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n" + N, [400], [200, 200]),
    ("LF after header", G + b"X: y\n\r\n" + N, [400], [200, 200]),
    ("LF in header", G + b"X: y\nZ: w\r\n\r\n" + N, [400], [200, 200]),
    ("LF at end", G + b"\n" + N, [400], [200, 200]),
    ("CR LF LF", G + b"X: y\r\n\n" + N, [400], [200, 200]),
    ("LF CR LF", G + b"X: y\n\r\n" + N, [400], [200, 200]),
    ("CR alone in value", G + b"X: y\rz\r\n\r\n" + N, [400], [400]),
    ("CR CR LF", G + b"X: y\r\r\n\r\n" + N, [400], [400]),
    ("CR only lines", b"GET / HTTP/1.1\rHost: a\r\r" + N, [400], [400]),
    ("NUL in value", G + b"X: y\0z\r\n\r\n" + N, [400], [400]),
    ("control in value", G + b"X: y\x01z\r\n\r\n" + N, [400], [200, 200]),
    ("DEL in value", G + b"X: y\x7fz\r\n\r\n" + N, [400], [200, 200]),
    ("tab in value", G + b"X: y\tz\r\n\r\n" + N, [200, 200], [200, 200]),
    ("latin-1 in value", G + b"X: \xe9\r\n\r\n" + N, [200, 200], [200, 200]),
    ("latin-1 in name", G + b"\xe9: y\r\n\r\n" + N, [400], [400]),
    ("empty line first", b"\r\n" + G + b"\r\n" + N, [400], [400]),
    ("empty LF first", b"\n" + G + b"\r\n" + N, [400], [400]),
    ("blank line first", b" \r\n" + G + b"\r\n" + N, [400], [400]),
    ("empty line between", G + b"\r\n\r\n" + N, [200, 400], [200, 400]),
    # What a field is.
    ("blank before colon", G + b"X : y\r\n\r\n" + N, [400], [400]),
    ("tab before colon", G + b"X\t: y\r\n\r\n" + N, [400], [400]),
    ("folded", G + b"X: y\r\n z\r\n\r\n" + N, [400], [200, 200]),
    ("folded tab", G + b"X: y\r\n\tz\r\n\r\n" + N, [400], [200, 200]),
    ("folded first", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n" + N, [400], [400]),
    ("blank line in name", G + b" X: y\r\n\r\n" + N, [400], [200, 200]),
    ("no colon", G + b"X\r\n\r\n" + N, [400], [400]),
    ("empty name", G + b": y\r\n\r\n" + N, [400], [400]),
    ("empty value", G + b"X:\r\n\r\n" + N, [200, 200], [200, 200]),
    ("no blank after colon", G + b"X:y\r\n\r\n" + N, [200, 200], [200, 200]),
    ("name with brackets", G + b"X[]: y\r\n\r\n" + N, [400], [400]),
    ("name with quotes", G + b'"X": y\r\n\r\n' + N, [400], [400]),
    ("name with slash", G + b"X/y: y\r\n\r\n" + N, [400], [400]),
    # Host.
    ("no host", b"GET / HTTP/1.1\r\n\r\n" + N, [400], [400]),
    ("no host 1.0", b"GET / HTTP/1.0\r\n\r\n", [200], [200]),
    ("two hosts", G + b"Host: b\r\n\r\n" + N, [400], [400]),
    ("same host twice", G + b"Host: a\r\n\r\n" + N, [400], [400]),
    ("host list", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n" + N, [400], [200, 200]),
    ("empty host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n" + N, [200, 200], [200, 200]),
    # Request lines.
    ("two blanks", b"GET  / HTTP/1.1\r\n" + H + b"\r\n" + N, [400], [400]),
    ("two blanks after target", b"GET /  HTTP/1.1\r\n" + H + b"\r\n" + N, [400], [400]),
    ("blank at end", b"GET / HTTP/1.1 \r\n" + H + b"\r\n" + N, [400], [400]),
    ("tab as blank", b"GET\t/\tHTTP/1.1\r\n" + H + b"\r\n" + N, [400], [400]),
    ("blank in target", b"GET /a b HTTP/1.1\r\n" + H + b"\r\n" + N, [400], [400]),
    ("control in target", b"GET /\x01 HTTP/1.1\r\n" + H + b"\r\n" + N, [400], [400]),
    ("latin-1 in target", b"GET /\xe9 HTTP/1.1\r\n" + H + b"\r\n" + N, [400], [400]),
    ("NUL in target", b"GET /\0 HTTP/1.1\r\n" + H + b"\r\n" + N, [400], [400]),
    ("no target", b"GET HTTP/1.1\r\n" + H + b"\r\n" + N, [400], [400]),
    ("0.9", b"GET /\r\n\r\n" + N, [400], [400]),
    ("0.9 by name", b"GET / HTTP/0.9\r\n" + H + b"\r\n" + N, [400], [400]),
    ("1.2", b"GET / HTTP/1.2\r\n" + H + b"\r\n" + N, [400], [400]),
    ("2.0", b"GET / HTTP/2.0\r\n" + H + b"\r\n" + N, [400], [400]),
    ("1.10", b"GET / HTTP/1.10\r\n" + H + b"\r\n" + N, [400], [400]),
    ("01.1", b"GET / HTTP/01.1\r\n" + H + b"\r\n" + N, [400], [400]),
    ("lower case http", b"GET / http/1.1\r\n" + H + b"\r\n" + N, [400], [400]),
    ("RTSP", b"DESCRIBE / RTSP/1.0\r\n" + H + b"\r\n" + N, [400], [400]),
    ("ICE", b"SOURCE / ICE/1.0\r\n" + H + b"\r\n" + N, [400], [400]),
    ("unknown method", b"FROB / HTTP/1.1\r\n" + H + b"\r\n" + N, [501], [200, 200]),
    ("lower case method", b"get / HTTP/1.1\r\n" + H + b"\r\n" + N, [501], [200, 200]),
    ("method with brackets", b"G(T / HTTP/1.1\r\n" + H + b"\r\n" + N, [400], [400]),
    ("absolute target", b"GET http://b/x?y HTTP/1.1\r\n" + H + b"\r\n" + N, [200, 200], [200, 200]),
    ("target without slash", b"GET x HTTP/1.1\r\n" + H + b"\r\n" + N, [400], [200, 200]),
    ("fragment", b"GET /x#y HTTP/1.1\r\n" + H + b"\r\n" + N, [200, 200], [200, 200]),
    ("asterisk", b"OPTIONS * HTTP/1.1\r\n" + H + b"\r\n" + N, [200, 200], [200, 200]),
    ("asterisk GET", b"GET * HTTP/1.1\r\n" + H + b"\r\n" + N, [200, 200], [200, 200]),
    ("CONNECT", b"CONNECT b:443 HTTP/1.1\r\n" + H + b"\r\n" + N, [200], [200]),
    ("TRACE", b"TRACE / HTTP/1.1\r\n" + H + b"\r\n" + N, [200, 200], [200, 200]),
    ("PRI with headers", b"PRI * HTTP/2.0\r\n" + H + b"\r\n" + N, [400], []),
    # Upgrades, bodies that are unusual, connections that end.
    ("upgrade unknown", G + b"Connection: upgrade\r\nUpgrade: foo\r\n\r\n" + N, [200, 200], [200, 200]),
    (
        "upgrade unknown with body",
        P + b"Connection: upgrade\r\nUpgrade: foo\r\nContent-Length: 3\r\n\r\nabc" + N,
        [200, 200],
        [200, 200],
    ),
    (
        "upgrade unknown with chunks",
        P + b"Connection: upgrade\r\nUpgrade: foo\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" + END + N,
        [200, 200],
        [200, 200],
    ),
    (
        "upgrade h2c with body",
        P
        + b"Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 3\r\n\r\nabc"
        + N,
        [200, 200],
        [200, 200],
    ),
    ("upgrade without connection", G + b"Upgrade: websocket\r\n\r\n" + N, [200, 200], [200, 200]),
    ("GET with body", G + b"Content-Length: 3\r\n\r\nabc" + N, [200, 200], [200, 200]),
    ("close then more", G + b"Connection: close\r\n\r\n" + N, [200], [400]),
    ("close among others", G + b"Connection: keep-alive, Close\r\n\r\n" + N, [200], [400]),
    ("proxy keep-alive 1.0", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + N, [200], [400]),
    ("incomplete head", G + b"X: y\r\n", [400], [400]),
    ("incomplete body", P + b"Content-Length: 5\r\n\r\nabc", [400], [400]),
    ("incomplete chunks", CH + b"5\r\nabc", [400], [400]),
    ("junk after", G + b"\r\nxx\r\n\r\n", [200, 400], [200, 400]),
    (
        "a request after an empty body",
        P + b"Content-Length: 0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        [200, 200],
        [200, 200],
    ),
]
LESS_STRICT: Final = {
    # The grammar allows them, and the chunk's size is what both make of them: h11 reads no more than 20 digits.
    "chunk size many zeros",
    # What follows "Connection: close" is not read: RFC 9112 9.6. h11 takes it for an error, and may say so first.
    *("close then more", "close among others", "proxy keep-alive 1.0"),
}
"""Rows that Hypercorn refuses and we do not."""


@pytest.fixture
async def ours() -> AsyncGenerator[Served]:
    async with serving(echo) as server:
        yield server


@pytest.fixture
async def stock() -> AsyncGenerator[Served]:
    async with serving(echo, parser="h11") as server:
        yield server


def _ids(rows: list[Row]) -> list[str]:
    return [row[0] for row in rows]


@pytest.mark.parametrize("row", ROWS, ids=_ids(ROWS))
async def test_what_is_answered(row: Row, ours: Served) -> None:
    _, data, expected, _ = row
    assert await ours.statuses(data) == expected


@pytest.mark.parametrize("row", ROWS, ids=_ids(ROWS))
async def test_a_byte_at_a_time_makes_no_difference(row: Row, ours: Served) -> None:
    _, data, expected, _ = row
    assert await ours.statuses(*(data[at : at + 1] for at in range(len(data)))) == expected


@pytest.mark.parametrize("row", ROWS, ids=_ids(ROWS))
async def test_what_hypercorn_answers(row: Row, stock: Served, caplog: pytest.LogCaptureFixture) -> None:
    _, data, _, expected = row
    caplog.set_level(logging.CRITICAL, "hypercorn.error")  # It takes its own tunnel of CONNECT for an error.
    assert await stock.statuses(data) == expected


@pytest.mark.parametrize("row", ROWS, ids=_ids(ROWS))
def test_where_they_differ_ours_refuses(row: Row) -> None:
    name, _, ours, stock = row
    if ours != stock:
        assert (ours[-1] >= 400) is (name not in LESS_STRICT)
    assert all(status < 400 for status in ours[:-1]), "it goes on after a refusal"


@pytest.mark.parametrize(
    "data",
    [G + b"\n", b"GET / HTTP/1.1\n", b"\n", b"\r\n", b" ", b"\x16\x03\x01\x02", G + b"X: y\n", b"\x00", G + b"a\nb"],
)
async def test_what_cannot_become_a_request_is_refused_without_waiting_for_the_rest(data: bytes, ours: Served) -> None:
    with trio.fail_after(PATIENCE_S):
        async with ours.peer() as peer:
            await peer.send(data)
            assert (await peer.answer()).status == 400
            await peer.end()
            assert await peer.is_closed()


async def test_a_refusal_names_its_end(ours: Served) -> None:
    async with ours.peer() as peer:
        await peer.send(b"GET / HTTP/1.1\r\n\r\n" + N)
        answer = await peer.answer()
        assert (answer.status, answer.header("connection"), answer.header("content-length")) == (400, "close", "0")
        assert answer.header("date") is not None
        await peer.end()
        assert await peer.is_closed()
