"""Lines: the messages in a stream of bytes. Rule: a line too long costs its own length in time, never in memory.

Spec: 2026-07-28/basic/transports/stdio
"""

from collections.abc import Iterator


class LineSplitter:
    """A splitter: fed with chunks, it gives complete lines without their line ends.

    One of more than `max_bytes` is dropped and comes as None.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._dropping = False

    def feed(self, chunk: bytes | bytearray) -> Iterator[bytes | None]:
        """The lines that `chunk` completes."""
        *ends, rest = bytes(chunk).split(b"\n")
        for end in ends:
            self._keep(end)
            yield self._take()
        self._keep(rest)

    def end(self) -> Iterator[bytes | None]:
        """The last line, where the stream ended without a line end."""
        if self._size or self._dropping:
            yield self._take()

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        # One byte of grace for a carriage return, which belongs to the line end.
        if self._size > self._max_bytes + 1:
            self._dropping = True
            self._parts = []
        elif part:
            self._parts.append(part)

    def _take(self) -> bytes | None:
        line = b"".join(self._parts).removesuffix(b"\r")
        dropped = self._dropping or len(line) > self._max_bytes
        self._parts, self._size, self._dropping = [], 0, False
        return None if dropped else line
