"""Legacy messages, as far as a server without bridges knows them: the methods of the past, and the refusal of one.

Rule: of an older revision nothing more than this is known in the runtime; a bridge knows the rest.

Spec: 2026-07-28/basic/versioning#backward-compatibility-with-initialization-based-versions
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from mcp_runtime.protocol.errors import HEADER_MISMATCH, INVALID_PARAMS, PeerError, unsupported_version
from mcp_runtime.protocol.jsonrpc import Message, Request
from mcp_runtime.protocol.meta import NO_META, require

INITIALIZE: Final = "initialize"

LEGACY_METHODS: Final = frozenset(
    {
        INITIALIZE,
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/get",
        "tasks/result",
        "tasks/list",
        "tasks/cancel",
    }
)
"""Requests of clients that 2026-07-28 no longer has. Spec: 2025-11-25/schema"""


class InitializeParams(Struct, rename="camel"):
    """Params of `initialize`, of which only the revision has to be right. Spec: 2025-11-25/schema#initializerequest"""

    protocol_version: str
    capabilities: Any = None
    client_info: Any = None


def refusal(message: Message, *, versions: tuple[str, ...], header_version: str | None, has_headers: bool) -> PeerError:
    """The answer of a server of `versions` alone to a legacy message: what that lacks, and what is spoken here."""
    if isinstance(message, Request) and message.method == INITIALIZE:
        return unsupported_version(_asked_for(message) or header_version or "", versions)
    if header_version is not None:
        return unsupported_version(header_version, versions)
    spoken = ", ".join(versions)
    if has_headers:
        return PeerError(
            HEADER_MISMATCH, f"Header mismatch: MCP-Protocol-Version header is missing; this server speaks {spoken}"
        )
    try:
        require(message.probe if isinstance(message, Request) else NO_META)
    except PeerError as error:
        return PeerError(INVALID_PARAMS, f"{error.message}; this server speaks {spoken}")
    raise AssertionError("a message with a complete _meta is modern")


def _asked_for(message: Request) -> str | None:
    try:
        return msgspec.json.decode(message.params, type=InitializeParams).protocol_version
    except msgspec.DecodeError:
        return None
