"""However the bytes are cut up, the lines are the same, and a line too long takes no other with it."""

import tracemalloc
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_runtime.transports.stdio.lines import LineSplitter

FRAMING = pytest.mark.spec("basic/transports/stdio")
MAX = 8


def split(chunks: Iterable[bytes], max_bytes: int = MAX) -> list[bytes | None]:
    splitter = LineSplitter(max_bytes)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return [*lines, *splitter.end()]


def expected(data: bytes, max_bytes: int = MAX) -> list[bytes | None]:
    lines = data.split(b"\n")
    if lines[-1] == b"":
        del lines[-1]
    bare = [line.removesuffix(b"\r") for line in lines]
    return [line if len(line) <= max_bytes else None for line in bare]


@FRAMING
@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"\n\n", [b"", b""]),
        (b"a\n", [b"a"]),
        (b"a", [b"a"]),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\rb\n", [b"a\rb"]),
        (b"a\r\r\n", [b"a\r"]),
        (b"a\r", [b"a"]),
        (b"\r\n", [b""]),
        (b"\r", [b""]),
        (b"\xff\x00\n", [b"\xff\x00"]),
        (b"12345678\n", [b"12345678"]),
        (b"12345678\r\n", [b"12345678"]),
        (b"12345678", [b"12345678"]),
        (b"123456789\n", [None]),
        (b"123456789", [None]),
        (b"12345678\r\r\n", [None]),
        (b"123456789\r\n", [None]),
        (b"1234567890\nok\n", [None, b"ok"]),
        (b"ok\n1234567890\nok\n", [b"ok", None, b"ok"]),
        (b"1234567890\n1234567890", [None, None]),
        (b"1234567890" * 100 + b"\n\nok", [None, b"", b"ok"]),
    ],
)
def test_lines_come_without_their_ends_and_too_long_ones_as_nothing(data: bytes, lines: list[bytes | None]) -> None:
    assert split([data]) == lines
    assert split(data[index : index + 1] for index in range(len(data))) == lines
    assert expected(data) == lines


DATA = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"1234567", b"12345678", b"123456789"]), max_size=12).map(
    b"".join
)


@FRAMING
@given(DATA | st.binary(max_size=60), st.lists(st.integers(0, 60)), st.integers(1, 12))
def test_any_chunking_gives_the_same_lines(data: bytes, cuts: list[int], max_bytes: int) -> None:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[start:end] for start, end in pairwise(edges)]
    assert b"".join(chunks) == data
    assert split([*chunks, b""], max_bytes) == expected(data, max_bytes)


def test_a_line_comes_as_soon_as_it_is_complete() -> None:
    splitter = LineSplitter(MAX)
    assert list(splitter.feed(b"a")) == []
    assert list(splitter.feed(bytearray(b"b\nc"))) == [b"ab"]
    assert list(splitter.feed(b"\n")) == [b"c"]
    assert list(splitter.end()) == []


def test_a_chunk_may_be_reused_by_whoever_fed_it() -> None:
    splitter = LineSplitter(MAX)
    chunk = bytearray(b"abc")
    assert list(splitter.feed(chunk)) == []
    chunk[:] = b"xyz"
    assert list(splitter.feed(b"\n")) == [b"abc"]


def test_a_line_too_long_costs_no_memory() -> None:
    splitter = LineSplitter(1000)
    chunk = b"x" * 10_000
    tracemalloc.start()
    try:
        for _ in range(1000):
            assert list(splitter.feed(chunk)) == []
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 100_000
    assert list(splitter.feed(b"\nok\n")) == [None, b"ok"]


@pytest.mark.parametrize("piece_bytes", [1, 2, 4096])
def test_a_line_is_held_once_however_it_comes(piece_bytes: int) -> None:
    line = b"x" * 100_000 + b"\r\n"
    splitter, view = LineSplitter(100_000), memoryview(line)
    tracemalloc.start()
    try:
        found = [
            one for at in range(0, len(line), piece_bytes) for one in splitter.feed(bytes(view[at : at + piece_bytes]))
        ]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [line[:-2]]
    assert peak_bytes < 1.5 * len(line)
