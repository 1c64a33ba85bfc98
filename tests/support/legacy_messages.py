"""Messages as clients from before 2026-07-28 write them.

Rule: plain dicts, written from the old specifications; nothing of the runtime is used to make them.
"""

from collections.abc import Mapping
from typing import Any, Final

from tests.support.messages import Message, notification

REVISIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
INITIALIZED: Final = notification("notifications/initialized")
ABLE: Final[Message] = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}, "context": {}},
    "roots": {"listChanged": True},
}
"""The capabilities of a client that can do everything, in whatever revision."""


def old(method: str, params: Mapping[str, Any] | None = None, *, id: Any = 1) -> Message:
    """A request as old clients write it: without anything that says which revision it is of."""
    message: Message = {"jsonrpc": "2.0", "id": id, "method": method}
    return message if params is None else {**message, "params": dict(params)}


def opening(revision: str = "2025-11-25", *, id: Any = "init", **changes: Any) -> Message:
    """An `initialize`."""
    info = {"name": "old-client", "version": "0.9"}
    return old("initialize", {"protocolVersion": revision, "capabilities": ABLE, "clientInfo": info, **changes}, id=id)


def result(id: Any, content: object) -> Message:
    """A response to a request of the server's."""
    return {"jsonrpc": "2.0", "id": id, "result": content}


def failure(id: Any, error: object) -> Message:
    """An error for a request of the server's."""
    return {"jsonrpc": "2.0", "id": id, "error": error}


def cancelled(id: Any) -> Message:
    """The cancellation of a request."""
    return notification("notifications/cancelled", {"requestId": id, "reason": "enough"})


def is_response_to(message: Any, id: Any) -> bool:
    """Whether this is a response with exactly this id."""
    if not isinstance(message, dict) or "method" in message:
        return False
    found = message.get("id")  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]  # JSON
    return type(found) is type(id) and bool(found == id)  # pyright: ignore[reportUnknownArgumentType]  # JSON


def text_of(response: Message) -> str:
    """The text of a tool's result."""
    return "".join(block["text"] for block in response["result"]["content"])
