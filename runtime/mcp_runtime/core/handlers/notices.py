"""The notices of one call: its progress and log messages, on their way. Rule: past a rate less is sent, never the last.

Whoever reports more often than `limits.max_notifications_per_second` is not slowed down: of progress the latest is held
until the next that there is room for, or the end of the call; log messages are left out, and one of ours says how many.
There is no timer.
Spec: 2026-07-28/basic/patterns/progress, 2026-07-28/server/utilities/logging
"""

from collections.abc import Callable

from msgspec import Struct

from mcp_runtime.core.calls.call import Call
from mcp_runtime.protocol.jsonrpc import encode_notification
from mcp_runtime.protocol.messages import LoggingMessageNotificationParams, ProgressNotificationParams
from mcp_runtime.protocol.meta import LOGGING_LEVELS, LoggingLevel


class _Bucket(Struct, eq=False):
    """A token bucket: `per_second` notices at once or spread, 0 meaning unlimited. `now` is the loop's clock."""

    per_second: int
    now: Callable[[], float]
    tokens: float
    seen: float

    def allows(self) -> bool:
        """Count one notice: whether it may go out."""
        if self.per_second == 0:
            return True
        now = self.now()
        self.tokens = min(float(self.per_second), self.tokens + (now - self.seen) * self.per_second)
        self.seen = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Notices:
    """The notices of `call`, at most `per_second` of each kind."""

    def __init__(self, call: Call, per_second: int) -> None:
        now = call.time.now
        self._call = call
        self._per_second = per_second
        self._progress_room = _Bucket(per_second, now, per_second, now())
        self._message_room = _Bucket(per_second, now, per_second, now())
        self._held: bytes | None = None
        self._left_out = 0
        self._loudest = 0

    async def progress(self, params: ProgressNotificationParams) -> bool:
        """Send the progress, or hold it in the place of what was held: whether it was sent."""
        encoded = encode_notification("notifications/progress", params)
        if not self._progress_room.allows():
            self._held = encoded
            return False
        self._held = None
        await self._call.tell(encoded)
        return True

    async def message(self, params: LoggingMessageNotificationParams) -> bool:
        """Send the log message, or leave it out: whether it was sent."""
        if not self._message_room.allows():
            self._left_out += 1
            self._loudest = max(self._loudest, LOGGING_LEVELS.index(params.level))
            return False
        if self._left_out:
            self._message_room.tokens -= 1  # It counts, too: what is allowed next comes later.
            await self._say_left_out()
        await self._tell(params)
        return True

    async def say_rest(self) -> None:
        """Send what was held, and how much was left out: nothing comes after it."""
        if self._call.abandoned:
            return
        held, self._held = self._held, None
        if held is not None:
            await self._call.tell(held)
        if self._left_out:
            await self._say_left_out()

    async def _say_left_out(self) -> None:
        """Say how many messages are missing here, as loud as the loudest of them: so the client wants to hear it."""
        text = f"{self._left_out} log messages were left out here: a call may send {self._per_second} a second"
        level: LoggingLevel = LOGGING_LEVELS[self._loudest]
        self._left_out = self._loudest = 0
        await self._tell(LoggingMessageNotificationParams(level=level, data=text))

    async def _tell(self, params: LoggingMessageNotificationParams) -> None:
        await self._call.tell(encode_notification("notifications/message", params))
