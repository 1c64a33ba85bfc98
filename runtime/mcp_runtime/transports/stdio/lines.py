"""Lines: the messages in a stream of bytes. Rule: a line too long costs its own length in time, never in memory.

Spec: 2026-07-28/basic/transports/stdio
"""

from collections.abc import Iterator
from io import BytesIO


class LineSplitter:
    """A splitter: fed with chunks, it gives complete lines without their line ends.

    One of more than `max_bytes` is dropped and comes as None.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._begun: BytesIO | None = None
        """A line that comes in several chunks. Not a list of them: they may be a byte each."""
        self._size = 0

    def feed(self, chunk: bytes | bytearray) -> Iterator[bytes | None]:
        """The lines that `chunk` completes."""
        *ends, rest = bytes(chunk).split(b"\n")
        for end in ends:
            if not self._size and len(end) <= self._max_bytes:
                yield end.removesuffix(b"\r")
            else:
                self._keep(end)
                yield self._take()
        if rest:
            self._keep(rest)

    def end(self) -> Iterator[bytes | None]:
        """The last line, where the stream ended without a line end."""
        if self._size:
            yield self._take()

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        # One byte of grace for a carriage return, which belongs to the line end.
        if self._size > self._max_bytes + 1:
            self._begun = None
        else:
            if self._begun is None:
                self._begun = BytesIO()
            self._begun.write(part)

    def _take(self) -> bytes | None:
        begun, size = self._begun, self._size
        self._begun, self._size = None, 0
        if begun is None:
            return None
        begun.seek(size - 1)
        if begun.read(1) == b"\r":
            size -= 1
            begun.truncate(size)
        return begun.getvalue() if size <= self._max_bytes else None  # It hands over what it holds, and copies nothing.
