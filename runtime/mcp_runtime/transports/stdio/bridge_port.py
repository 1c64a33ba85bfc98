"""The port where a bridge attaches to stdio. Rule: of an older revision it knows that a message may be one's, no more.

Spec: 2026-07-28/basic/versioning#backward-compatibility-with-initialization-based-versions
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from mcp_runtime.protocol.jsonrpc import Message


class StdioWire(msgspec.Struct, frozen=True, kw_only=True):
    """The way back to the client on stdio: `send` writes one encoded message, `start` runs something beside others."""

    send: Callable[[bytes], Awaitable[None]]
    start: Callable[[Callable[[], Awaitable[None]]], None]


class StdioBridge(Protocol):
    """Serves what clients of older revisions send on stdin: the one conversation of this process."""

    async def serve(self, message: Message) -> None:
        """Take one legacy message; what takes time goes on beside. Raises PeerError for the transport to answer."""
        ...

    async def serve_batch(self, line: bytes) -> None:
        """Take several messages in one line, a JSON array. Raises PeerError as `serve`."""
        ...

    def close(self) -> None:
        """The input has ended: end what would go on forever."""
        ...
