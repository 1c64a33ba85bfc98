"""HTTP/2: Hypercorn's protocol class, made to finish what it began, and such that no client can end it for others.

Rules: a response is over when its END_STREAM is out, not when its buffer is empty. A request that cannot be served is
refused on its own stream, and what comes for a stream that has its answer is dropped.

Hypercorn (0.18) takes a response for sent as soon as its last chunk was taken from the buffer. During a drain it then
says goodbye to the connection while that chunk and the end of the stream are still on their way, and the client loses
an answer that was computed for it. It also leaves a response that waits for its connection waiting when that
connection is gone, and lets connections idle for ever that made no request or had their last one reset.

It raises where a client sends on after its answer, asks for a tunnel, for a path or a method that is no text, or sets
more priorities than it keeps. It holds all streams of a connection up while the application of one does not read. And
it waits for good for a client that gives no credit for its answer.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

import h2.events
import trio
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hypercorn.events import Closed, Event, Updated
from hypercorn.protocol.events import Body, EndBody, Request
from hypercorn.protocol.h2 import BUFFER_HIGH_WATER, BUFFER_LOW_WATER, BufferCompleteError, H2Protocol, StreamBuffer
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.utils import filter_pseudo_headers
from msgspec import Struct
from priority.priority import TooManyStreamsError

from mcp_runtime.server.http.http2_frames import bound, head_bytes
from mcp_runtime.server.http.hypercorn_tasks import ConnectionTasks, StreamTasks
from mcp_runtime.server.http1.backlog import Backlog, Backlogs
from mcp_runtime.server.http1.connection import Http1Config
from mcp_runtime.server.http1.request_head import TOKEN

_METHOD: Final = re.compile(TOKEN)
_PATH: Final = re.compile(rb"[\x21-\x7e]+")
_DROPPED_BYTES: Final = 16 * 1024 * 1024
"""Taken from a client that sends on after its answer: most send all of a body before they look for an answer."""


class Unsent(Struct, frozen=True):
    """The place where one connection counts what its streams hold for their client. `hang_up` closes `sock`."""

    backlogs: Backlogs
    sock: trio.socket.SocketType
    hang_up: Callable[[], None]

    def begin(self, left: int) -> Backlog:
        """So much is held by a stream, which has a timeout of its own."""
        return self.backlogs.begin(self.sock, left, self.hang_up, is_timed=False)


class CompleteBuffer(StreamBuffer):
    """A buffer whose `drain`, once the response is complete, waits for its end to be sent.

    `stalled` is called where something waits for the client, which has taken nothing for `timeout_s`; `earn` is told
    how much is sent. `unsent` is where what it holds is counted.
    """

    def __init__(
        self,
        event_class: Any,
        timeout_s: float,
        *,
        stalled: Callable[[], Awaitable[None]],
        earn: Callable[[int], None],
        unsent: Unsent,
    ) -> None:
        super().__init__(event_class)
        self.ended = event_class()
        self._timeout_s = timeout_s
        self._stalled = stalled
        self._earn = earn
        self._unsent = unsent
        self._backlog: Backlog | None = None
        self._is_moving = False

    async def push(self, data: bytes) -> None:
        """Leave `data` to be sent, and wait where that is much."""
        if self._complete:
            raise BufferCompleteError
        self.buffer.extend(data)
        self._count()
        await self._is_empty.clear()
        if len(self.buffer) >= BUFFER_HIGH_WATER:
            await self._in_time(self._paused)
            await self._paused.clear()

    async def drain(self) -> None:
        """Wait until all that was pushed is sent."""
        await self._in_time(self.ended if self._complete else self._is_empty)

    async def _in_time(self, event: Any) -> None:
        """Wait for `event`, for as long as the client takes some of the answer now and then."""
        while True:
            self._is_moving = False
            with trio.move_on_after(self._timeout_s):
                await event.wait()
                return
            if not self._is_moving:
                await self._stalled()
                return

    async def pop(self, max_length: int) -> bytes:
        """Take up to `max_length` bytes to send, and let the response go on once little enough is left.

        Hypercorn looks at what was taken instead: with the client's window shut that is nothing, and so never too much.
        """
        data = bytes(self.buffer[:max_length])
        del self.buffer[:max_length]
        if data:
            self._is_moving = True
            self._earn(len(data))
            if self._backlog is not None:
                self._unsent.backlogs.moved(self._backlog, len(self.buffer))
        if len(self.buffer) < BUFFER_LOW_WATER:
            await self._paused.set()
        if not self.buffer:
            self._end_backlog()
            await self._is_empty.set()
        return data

    async def close(self) -> None:
        """Give up on sending: the stream or its connection is gone."""
        self._end_backlog()
        await super().close()
        await self.ended.set()

    def _count(self) -> None:
        """Count all that it holds: the client may give no credit for it, and then no socket ever sees it."""
        self._end_backlog()
        self._backlog = self._unsent.begin(len(self.buffer))

    def _end_backlog(self) -> None:
        if self._backlog is not None:
            self._unsent.backlogs.end(self._backlog)
            self._backlog = None


class CompleteH2Protocol(H2Protocol):
    """HTTP/2 on one connection, telling its buffers when a stream has ended."""

    expects_more = True
    """Where it ends, the client may be in the middle of what it sends; not after its goodbye."""

    def __init__(self, *arguments: Any, unsent: Unsent) -> None:
        super().__init__(*arguments)
        self._unsent = unsent
        del self.connection.local_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL]  # There are no WebSockets here.
        config = cast("Http1Config", self.config)
        self._limits, self._write_timeout_s = config.limits, config.write_timeout_s
        self._frames, self._control = bound(self.connection, self._limits)
        self._uncredited: dict[int, int] = {}
        """Bytes that an application has not taken yet, by stream."""
        self._dropped: dict[int, int] = {}
        """Bytes that came for a stream after its answer, while it is open."""

    @property
    def unfinished(self) -> int | None:
        """As BoundedFrames has it."""
        return self._frames.unfinished

    async def be_late(self) -> None:
        """Say goodbye to a client that does not finish what it has begun."""
        self.connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
        await self._flush()

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
        self._credit(stream_id, self._uncredited.pop(stream_id, 0))
        await self._flush()
        await self._tell_if_idle()

    async def _tell_if_idle(self) -> None:
        if not self.closed and self.idle:
            await self.send(Updated(idle=True))

    async def _flush(self) -> None:
        if not self.closed:  # Then it may be called by who holds the lock of writing.
            await super()._flush()

    async def handle(self, event: Event) -> None:
        """Take what came from the connection."""
        await super().handle(event)
        if isinstance(event, Closed):
            for buffer in list(self.stream_buffers.values()):
                await buffer.close()

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            if self.closed:
                return
            try:
                await self._handle_event(event)
            except ProtocolError:
                continue  # What came with it has ended the stream or the connection, so there is nobody to tell.
        await self._flush()

    async def _handle_event(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                await self._take_request(event)
            case h2.events.DataReceived():
                await self._take_data(event)
            case h2.events.StreamEnded(stream_id=int(stream_id)):
                self._dropped.pop(stream_id, None)
                if (stream := self.streams.get(stream_id)) is not None:
                    await stream.handle(EndBody(stream_id=stream_id))
            case h2.events.StreamReset(stream_id=int(stream_id)):
                self._dropped.pop(stream_id, None)
                await self._close_stream(stream_id)
                await self._window_updated(stream_id)
            case h2.events.WindowUpdated():
                await self._window_updated(event.stream_id)
            case h2.events.RemoteSettingsChanged():
                if SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings:
                    await self._window_updated(None)
            case h2.events.ConnectionTerminated():
                self.expects_more = False
                await self.send(Closed())
            case _:
                pass  # Priorities too: RFC 9113 5.3.2 lets a server ignore them, and to keep them takes memory.

    async def _take_request(self, event: h2.events.RequestReceived) -> None:
        stream_id = event.stream_id
        fields = event.headers
        pseudo = dict(field for field in fields if field[0].startswith(b":"))
        method, path = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
        self.keep_alive_requests += 1
        if self.context.terminated.is_set():
            self.connection.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            self.connection.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        elif (status := self._too_long(path, fields)) is not None:
            self._refuse(stream_id, status)
        elif method == b"CONNECT":
            self._refuse(stream_id, b"501")
        elif _METHOD.fullmatch(method) is None or _PATH.fullmatch(path) is None:
            self._refuse(stream_id, b"400")
        else:
            await self._begin(stream_id, method, path, fields)
        if self.keep_alive_requests > self.config.keep_alive_max_requests:
            self.connection.close_connection()

    def _too_long(self, path: bytes, fields: Any) -> bytes | None:
        """The answer to a head that is past a limit."""
        limits = self._limits
        if len(path) > limits.max_request_line_bytes:
            return b"414"
        pseudo_fields = sum(1 for name, _ in fields if name.startswith(b":"))
        too_many = len(fields) - pseudo_fields > limits.max_headers
        return b"431" if too_many or head_bytes(fields) > limits.max_header_bytes else None

    def _refuse(self, stream_id: int, status: bytes) -> None:
        fields = [(b":status", status), (b"content-length", b"0"), *self.config.response_headers("h2")]
        self.connection.send_headers(stream_id, fields, end_stream=True)

    async def _begin(self, stream_id: int, method: bytes, path: bytes, fields: Any) -> None:
        try:
            self.priority.insert_stream(stream_id)
        except TooManyStreamsError:  # It resets them faster than it reads.
            await self.send(Closed())
            return
        self.priority.block(stream_id)
        self.stream_buffers[stream_id] = CompleteBuffer(
            self.context.event_class,
            self._write_timeout_s,
            stalled=partial(self._give_up, stream_id),
            earn=self._control.earn,
            unsent=self._unsent,
        )
        tasks: Any = StreamTasks(cast("ConnectionTasks", self.task_group), partial(self._taken, stream_id))
        ends = self.ssl, self.client, self.server
        stream = HTTPStream(self.app, self.config, self.context, tasks, *ends, self.stream_send, stream_id)
        self.streams[stream_id] = stream
        request = Request(
            stream_id=stream_id,
            headers=filter_pseudo_headers(fields),
            http_version="2",
            method=method.decode().upper(),
            raw_path=path,
            state=self.connection_state,
        )
        await stream.handle(request)
        await self.context.mark_request()
        await self.send(Updated(idle=False))

    async def _give_up(self, stream_id: int) -> None:
        """Reset a stream whose client does not take its answer."""
        if self.closed or (buffer := self.stream_buffers.get(stream_id)) is None:
            return
        with suppress(ProtocolError):  # It has ended by itself in the meantime.
            self.connection.reset_stream(stream_id, ErrorCodes.CANCEL)
        await buffer.close()
        await self._close_stream(stream_id)
        await self._window_updated(stream_id)  # so that the task that sends forgets it

    async def _take_data(self, event: h2.events.DataReceived) -> None:
        stream_id, data, size = event.stream_id, event.data, event.flow_controlled_length
        stream = self.streams.get(stream_id)
        if stream is None:
            self._drop(stream_id, size)
        elif data:
            self._credit(stream_id, size - len(data))  # what is padding
            self._uncredited[stream_id] = self._uncredited.get(stream_id, 0) + len(data)
            await stream.handle(Body(stream_id=stream_id, data=data))
        else:
            self._credit(stream_id, size)

    def _drop(self, stream_id: int, size: int) -> None:
        """Drop what comes after the answer; the client may go on, for it may look for an answer only at its end."""
        self._credit(stream_id, size)
        self._dropped[stream_id] = dropped = self._dropped.get(stream_id, 0) + size
        if dropped > _DROPPED_BYTES:
            del self._dropped[stream_id]
            self.connection.reset_stream(stream_id, ErrorCodes.NO_ERROR)  # RFC 9113 8.1

    async def _taken(self, stream_id: int, size: int) -> None:
        """The application has taken so much of a body, and the client may send as much again."""
        left = self._uncredited.get(stream_id, 0)
        if left and not self.closed:
            self._uncredited[stream_id] = left - size
            self._credit(stream_id, size)
            await self._flush()

    def _credit(self, stream_id: int, size: int) -> None:
        if size and not self.closed:
            self.connection.acknowledge_received_data(size, stream_id)
