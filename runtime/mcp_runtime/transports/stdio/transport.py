"""The stdio transport: one JSON message a line. Rule: whatever a line is, the next one still works.

Spec: 2026-07-28/basic/transports/stdio
"""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import trio
from msgspec import UNSET

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.call import Call, Reply, Stream, short
from mcp_runtime.core.calls.subscriptions import Subscription
from mcp_runtime.core.calls.time_limit import TimeLimit
from mcp_runtime.core.dispatch.dispatcher import Dispatcher, too_many_requests
from mcp_runtime.protocol.errors import INVALID_REQUEST, PeerError
from mcp_runtime.protocol.jsonrpc import (
    MalformedMessageError,
    Message,
    Notification,
    Request,
    RequestId,
    Response,
    encode_error,
    encode_notification,
    on_one_line,
)
from mcp_runtime.protocol.legacy import refusal
from mcp_runtime.protocol.messages import CancelledNotificationParams, decode_params, read_message
from mcp_runtime.protocol.revisions import MODERN_REVISIONS, Era, classify
from mcp_runtime.telemetry.log.log import get_logger
from mcp_runtime.transports.stdio.bridge_port import StdioBridge, StdioWire
from mcp_runtime.transports.stdio.claimed_streams import ByteStream
from mcp_runtime.transports.stdio.lines import LineSplitter

if TYPE_CHECKING:  # nobody on stdio counts, as a rule
    from mcp_runtime.core.calls.observers import Observer

CANCELLED = "notifications/cancelled"
_JOINED_BYTES: Final = 65_536
"""A longer line is not copied to have its end beside it."""


class Stdio:
    """The transport of one client. `serve` ends at the end of input; calls still at work get `eof_grace_s`."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        reader: ByteStream,
        writer: trio.abc.SendStream,
        *,
        limits: Limits,
        eof_grace_s: float,
        bridge: Callable[[StdioWire], StdioBridge | None] | None = None,
        observer: "Observer | None" = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._eof_grace_s = eof_grace_s
        self._make_bridge = bridge
        self._observer = observer
        self._bridge: StdioBridge | None = None
        self._reading = trio.CancelScope()
        self._lines = 0
        # No buffer: whoever has something to say waits until the writer takes it, so a slow reader slows its own calls.
        self._outbox, self._outgoing = trio.open_memory_channel[bytes](0)
        self._calls: dict[RequestId, Call] = {}
        self._subscriptions: dict[RequestId, tuple[Subscription, trio.CancelScope]] = {}

    async def serve(self) -> None:
        """Read messages and serve them at once, until the input ends, `stop` is called or the client stops reading."""
        try:
            async with trio.open_nursery() as writing:
                writing.start_soon(self._write_all)
                async with trio.open_nursery() as calls:
                    with self._reading:
                        await self._read(calls)
                    self._wind_up(writing)
                    calls.cancel_scope.deadline = writing.cancel_scope.deadline
                await self._outbox.aclose()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            get_logger().info("stdout_closed")  # The client is gone; there is nobody to tell.

    async def stop_when_stuck(self, wait_hang_up: Callable[[], Awaitable[None]]) -> None:
        """Stop when the input has ended but its end is not reached, because nobody takes what has to be written first.

        `wait_hang_up` returns when the input has ended, read or not.
        """
        await wait_hang_up()
        lines = -1
        while lines != self._lines:
            lines = self._lines
            await trio.sleep(self._eof_grace_s)
        self._eof_grace_s = 0  # It has passed: nobody takes what has been waiting to be written.
        self.stop()

    def stop(self) -> None:
        """End `serve` as if the input had ended."""
        self._reading.cancel()

    def _wind_up(self, writing: trio.Nursery) -> None:
        for subscription, _ in self._subscriptions.values():
            subscription.close()
        if self._bridge is not None:
            self._bridge.close()
        writing.cancel_scope.deadline = trio.current_time() + self._eof_grace_s

    async def _write_all(self) -> None:
        """The one writer: a call that is cancelled can take back what it wanted to say, but not tear a line in two."""
        async with self._outgoing:
            async for message in self._outgoing:
                line = on_one_line(message)
                if len(line) > _JOINED_BYTES:
                    await self._writer.send_all(line)
                    await self._writer.send_all(b"\n")
                else:
                    await self._writer.send_all(line + b"\n")

    async def _read(self, calls: trio.Nursery) -> None:
        splitter = LineSplitter(self._limits.max_line_bytes)
        while True:
            chunk = await self._reader.receive_some()
            lines = splitter.feed(chunk) if chunk else splitter.end()
            for line in lines:
                self._lines += 1
                await self._line(line, calls)
            if not chunk:
                return

    async def _line(self, line: bytes | None, calls: trio.Nursery) -> None:
        if line is None:
            problem = f"Invalid request: a line is longer than {self._limits.max_line_bytes} bytes"
            await self._write(encode_error(None, PeerError(INVALID_REQUEST, problem)))
            return
        if not line or line.isspace():
            return  # An empty line is no message; some clients end their input with one.
        try:
            if len(line) > self._limits.max_json_values:  # else there cannot be as many
                from mcp_runtime.protocol.json_values import check_values

                check_values(line, self._limits.max_json_values)
            if self._bridge is not None and line.lstrip()[:1] == b"[":
                await self._batch(self._bridge, line)
                return
            message = read_message(line)
        except MalformedMessageError as error:
            await self._write(encode_error(error.id, error))
            return
        try:
            await self._take(message, calls)
        except PeerError as error:
            if not isinstance(message, Notification):
                await self._write(encode_error(message.id if isinstance(message, Request) else None, error))

    async def _batch(self, bridge: StdioBridge, line: bytes) -> None:
        try:
            await bridge.serve_batch(line)
        except PeerError as error:
            await self._write(encode_error(None, error))

    async def _take(self, message: Message, calls: trio.Nursery) -> None:
        if isinstance(message, Notification) and message.method == CANCELLED:
            self._cancel(message)
        version = message.probe.version if isinstance(message, Request) else None
        era = classify(body_version=version, header_version=None)
        bridge = self._bridge_for(calls) if era is Era.LEGACY else None
        if bridge is not None:
            await bridge.serve(message)
        elif isinstance(message, Response):
            raise PeerError(INVALID_REQUEST, "Invalid request: clients do not send responses in this revision")
        elif isinstance(message, Request):
            if era is Era.LEGACY:
                raise refusal(message, versions=MODERN_REVISIONS, header_version=None, has_headers=False)
            self._start(message, calls)

    def _bridge_for(self, calls: trio.Nursery) -> StdioBridge | None:
        """The bridge, made when the first legacy message comes: a modern client does not wait for its import."""
        if self._make_bridge is not None:
            self._bridge = self._make_bridge(StdioWire(send=self._write, start=calls.start_soon))
            self._make_bridge = None
        return self._bridge

    def _start(self, request: Request, calls: trio.Nursery) -> None:
        if request.id in self._calls or request.id in self._subscriptions:
            raise PeerError(INVALID_REQUEST, "Invalid request: a request with this id is still being served")
        # Counted here too, until the answer is written: a client that only sends would otherwise pile up answers. The
        # refusal has to be written as well, and so stops the reading.
        limit = self._limits.max_concurrent_requests
        if len(self._calls) >= limit:
            raise too_many_requests(limit)
        scope = trio.CancelScope()
        time = TimeLimit(cutter=scope, began=trio.current_time(), now=trio.current_time)
        call = Call(request=request, transport="stdio", notify=self._write, time=time)
        self._calls[request.id] = call
        calls.start_soon(self._serve_call, call, scope)

    async def _serve_call(self, call: Call, scope: trio.CancelScope) -> None:
        try:
            answer = await self._dispatcher.dispatch_within(scope, call)
            if self._observer is not None:
                self._observer.served(call, answer, call.time.began)
            if isinstance(answer, Reply):
                await self._write(answer.body)
        finally:
            del self._calls[call.request.id]
        if isinstance(answer, Stream):
            await self._serve_stream(call.request.id, answer)

    async def _serve_stream(self, request_id: RequestId, stream: Stream) -> None:
        with trio.CancelScope() as scope:
            self._subscriptions[request_id] = (stream.subscription, scope)
            try:
                async with aclosing(stream.subscription.notifications()) as notifications:
                    async for notification in notifications:
                        await self._write(notification)
                await self._write(stream.final)
                await self._write(_torn_down(request_id, stream))
            finally:
                del self._subscriptions[request_id]
                stream.subscription.leave()

    def _cancel(self, notification: Notification) -> None:
        """Spec: 2026-07-28/basic/patterns/cancellation#behavior-requirements"""
        try:
            params = decode_params(notification.params, CancelledNotificationParams)
        except PeerError:
            return  # Malformed cancellations are ignored, as are those of requests that ended.
        call = self._calls.get(params.request_id)
        listening = self._subscriptions.get(params.request_id)
        if call is not None:
            reason = None if params.reason is UNSET else params.reason
            get_logger().info("request_cancelled", request_id=short(params.request_id), reason=short(reason))
            call.abandon()
        elif listening is not None:
            listening[1].cancel()

    async def _write(self, message: bytes) -> None:
        await self._outbox.send(message)


def _torn_down(request_id: RequestId, stream: Stream) -> bytes:
    """What follows the result of a subscription that the server ended. Spec: 2026-07-28/basic/patterns/cancellation

    Clients take the first of the two that they see for the ending, so the graceful one goes first.
    """
    return encode_notification(
        CANCELLED, CancelledNotificationParams(request_id=request_id, meta={**stream.subscription.meta})
    )
