"""Batches: several messages in one body, in 2025-03-26 alone. Rule: each message fails for itself.

Spec: 2025-03-26/basic#batching
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from mcp_runtime.protocol.errors import INVALID_REQUEST, PARSE_ERROR, PeerError
from mcp_runtime.protocol.jsonrpc import MalformedMessageError, Message, Request
from mcp_runtime.protocol.legacy import INITIALIZE
from mcp_runtime.protocol.messages import read_message


def is_batch(body: bytes) -> bool:
    """Whether `body` is a JSON array."""
    return body.lstrip()[:1] == b"["


def read_batch(body: bytes, *, max_messages: int) -> list[Message | MalformedMessageError]:
    """The messages of a batch, in order; in the place of one that is none, the error to answer it with.

    Raises PeerError for a body that is no batch: no JSON, empty, or of more than `max_messages`.
    """
    try:
        items = msgspec.json.decode(body, type=list[Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PeerError(PARSE_ERROR, f"Parse error: {error}") from None
    if not items:
        raise PeerError(INVALID_REQUEST, "Invalid request: the batch is empty")
    if len(items) > max_messages:
        raise PeerError(INVALID_REQUEST, f"Invalid request: the batch has more than {max_messages} messages")
    return [_read(bytes(item)) for item in items]


def _read(item: bytes) -> Message | MalformedMessageError:
    try:
        message = read_message(item)
    except MalformedMessageError as error:
        return error
    if isinstance(message, Request) and message.method == INITIALIZE:
        # Spec: 2025-03-26/basic/lifecycle#initialization
        return MalformedMessageError(INVALID_REQUEST, "Invalid request: initialize cannot be in a batch", message.id)
    return message


def join(responses: Sequence[bytes]) -> bytes:
    """The responses to a batch, as one body."""
    return b"[" + b",".join(responses) + b"]"


def not_here(revision: str | None) -> PeerError:
    """The error for a batch in any other revision."""
    known = "" if revision is None else f" in {revision}"
    return PeerError(INVALID_REQUEST, f"Invalid request: there are no batches{known}; send one message at a time")
