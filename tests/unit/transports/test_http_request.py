"""What is wrong with the envelope of a POST is said before its message is looked at."""

import tracemalloc
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from mcp_runtime.config.limits import Limits
from mcp_runtime.transports.http.body_budget import BodyBudget
from mcp_runtime.transports.http.request import (
    ClientGoneError,
    HttpRefusalError,
    check_media_types,
    discard_body,
    headers_of,
    read_body_in_time,
)

SENDING = pytest.mark.spec("basic/transports/streamable-http#sending-messages")
BOTH = b"application/json, text/event-stream"
Receive = Callable[[], Awaitable[dict[str, Any]]]


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "headers": list(headers)}


def post(
    accept: bytes | None = BOTH, content_type: bytes | None = b"application/json", *more: tuple[bytes, bytes]
) -> Any:
    given_headers = [(b"accept", accept), (b"content-type", content_type)]
    return scope(*((name, value) for name, value in given_headers if value is not None), *more)


def refused_status(found: dict[str, Any]) -> int | None:
    try:
        check_media_types(headers_of(found))
    except HttpRefusalError as error:
        return error.status
    return None


def test_a_refusal_says_what_would_be_right() -> None:
    with pytest.raises(HttpRefusalError, match="application/json and text/event-stream"):
        check_media_types(headers_of(post(None)))
    with pytest.raises(HttpRefusalError, match="application/json"):
        check_media_types(headers_of(post(BOTH, None)))
    with pytest.raises(HttpRefusalError, match="Content-Encoding"):
        check_media_types(headers_of(post(BOTH, b"application/json", (b"content-encoding", b"gzip"))))


# Headers


def test_the_first_header_of_a_name_counts_without_the_blanks_around_it() -> None:
    found = scope((b"a", b" \t1 \t"), (b"a", b"2"), (b"b", b""))
    assert headers_of(found) == {b"a": b"1", b"b": b""}


@SENDING
@pytest.mark.parametrize(
    "accept",
    [
        BOTH,
        b"text/event-stream, application/json",
        b"application/json,text/event-stream",
        b"  application/json  ,  text/event-stream  ",
        b"APPLICATION/JSON, Text/Event-Stream",
        b"application/json; charset=utf-8, text/event-stream;q=0.5",
        b"application/json;q=1.0, text/event-stream;q=0.001",
        b"*/*",
        b"application/*, text/*",
        b"application/json, */*;q=0.1",
        b"text/html, application/json, text/event-stream",
        b", application/json,, text/event-stream,",
        b'application/json;profile="a,b", text/event-stream',
    ],
)
def test_a_client_that_takes_json_and_event_streams_is_served(accept: bytes) -> None:
    assert refused_status(post(accept)) is None


@SENDING
@pytest.mark.parametrize(
    "accept",
    [
        None,
        b"",
        b" ",
        b"application/json",
        b"text/event-stream",
        b"text/html",
        b"text/*",
        b"application/*",
        b"*",
        b"application/jsonx, text/event-stream",
        b"xapplication/json, text/event-stream",
        b"application/json text/event-stream",
        b"application/json; text/event-stream",
        b"application/json, text/event-stream;q=0",
        b"application/json;q=0, text/event-stream",
        b"application/json, text/event-stream; q=0",
        b"application/json, text/event-stream;Q=0",
        b"application/json, text/event-stream;q=0.0",
        b"application/json, text/event-stream;q=0.000",
        b"application/json, text/event-stream;charset=utf-8;q=0",
        b"*/*;q=0",
        b"*/*, text/event-stream;q=0",
        b"\xff",
    ],
)
def test_a_client_that_does_not_take_both_is_not_acceptable(accept: bytes | None) -> None:
    assert refused_status(post(accept)) == 406


def test_accept_may_come_in_several_lines() -> None:
    assert refused_status(post(b"application/json", b"application/json", (b"accept", b"text/event-stream"))) is None
    assert refused_status(post(b"application/json", b"application/json", (b"accept", b"text/html"))) == 406


@SENDING
@pytest.mark.parametrize(
    "content_type",
    [
        b"application/json",
        b"Application/JSON",
        b" application/json ",
        b"application/json;",
        b"application/json; charset=utf-8",
        b"application/json;charset=UTF-8",
        b'application/json; charset="utf-8"',
        b"application/json ; charset=utf8",
        b"application/json; profile=x",
        b"application/json; charset=utf-8; profile=x",
        b"application/json; profile=x; charset=utf-8",
    ],
)
def test_json_in_utf_8_is_taken(content_type: bytes) -> None:
    assert refused_status(post(BOTH, content_type)) is None


@SENDING
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        b"",
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=application/json",
        b"text/plain; application/json",
        b"text/plain, application/json",
        b"application/jsonx",
        b"application/json-seq",
        b"application/vnd.api+json",
        b"application/json; charset=latin-1",
        b"application/json; charset=utf-16",
        b'application/json; charset="utf-7"',
        b"application/json; profile=x; charset=utf-16",
        b"\xff",
    ],
)
def test_anything_else_is_an_unsupported_media_type(content_type: bytes | None) -> None:
    assert refused_status(post(BOTH, content_type)) == 415


@pytest.mark.parametrize(
    ("encoding", "status"), [(b"identity", None), (b"IDENTITY", None), (b"gzip", 415), (b"br", 415)]
)
def test_only_plain_bodies_are_taken(encoding: bytes, status: int | None) -> None:
    assert refused_status(post(BOTH, b"application/json", (b"content-encoding", encoding))) == status


@given(st.binary(), st.binary())
def test_any_bytes_in_the_headers_are_judged(accept: bytes, content_type: bytes) -> None:
    assert refused_status(post(accept, content_type)) in (None, 406, 415)


# The body


def chunks(*parts: bytes, end: str = "complete") -> Receive:
    """An ASGI receive that gives these parts and then is complete, disconnects, or stalls forever."""
    complete = end == "complete"
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": not complete or number < len(parts)}
        for number, part in enumerate(parts, start=1)
    ]
    if end == "disconnect":
        messages.append({"type": "http.disconnect"})
    remaining = iter(messages)

    async def receive() -> dict[str, Any]:
        for message in remaining:
            return message
        await anyio.sleep_forever()
        raise AssertionError

    return receive


async def body_of(receive: Receive, *headers: tuple[bytes, bytes], **limits: Any) -> bytes:
    return await read_body_in_time(headers_of(scope(*headers)), receive, scope(*headers), BodyBudget(Limits(**limits)))


async def refusal(receive: Receive, *headers: tuple[bytes, bytes], **limits: Any) -> HttpRefusalError:
    with pytest.raises(HttpRefusalError) as refused:
        await body_of(receive, *headers, **limits)
    return refused.value


@pytest.mark.parametrize("parts", [[b""], [b"abc"], [b"a", b"", b"bc"], [b"", b"abc"]])
async def test_a_body_is_read_whole(parts: list[bytes]) -> None:
    assert await body_of(chunks(*parts)) == b"".join(parts)


@pytest.mark.parametrize("piece_bytes", [1, 2, 1000, 65_536])
async def test_a_body_is_held_once_however_it_comes(piece_bytes: int) -> None:
    body, at = bytes(200_000), 0

    async def receive() -> dict[str, Any]:
        nonlocal at
        at += piece_bytes
        return {"type": "http.request", "body": body[at - piece_bytes : at], "more_body": at < len(body)}

    tracemalloc.start()
    try:
        found = await body_of(receive)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == body
    assert peak_bytes < 1.6 * len(body)


async def test_a_message_may_leave_out_its_defaults() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    assert await body_of(receive) == b""


@pytest.mark.parametrize("sizes", [[1024], [512, 512], [1023, 1]])
async def test_a_body_of_just_the_limit_is_taken(sizes: list[int]) -> None:
    parts = [b"x" * size for size in sizes]
    length = (b"content-length", b"1024")
    assert await body_of(chunks(*parts), length, max_body_bytes=1024) == b"x" * 1024


@pytest.mark.parametrize("sizes", [[1025], [1024, 1], [512, 512, 1], [10_000]])
async def test_a_body_past_the_limit_is_refused_while_it_is_read(sizes: list[int]) -> None:
    parts = [b"x" * size for size in sizes]
    error = await refusal(chunks(*parts, end="stall"), max_body_bytes=1024)
    assert (error.status, error.headers) == (413, ((b"connection", b"close"),))
    assert "1024 bytes" in error.text


@pytest.mark.parametrize("length", [b"1025", b" 1025 ", b"001025", b"9" * 19, b"9" * 5000])
async def test_a_length_past_the_limit_is_refused_before_anything_is_read(length: bytes) -> None:
    error = await refusal(chunks(end="stall"), (b"content-length", length), max_body_bytes=1024)
    assert error.status == 413


@pytest.mark.parametrize("length", [b"", b"-5000", b"5e9", b"0x1000", b"\xb2", b"many", b"1,025"])
async def test_a_length_that_is_no_number_is_not_believed(length: bytes) -> None:
    assert await body_of(chunks(b"abc"), (b"content-length", length), max_body_bytes=1024) == b"abc"


async def test_a_length_that_lies_does_not_help() -> None:
    error = await refusal(chunks(b"x" * 2000), (b"content-length", b"5"), max_body_bytes=1024)
    assert error.status == 413


@pytest.mark.parametrize("parts", [[], [b"abc"]])
async def test_a_client_that_leaves_is_gone(parts: list[bytes]) -> None:
    with pytest.raises(ClientGoneError):
        await body_of(chunks(*parts, end="disconnect"))


async def test_a_body_that_takes_too_long_is_refused(autojump_clock: trio.testing.MockClock) -> None:
    started = trio.current_time()
    error = await refusal(chunks(b"abc", end="stall"), body_timeout_s=2.5)
    assert trio.current_time() - started == pytest.approx(2.5)
    assert (error.status, error.headers) == (408, ((b"connection", b"close"),))
    assert "2.5 s" in error.text


async def test_a_body_that_comes_just_in_time_is_taken(autojump_clock: trio.testing.MockClock) -> None:
    async def receive() -> dict[str, Any]:
        await trio.sleep(2.4)
        return {"type": "http.request", "body": b"abc"}

    assert await body_of(receive, body_timeout_s=2.5) == b"abc"


@pytest.mark.parametrize(
    ("parts", "end"), [([], "disconnect"), ([b"a"], "complete"), ([b"a", b"b"], "complete"), ([b"a"], "disconnect")]
)
async def test_what_is_left_of_a_refused_body_is_read(parts: Iterable[bytes], end: str) -> None:
    with trio.fail_after(5):
        await discard_body(chunks(*parts, end=end), Limits())


async def test_what_never_ends_is_not_waited_for_without_end(autojump_clock: trio.testing.MockClock) -> None:
    started = trio.current_time()
    await discard_body(chunks(b"a", end="stall"), Limits(body_timeout_s=3))
    assert trio.current_time() - started == pytest.approx(3)
