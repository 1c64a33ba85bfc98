"""The request: one POST, read. Rule: whatever is wrong with the envelope is said before the message in it is looked at.

Spec: 2026-07-28/basic/transports/streamable-http#sending-messages
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from typing import Final

import anyio
from starlette.types import Receive, Scope

from mcp_runtime.config.limits import Limits
from mcp_runtime.transports.http.body_budget import BodyBudget

JSON: Final = b"application/json"
EVENT_STREAM: Final = b"text/event-stream"
_REFUSED: Final = re.compile(rb";\s*q\s*=\s*0(?:\.0*)?\s*(?:;|$)", re.IGNORECASE)
"""A weight of zero says "not this". RFC 9110 12.4.2"""


class HttpRefusalError(Exception):
    """An HTTP request that is answered with `status` and a line of text, its message unread."""

    def __init__(self, status: int, text: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class ClientGoneError(Exception):
    """The client left before its request was complete."""


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Header values by name (lower case), blanks around them stripped.

    Of headers that come twice the first counts, but every `accept` does.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    found = {name: value.strip(b" \t") for name, value in headers}
    if len(found) != len(headers):
        found = {name: value.strip(b" \t") for name, value in reversed(headers)}
        if b"accept" in found:
            found[b"accept"] = b",".join(value for name, value in headers if name == b"accept")
    return found


def path_of(scope: Scope) -> str:
    """The path below the point where a host application mounted this one."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path.removeprefix(root) if root else path


def check_media_types(headers: Mapping[bytes, bytes]) -> None:
    """Raises HttpRefusalError 406 or 415 unless the client takes both kinds of answer and sends plain JSON."""
    accept, content_type = headers.get(b"accept", b""), headers.get(b"content-type", b"")
    encoding = headers.get(b"content-encoding", b"identity")
    if _are_right(accept, content_type, encoding):
        return
    if not _accepts_both(accept):
        raise HttpRefusalError(406, "Accept must list application/json and text/event-stream")
    if not _is_json(content_type):
        raise HttpRefusalError(415, "Content-Type must be application/json (UTF-8)")
    raise HttpRefusalError(415, "Content-Encoding is not supported")


@lru_cache(maxsize=64)
def _are_right(accept: bytes, content_type: bytes, encoding: bytes) -> bool:
    return _accepts_both(accept) and _is_json(content_type) and encoding.lower() == b"identity"


def _accepts_both(accept: bytes) -> bool:
    ranges = [part.lower() for part in accept.split(b",")]
    return all(_takes(ranges, media_type) for media_type in (JSON, EVENT_STREAM))


def _takes(ranges: list[bytes], media_type: bytes) -> bool:
    """Whether the most specific of `ranges` that covers `media_type` wants it. RFC 9110 12.5.1"""
    for name in (media_type, media_type.partition(b"/")[0] + b"/*", b"*/*"):
        found = [part for part in ranges if part.partition(b";")[0].strip() == name]
        if found:
            return not all(_REFUSED.search(part) for part in found)
    return False


def accepts_events(scope: Scope) -> bool:
    """Whether the client names an event stream among what it takes: a browser that looks around does not."""
    return any(name == b"accept" and EVENT_STREAM in value.lower() for name, value in scope["headers"])


def _is_json(content_type: bytes) -> bool:
    media_type, *parameters = content_type.lower().split(b";")
    if media_type.strip() != JSON:
        return False
    charsets = [value for name, _, value in (item.strip().partition(b"=") for item in parameters) if name == b"charset"]
    return all(value.strip(b'"') in (b"utf-8", b"utf8") for value in charsets)


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, scope: Scope, budget: BodyBudget) -> bytes:
    """The whole body, however long it takes. Raises HttpRefusalError 413, 503 past the budget; ClientGoneError."""
    limits = budget.limits
    length = _length(headers.get(b"content-length"))
    if length > limits.max_body_bytes:
        raise too_large(limits)
    # Not a list of pieces: a client may send a body byte by byte. What it holds in the end is taken without a copy.
    pieces: BytesIO | None = None
    size = 0
    with budget.for_request(scope) as held:
        while True:
            if not held.reach(max(length, size)):
                raise _too_many_bodies()
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > limits.max_body_bytes:
                raise too_large(limits)
            if pieces is None:
                if not message.get("more_body", False):
                    return chunk
                pieces = BytesIO()
            pieces.write(chunk)
            if not message.get("more_body", False):
                return pieces.getvalue()


async def read_body_in_time(
    headers: Mapping[bytes, bytes], receive: Receive, scope: Scope, budget: BodyBudget
) -> bytes:
    """As `read_body`, within `limits.body_timeout_s`; else HttpRefusalError 408."""
    with anyio.move_on_after(budget.limits.body_timeout_s):
        return await read_body(headers, receive, scope, budget)
    raise too_slow(budget.limits)


def too_slow(limits: Limits) -> HttpRefusalError:
    """The answer to a body that did not come in time."""
    return HttpRefusalError(408, f"The request body took longer than {limits.body_timeout_s:g} s", _CLOSE)


@lru_cache(maxsize=256)
def _length(digits: bytes | None) -> int:
    """The length that a client announces; 0 where it announces none, or what is no number."""
    if digits is None or not digits.isdigit():
        return 0
    significant = digits.lstrip(b"0")
    # Python reads no more than 4,300 digits; no limit has as many as 20.
    return int(significant[:20] or b"0")


_CLOSE: Final = ((b"connection", b"close"),)
_RETRY_SOON: Final = (b"retry-after", b"1")


def too_large(limits: Limits) -> HttpRefusalError:
    """The answer to a body that is too long."""
    return HttpRefusalError(413, f"The request body is longer than {limits.max_body_bytes} bytes", _CLOSE)


def _too_many_bodies() -> HttpRefusalError:
    return HttpRefusalError(503, "Too many request bodies are on their way", (_RETRY_SOON, *_CLOSE))


async def discard_body(receive: Receive, limits: Limits) -> None:
    """Read what is left of a refused request: a server that is still handing it over would wait for that forever."""
    with anyio.move_on_after(limits.body_timeout_s):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return
