"""The translation of 2026-07-28 messages to older revisions. Rule: a function takes JSON, returns JSON and never fails.

`table.py` says what differs; here stands which message is of which type. What is returned may share parts with what was
given, so neither is changed afterwards.
"""

from typing import Any, Final

from mcp_bridges.revisions.walk import translate
from mcp_runtime.protocol.errors import INVALID_PARAMS
from mcp_runtime.protocol.json_types import is_object
from mcp_runtime.protocol.messages import REQUESTS
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS

LEGACY: Final[tuple[str, ...]] = LEGACY_REVISIONS
"""The revisions that are translated to, newest first."""

RESOURCE_NOT_FOUND: Final = -32002
"""The older code of an unknown resource, which is -32602 now. Spec: 2025-11-25/server/resources#error-handling"""

_NOTIFICATIONS: Final = {
    "notifications/progress": "ProgressNotificationParams",
    "notifications/message": "LoggingMessageNotificationParams",
    "notifications/cancelled": "CancelledNotificationParams",
    "notifications/resources/updated": "ResourceUpdatedNotificationParams",
    "notifications/resources/list_changed": "NotificationParams",
    "notifications/tools/list_changed": "NotificationParams",
    "notifications/prompts/list_changed": "NotificationParams",
}
"""The notifications of servers that every revision has, by their types; others of 2026-07-28 exist only there."""

_CLIENT_CAPABILITIES: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "roots": ("2024-11-05", {}),
    "sampling": ("2024-11-05", {"context": "2025-11-25", "tools": "2025-11-25"}),
    "elicitation": ("2025-06-18", {"form": "2025-11-25", "url": "2025-11-25"}),
}
"""The capabilities of clients that mean something in 2026-07-28: since when each exists, and its parts since when.

`roots.listChanged` and `tasks` are not among them: 2026-07-28 has no such notification, and tasks are an extension.
"""


def negotiate(requested: str) -> str:
    """The revision that answers an `initialize` for `requested`: the same if it is served, else the newest legacy one.

    Spec: 2025-11-25/basic/lifecycle#version-negotiation
    """
    return requested if requested in LEGACY else LEGACY[0]


def at_least(revision: str, since: str) -> bool:
    """Whether `revision` is `since` or newer."""
    return revision >= since  # They are dates, written so that they sort as text.


def result_for(method: str, result: dict[str, Any], revision: str) -> dict[str, Any]:
    """A result of `method` as `revision` knows it: the rest goes, or becomes text or an embedded resource."""
    row = REQUESTS.get(method)
    return translate("Result" if row is None else row.result, result, revision)


def capabilities_for(capabilities: dict[str, Any], revision: str) -> dict[str, Any]:
    """The `capabilities` of a DiscoverResult as an InitializeResult of `revision` offers them."""
    return translate("ServerCapabilities", capabilities, revision)


def implementation_for(info: dict[str, Any], revision: str) -> dict[str, Any]:
    """A `serverInfo` as `revision` knows it."""
    return translate("Implementation", info, revision)


def notification_for(method: str, params: dict[str, Any], revision: str) -> dict[str, Any] | None:
    """The params of a notification as `revision` knows them; None where it has no such notification."""
    kind = _NOTIFICATIONS.get(method)
    return None if kind is None else translate(kind, params, revision)


def error_for(method: str, error: dict[str, Any], revision: str) -> dict[str, Any]:
    """A JSON-RPC error object that answers `method`, with the code that `revision` has for it."""
    if method != "resources/read" or error.get("code") != INVALID_PARAMS or at_least(revision, "2026-07-28"):
        return error
    # Other invalid params name no URI in their data.
    data = error.get("data")
    return {**error, "code": RESOURCE_NOT_FOUND} if is_object(data) and "uri" in data else error


def client_capabilities(declared: object, revision: str) -> dict[str, Any]:
    """The capabilities of an `initialize` in 2026-07-28, without what is malformed or newer than `revision`.

    An elicitation capability without a mode means forms, in both. Spec: 2026-07-28/client/elicitation#capabilities
    """
    if not is_object(declared):
        return {}
    meant = {
        name: _parts_of(declared[name], parts, revision)
        for name, (since, parts) in _CLIENT_CAPABILITIES.items()
        if at_least(revision, since) and is_object(declared.get(name))
    }
    experimental = declared.get("experimental")
    if is_object(experimental):
        meant["experimental"] = {name: value for name, value in experimental.items() if is_object(value)}
    return meant


def _parts_of(capability: dict[str, Any], parts: dict[str, str], revision: str) -> dict[str, Any]:
    return {
        name: capability[name]
        for name, since in parts.items()
        if at_least(revision, since) and is_object(capability.get(name))
    }
