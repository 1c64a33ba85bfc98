"""The wire: the byte stream of one client, with what was read of it and what it has not taken yet.

Rule: what was read is taken off its front, by whom it is for; what a cancelled write left goes out before all else.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import trio

from mcp_runtime.server.failures import GONE, ClientLeftError
from mcp_runtime.server.http1.backlog import Backlogs
from mcp_runtime.server.http1.request_head import EMPTY_LINE

READ_BYTES: Final = 65_536
"""Read at once, and held for a client that sends its next requests before it has its answer."""
MOST_READ_BYTES: Final = 262_144
"""Read at once of a body of which so much is known to come: each read of less is another turn of the event loop."""
PIECE_BYTES: Final = 65_536
"""Sent at once where a stream does not say how much of it went out."""

ByteStream = trio.SocketStream | trio.SSLStream[trio.SocketStream]
"""What a client is connected by, plain or TLS."""


class Wire:
    """Both directions of one connection. Its attributes are for others to read only."""

    unread: bytes
    """What was read, and nobody has taken yet."""
    unsent: list[memoryview]
    """What a write has left of what it began, in pieces."""
    is_gone: bool
    """Whether the client has left: nothing can be sent to it any more."""

    def __init__(self, stream: ByteStream, backlogs: Backlogs) -> None:
        self.stream = stream
        self.socket = (stream.transport_stream if isinstance(stream, trio.SSLStream) else stream).socket
        self.unread = b""
        self.unsent = []
        self.is_gone = False
        self._backlogs = backlogs
        self._is_at_end = False
        self._has_dropped = False
        self._is_tls = isinstance(stream, trio.SSLStream)
        self._fd = self.socket.fileno()
        self._turn = trio.Lock()

    async def fill(self, most: int = READ_BYTES) -> bool:
        """Wait for more to be unread, `most` bytes of it. False once the client has sent its last."""
        if self._is_at_end:
            return False
        try:
            if self._is_tls:
                data = bytes(await self.stream.receive_some(most))
            else:
                await trio.lowlevel.wait_readable(self._fd)
                data = os.read(self._fd, most)
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
        if self._is_tls or self.unsent or self._turn.locked():
            return self._write_in_turn((data,))
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        except GONE as error:
            self.is_gone = True
            raise ClientLeftError from error
        if sent == len(data):
            return None
        self.unsent.append(memoryview(data)[sent:])
        return self._write_in_turn(())

    def write_pieces(self, *pieces: bytes) -> Awaitable[None] | None:
        """As `write`, one after the other: for what is so long that to join it costs more."""
        if not (self._is_tls or self.unsent or self._turn.locked()):
            self.unsent.extend(map(memoryview, pieces))
            try:
                self._send_some()
            except GONE as error:
                self._lose()
                raise ClientLeftError from error
            return self._write_in_turn(()) if self.unsent else None
        return self._write_in_turn(pieces)

    async def write_rest(self) -> None:
        """Send what a cancelled write left. Raises ConnectionResetError where the client has left."""
        await self._write_in_turn(())

    def takes_back(self) -> bool:
        """Whether what was to be written last came to nothing, because its writer was cancelled. It is told once."""
        has_dropped, self._has_dropped = self._has_dropped, False
        return has_dropped

    async def _write_in_turn(self, pieces: Sequence[bytes]) -> None:
        self._has_dropped = bool(pieces)
        try:
            async with self._turn:
                if self.is_gone:
                    raise ClientLeftError
                await self._flush()
                if pieces:
                    self.unsent, self._has_dropped = [memoryview(piece) for piece in pieces if piece], False
                    await self._flush()
        except GONE as error:
            self._lose()
            raise ClientLeftError from error

    def _lose(self) -> None:
        self.is_gone = True
        self.unsent.clear()

    def _hang_up(self) -> None:
        """Close it at once, whoever waits for it."""
        self._lose()
        self._is_at_end = True
        self._fd = -1  # The number may be another connection's by the time that somebody would use it.
        self.socket.close()

    async def _flush(self) -> None:
        if not self.unsent:
            return
        backlogs = self._backlogs
        backlog = backlogs.begin(self.socket, sum(map(len, self.unsent)), self._hang_up)
        try:
            while self.unsent:
                if isinstance(self.stream, trio.SSLStream):
                    with trio.CancelScope(shield=True):  # Cancelled, it would not know what it has sent.
                        await self._send_some_over(self.stream)
                else:
                    await trio.lowlevel.wait_writable(self._fd)
                    self._send_some()
                backlogs.moved(backlog, sum(map(len, self.unsent)))
        finally:
            backlogs.end(backlog)
        if self.is_gone:
            raise ClientLeftError  # It was cut off before it began to wait.

    def _send_some(self) -> None:
        """Send what the socket takes."""
        with suppress(BlockingIOError):
            self._drop(os.writev(self._fd, self.unsent))

    async def _send_some_over(self, stream: "trio.SSLStream[trio.SocketStream]") -> None:
        piece = self.unsent[0][:PIECE_BYTES]
        await stream.send_all(piece)
        self._drop(len(piece))

    def _drop(self, sent: int) -> None:
        """So much of what is unsent was sent."""
        unsent = self.unsent
        while unsent and sent >= len(unsent[0]):
            sent -= len(unsent.pop(0))
        if sent:
            unsent[0] = unsent[0][sent:]

    async def end(self) -> None:
        """Say that nothing more is sent, where that leaves the client free to send."""
        if not isinstance(self.stream, trio.SSLStream):
            await self.stream.send_eof()

    async def close(self) -> None:
        """Close it, for TLS with a goodbye."""
        await self.stream.aclose()
