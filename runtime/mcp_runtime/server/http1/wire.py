"""The wire: the byte stream of one client, with what was read of it and what it has not taken yet.

Rule: what was read is taken off its front, by whom it is for; what a cancelled write left goes out before all else.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import trio

from mcp_runtime.server.failures import GONE, ClientLeftError
from mcp_runtime.server.http1.request_head import EMPTY_LINE

READ_BYTES: Final = 65_536
"""Read at once, and held for a client that sends its next requests before it has its answer."""

ByteStream = trio.SocketStream | trio.SSLStream[trio.SocketStream]
"""What a client is connected by, plain or TLS."""


class Wire:
    """Both directions of one connection. Its attributes are for others to read only."""

    unread: bytes
    """What was read, and nobody has taken yet."""
    unsent: memoryview | None
    """What a cancelled write left of what it began."""
    is_gone: bool
    """Whether the client has left: nothing can be sent to it any more."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self.socket = (stream.transport_stream if isinstance(stream, trio.SSLStream) else stream).socket
        self.unread = b""
        self.unsent = None
        self.is_gone = False
        self._is_at_end = False
        self._has_dropped = False
        self._is_tls = isinstance(stream, trio.SSLStream)
        self._fd = self.socket.fileno()
        self._turn = trio.Lock()

    async def fill(self) -> bool:
        """Wait for more to be unread. False once the client has sent its last."""
        if self._is_at_end:
            return False
        try:
            if self._is_tls:
                data = bytes(await self.stream.receive_some(READ_BYTES))
            else:
                await trio.lowlevel.wait_readable(self._fd)
                data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return True  # Nothing, although it was announced: whoever wants more asks again.
        except GONE:
            data = b""
        self.unread += data
        self._is_at_end = not data
        return not self._is_at_end

    def take(self, most: int) -> bytes:
        """Take up to `most` bytes."""
        unread = self.unread
        self.unread = unread[most:]
        return unread[:most]

    def take_head(self, searched: int) -> bytes | None:
        """Take all before the first empty line, and drop that. None where there is none.

        There was none in the first `searched` bytes.
        """
        if searched > 3 and self.unread.find(EMPTY_LINE, searched - 3) < 0:
            return None
        head, ending, rest = self.unread.partition(EMPTY_LINE)
        if not ending:
            return None
        self.unread = rest
        return head

    def pass_to(self, taker: Callable[[bytes], bytes]) -> None:
        """Give all to `taker`, which returns what is not its own. Where it raises, it has taken nothing."""
        self.unread = taker(self.unread)

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Send `data`: what to await where the socket does not take all of it at once.

        Raises ConnectionResetError, now or then, where the client has left.
        """
        if self._is_tls or self.unsent is not None or self._turn.locked():
            return self._write_in_turn(data)
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        except GONE as error:
            self.is_gone = True
            raise ClientLeftError from error
        if sent == len(data):
            return None
        self.unsent = memoryview(data)[sent:]
        return self._write_in_turn(b"")

    async def write_rest(self) -> None:
        """Send what a cancelled write left. Raises ConnectionResetError where the client has left."""
        await self._write_in_turn(b"")

    def takes_back(self) -> bool:
        """Whether what was to be written last came to nothing, because its writer was cancelled. It is told once."""
        has_dropped, self._has_dropped = self._has_dropped, False
        return has_dropped

    async def _write_in_turn(self, data: bytes) -> None:
        self._has_dropped = bool(data)
        try:
            async with self._turn:
                await self._flush()
                if data:
                    self.unsent, self._has_dropped = memoryview(data), False
                    await self._flush()
        except GONE as error:
            self.is_gone = True
            raise ClientLeftError from error

    async def _flush(self) -> None:
        while self.unsent is not None:
            if isinstance(self.stream, trio.SSLStream):
                with trio.CancelScope(shield=True):  # Cancelled, it would not know what it has sent.
                    await self.stream.send_all(self.unsent)
                self.unsent = None
            else:
                await trio.lowlevel.wait_writable(self._fd)
                with suppress(BlockingIOError):
                    self.unsent = self.unsent[os.write(self._fd, self.unsent) :] or None

    async def end(self) -> None:
        """Say that nothing more is sent, where that leaves the client free to send."""
        if not isinstance(self.stream, trio.SSLStream):
            await self.stream.send_eof()

    async def close(self) -> None:
        """Close it, for TLS with a goodbye."""
        await self.stream.aclose()
