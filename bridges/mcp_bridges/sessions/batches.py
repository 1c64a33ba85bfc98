"""Batches: several messages in one body, in 2025-03-26 alone. Rule: each message fails for itself.

The request is small, and its answers may be large: how much of them is held at once is bounded.

Spec: 2025-03-26/basic#batching
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from mcp_runtime.core.calls.call import Reply
from mcp_runtime.protocol.errors import INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, PeerError
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


class BatchAnswers:
    """The answers to one batch that are held until they are sent: `max_bytes`, and what the last of them is over it."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self.replies: list[Reply] = []

    def add(self, reply: Reply) -> None:
        """Hold one more."""
        self.replies.append(reply)
        self._bytes += len(reply.body)

    @property
    def is_full(self) -> bool:
        """Whether no more shall be held."""
        return self._bytes >= self._max_bytes

    def take(self) -> list[Reply]:
        """Those that are held, to send them now."""
        taken, self.replies, self._bytes = self.replies, [], 0
        return taken

    def too_much(self) -> PeerError:
        """The error for a request that is not served any more, since its answer could not be held."""
        return PeerError(
            INTERNAL_ERROR,
            f"The answers to this batch take {self._max_bytes} bytes already; send the request again, in another one",
        )


def join(responses: Sequence[bytes]) -> bytes:
    """The responses to a batch, as one body."""
    return b"[" + b",".join(responses) + b"]"


def not_here(revision: str | None) -> PeerError:
    """The error for a batch in any other revision."""
    known = "" if revision is None else f" in {revision}"
    return PeerError(INVALID_REQUEST, f"Invalid request: there are no batches{known}; send one message at a time")
