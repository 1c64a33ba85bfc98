"""What one HTTP/2 connection may send before any of it is a request: each bound at its edge, from the first byte."""

from collections.abc import Callable

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import DenialOfServiceError, FrameTooLargeError, ProtocolError
from hpack import Decoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from mcp_runtime.config.limits import Limits
from mcp_runtime.server.http.http2_frames import BoundedFrames, ControlFrames, bound, head_bytes

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def frames(per_minute: int = 100, clock: Clock | None = None, **limits: int) -> BoundedFrames:
    made = BoundedFrames(Limits(**limits), ControlFrames(per_minute, clock or Clock()))
    made.max_frame_size = 16_384
    made.add_data(PREFACE)
    return made


def taken(found: BoundedFrames, data: bytes) -> int:
    found.add_data(data)
    return sum(1 for _ in found)


@pytest.mark.parametrize("kind", range(12))
def test_a_frame_that_is_too_long_is_refused_by_its_first_nine_bytes(kind: int) -> None:
    rest = bytes((kind, 0, 0, 0, 0, 0 if kind in {4, 6, 7} else 1))
    assert taken(frames(), (16_384).to_bytes(3) + rest) == 0
    with pytest.raises(FrameTooLargeError):
        taken(frames(), (16_385).to_bytes(3) + rest)


def test_a_length_that_has_not_come_whole_is_waited_for() -> None:
    assert taken(frames(), b"\xff\xff\xff\0\0\0\0\0") == 0


@pytest.mark.parametrize(
    "one",
    [
        PingFrame(0, bytes(8)),
        PingFrame(0, bytes(8), flags=["ACK"]),
        SettingsFrame(0),
        SettingsFrame(0, flags=["ACK"]),
        RstStreamFrame(1, 8),
        PriorityFrame(1),
        WindowUpdateFrame(0, 1),
        DataFrame(1, b""),
        DataFrame(1, b"", pad_length=9, flags=["PADDED"]),
    ],
    ids=lambda frame: type(frame).__name__ if not frame.flags else f"{type(frame).__name__} {frame.flags}",
)
def test_so_many_control_frames_may_come_and_one_more_a_moment_later(one: PingFrame) -> None:
    clock = Clock()
    found = frames(100, clock)
    assert taken(found, one.serialize() * 100) == 100
    with pytest.raises(DenialOfServiceError):
        taken(found, one.serialize())
    clock.now = 60 / 100 * 2.1  # That one is counted, too.
    again = frames(100, clock)
    assert taken(again, one.serialize() * 100) == 100
    clock.now += 0.61
    assert taken(again, one.serialize()) == 1
    with pytest.raises(DenialOfServiceError):
        taken(again, one.serialize())


def test_heads_and_bodies_are_no_control_frames() -> None:
    found = frames(100)
    head = HeadersFrame(1, b"\x82", flags=["END_HEADERS"]).serialize()
    body = DataFrame(1, b"x").serialize() + DataFrame(1, b"", flags=["END_STREAM"]).serialize()
    assert taken(found, (head + body) * 1000) == 3000


def test_a_quiet_time_saves_no_more_than_a_minutes_worth() -> None:
    clock = Clock()
    control = ControlFrames(100, clock)
    clock.now = 10_000
    for _ in range(100):
        control.spend()
    with pytest.raises(DenialOfServiceError):
        control.spend()


def test_who_takes_an_answer_may_give_credit_for_it() -> None:
    control = ControlFrames(100, Clock())
    for _ in range(100):
        control.spend()
    control.earn(1024)
    control.spend()
    control.earn(1023)
    with pytest.raises(DenialOfServiceError):
        control.spend()


def test_a_head_in_frames_is_bounded_before_it_is_whole() -> None:
    start, more = HeadersFrame(1, bytes(1000), flags=[]), ContinuationFrame(1, bytes(1048), flags=[])
    assert taken(frames(max_header_bytes=1024), start.serialize() + more.serialize()) == 0
    with pytest.raises(DenialOfServiceError):
        taken(
            frames(max_header_bytes=1024), start.serialize() + more.serialize() + ContinuationFrame(1, b"x").serialize()
        )


@pytest.mark.parametrize(
    ("data", "is_unfinished"),
    [
        (b"", False),
        (b"\0", True),
        (PingFrame(0, bytes(8)).serialize()[:-1], True),
        (PingFrame(0, bytes(8)).serialize(), False),
        (HeadersFrame(1, b"\x82", flags=[]).serialize(), True),
        (HeadersFrame(1, b"\x82", flags=["END_HEADERS"]).serialize(), False),
        (DataFrame(1, bytes(100)).serialize()[:-1], False),
    ],
)
def test_what_has_begun_and_is_no_body_is_to_be_finished(data: bytes, is_unfinished: bool) -> None:
    found = frames()
    taken(found, data)
    assert (found.unfinished is not None) is is_unfinished


def test_a_greeting_that_has_begun_is_to_be_finished() -> None:
    found = BoundedFrames(Limits(), ControlFrames(100, Clock()))
    seen: list[bool] = []
    for sent in (b"", PREFACE[:1], PREFACE[1:]):
        found.add_data(sent)
        seen.append(found.unfinished is not None)
    assert seen == [False, True, False]


def test_the_next_frame_has_time_of_its_own_and_the_next_part_of_a_head_has_not() -> None:
    found = frames()
    taken(found, PingFrame(0, bytes(8)).serialize()[:-1])
    first = found.unfinished
    taken(found, b"\0" + PingFrame(0, bytes(8)).serialize()[:-1])
    assert found.unfinished not in {None, first}
    found = frames()
    taken(found, HeadersFrame(1, b"\x82", flags=[]).serialize())
    first = found.unfinished
    taken(found, ContinuationFrame(1, b"\x82", flags=[]).serialize())
    assert found.unfinished == first


def connection(**limits: int) -> H2Connection:
    made = H2Connection(config=H2Configuration(client_side=False, header_encoding=None))
    bound(made, Limits(**limits), Clock())
    made.initiate_connection()
    made.receive_data(PREFACE + SettingsFrame(0).serialize())
    return made


Send = Callable[[H2Connection], object]


@pytest.mark.parametrize("wanted", [0, 100, 4096, 4097, 2**16, 2**32 - 1])
def test_a_client_that_wants_a_large_table_gets_the_usual_one(wanted: int) -> None:
    server = connection()
    server.receive_data(SettingsFrame(0, {SettingsFrame.HEADER_TABLE_SIZE: wanted}).serialize())
    assert server.encoder.header_table_size == min(wanted, 4096)
    decoder = Decoder()
    decoder.max_allowed_table_size = max(wanted, 4096)
    for number in range(300):
        fields = [(b"x", b"%d" % number * 100)]
        assert [(bytes(n), bytes(v)) for n, v in decoder.decode(server.encoder.encode(fields), raw=True)] == fields
    assert len(server.encoder.header_table.dynamic_entries) <= 4096 // 32


def test_a_head_that_unfolds_is_given_up_before_it_is_whole() -> None:
    server = connection(max_header_bytes=1024)
    field = b"\x40\x01x" + bytes((127, 200 - 127)) + b"a" * 200  # into the table, and from there again and again
    with pytest.raises(ProtocolError) as refused:
        server.receive_data(HeadersFrame(1, field + b"\xbe" * 5000, flags=["END_HEADERS"]).serialize())
    assert refused.value.error_code == ErrorCodes.ENHANCE_YOUR_CALM


def test_a_head_is_as_long_as_its_names_and_values_and_32_bytes_each() -> None:
    assert head_bytes([(b"abc", b"de"), (b"", b"")]) == 5 + 64
