"""HTTP/2 that finishes what it began.

Rule: a response is over when its END_STREAM is out, not when its buffer is empty.

Hypercorn (0.18) takes a response for sent as soon as its last chunk was taken from the buffer. During a drain it then
says goodbye to the connection while that chunk and the end of the stream are still on their way, and the client loses
an answer that was computed for it. It also leaves a response that waits for its connection waiting when that
connection is gone, and lets connections idle for ever that made no request or had their last one reset. `install` puts
these two classes in the place of Hypercorn's own; stock HTTP/1.1 is not touched.
"""

from typing import Any

import hypercorn.protocol
import hypercorn.protocol.h2
from hypercorn.events import Closed, Updated
from hypercorn.protocol.h2 import BUFFER_LOW_WATER, H2Protocol, StreamBuffer


class CompleteBuffer(StreamBuffer):
    """A buffer whose `drain`, once the response is complete, waits for its end to be sent."""

    def __init__(self, event_class: Any) -> None:
        super().__init__(event_class)
        self.ended = event_class()

    async def drain(self) -> None:
        """Wait until all that was pushed is sent."""
        if self._complete:
            await self.ended.wait()
        else:
            await super().drain()

    async def pop(self, max_length: int) -> bytes:
        """Take up to `max_length` bytes to send, and let the response go on once little enough is left.

        Hypercorn looks at what was taken instead: with the client's window shut that is nothing, and so never too much.
        """
        data = bytes(self.buffer[:max_length])
        del self.buffer[:max_length]
        if len(self.buffer) < BUFFER_LOW_WATER:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return data

    async def close(self) -> None:
        """Give up on sending: the stream or its connection is gone."""
        await super().close()
        await self.ended.set()


class CompleteH2Protocol(H2Protocol):
    """HTTP/2 on one connection, telling its buffers when a stream has ended."""

    async def _send_data(self, stream_id: int) -> None:
        buffer = self.stream_buffers.get(stream_id)
        await super()._send_data(stream_id)
        if isinstance(buffer, CompleteBuffer) and stream_id not in self.stream_buffers:
            await buffer.ended.set()

    async def initiate(self, headers: Any = None, settings: Any = None) -> None:
        """Begin. Hypercorn counts a connection without a single request as busy; it has nothing to wait for."""
        await super().initiate(headers, settings)
        await self._tell_if_idle()

    async def _close_stream(self, stream_id: int) -> None:
        await super()._close_stream(stream_id)
        await self._tell_if_idle()

    async def _tell_if_idle(self) -> None:
        if not self.closed and self.idle:
            await self.send(Updated(idle=True))

    async def handle(self, event: Any) -> None:
        """Take what came from the connection."""
        await super().handle(event)
        if isinstance(event, Closed):
            for buffer in list(self.stream_buffers.values()):
                await buffer.close()


def install() -> None:
    """Have every HTTP/2 connection of this process use these. Harmless to repeat."""
    hypercorn.protocol.H2Protocol = CompleteH2Protocol  # type: ignore[attr-defined]  # replaced on purpose
    hypercorn.protocol.h2.StreamBuffer = CompleteBuffer  # type: ignore[misc]  # replaced on purpose
