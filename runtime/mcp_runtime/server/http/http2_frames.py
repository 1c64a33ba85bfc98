"""HTTP/2 frames: what is read of a client before it is a request, and how much of it one connection may send.

Rule: a bound holds from the first byte, whatever settings the client has seen. What is past one ends its connection,
since the state that both ends share is lost with it. ADR 0024.

h2 (4.3) looks at the length of a frame once all of it has come, takes 64 frames for one head, lets a client choose how
much of the server's memory its answers are compressed with, and answers pings, settings and resets without end.
"""

from collections.abc import Callable
from typing import Any, Final

import trio
from h2.connection import H2Connection
from h2.exceptions import DenialOfServiceError, FrameTooLargeError
from h2.frame_buffer import FrameBuffer
from hpack import Encoder
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, HeadersFrame

from mcp_runtime.config.limits import Limits

_FRAME_HEAD_BYTES: Final = 9
_TYPE_AT: Final = 3
_GREETING_BYTES: Final = 24
"""RFC 9113 3.4"""
_DATA: Final = 0
"""The type of the frames of a body. RFC 9113 6.1"""
_TABLE_BYTES: Final = 4096
"""Of HPACK's table, as both ends have it at first; it is searched from end to end for each field. RFC 7541 4.2"""
_BYTES_A_FRAME: Final = 1024
"""Of an answer; a client that has taken so much may send another frame of credit, as most do with every 16 KiB."""


def refused_head_bytes(limits: Limits) -> int:
    """The longest head that is read, to be refused with 431 on its own stream; a longer one ends its connection."""
    return 2 * limits.max_header_bytes


class ControlFrames:
    """The control frames that one connection may send: `per_minute` at once, and as many again every minute."""

    def __init__(self, per_minute: int, now: Callable[[], float] = trio.current_time) -> None:
        self._per_minute = per_minute
        self._now = now
        self._left = float(per_minute)
        self._at = now()

    def spend(self) -> None:
        """One has come. Raises DenialOfServiceError where there were too many."""
        now = self._now()
        self._left = min(self._per_minute, self._left + (now - self._at) * self._per_minute / 60) - 1
        self._at = now
        if self._left < 0:
            raise DenialOfServiceError("Too many control frames")

    def earn(self, answer_bytes: int) -> None:
        """The client was sent so much of an answer, for which it may give credit."""
        self._left += answer_bytes / _BYTES_A_FRAME


class BoundedFrames(FrameBuffer):
    """The frames of one connection, as they come."""

    def __init__(self, limits: Limits, control: ControlFrames) -> None:
        super().__init__(server=True)
        self._control = control
        self._most_head_bytes = refused_head_bytes(limits)
        self._taken = 0

    @property
    def unfinished(self) -> int | None:
        """The number of the frame or head that has begun and is not complete, None where there is none, or a body's.

        Before the first frame it is the client's greeting.
        """
        greeting = self._preamble_len
        if greeting:
            return None if greeting == _GREETING_BYTES else self._taken
        if self._headers_buffer:
            return self._taken
        data = self._data
        is_body = len(data) > _TYPE_AT and data[_TYPE_AT] == _DATA
        return self._taken if data and not is_body else None

    def __next__(self) -> Frame:
        if len(self._data) >= _FRAME_HEAD_BYTES:
            length = int.from_bytes(self._data[:3], "big")
            if length > self.max_frame_size:
                raise FrameTooLargeError(f"Received overlong frame: length {length}, max {self.max_frame_size}")
        return super().__next__()

    def _update_header_buffer(self, f: Frame | None) -> Frame | None:
        if not isinstance(f, HeadersFrame | ContinuationFrame) and not (isinstance(f, DataFrame) and _has_use(f)):
            self._control.spend()
        found = super()._update_header_buffer(f)
        if not self._headers_buffer:
            self._taken += 1
        elif sum(len(part.data) for part in self._headers_buffer) > self._most_head_bytes:
            raise DenialOfServiceError("Header block too long")
        return found


def _has_use(frame: DataFrame) -> bool:
    return bool(frame.data) or "END_STREAM" in frame.flags


class _BoundedEncoder(Encoder):
    """HPACK for answers, in a table of no more than the usual size."""

    @property
    def header_table_size(self) -> int:
        """The size of the table."""
        return self.header_table.maxsize

    @header_table_size.setter
    def header_table_size(self, value: int) -> None:
        self.header_table.maxsize = size = min(value, _TABLE_BYTES)
        if self.header_table.resized:
            self.table_size_changes.append(size)


def bound(
    connection: H2Connection, limits: Limits, now: Callable[[], float] = trio.current_time
) -> tuple[BoundedFrames, ControlFrames]:
    """Have the bounds hold on `connection`, which has not begun. Returns its frames, and how many it may send."""
    control = ControlFrames(limits.max_control_frames_per_minute, now)
    frames = BoundedFrames(limits, control)
    connection.incoming_buffer = frames
    connection.encoder = _BoundedEncoder()
    connection.decoder.max_header_list_size = refused_head_bytes(limits)
    return frames, control


def head_bytes(fields: Any) -> int:
    """How long a head is, as RFC 9113 6.5.2 counts."""
    return sum(len(name) + len(value) + 32 for name, value in fields)
