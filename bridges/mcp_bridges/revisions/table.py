"""The table of revisions: since when each field exists. Rule: a row a field, and no word of it anywhere else.

Objects go by the names of their types in the 2026-07-28 schema. A field that has no row exists in all five revisions.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from mcp_bridges.revisions import losses

_PAGES: Final = ("ListToolsResult", "ListResourcesResult", "ListResourceTemplatesResult", "ListPromptsResult")
_CACHEABLE: Final = (*_PAGES, "ReadResourceResult", "Result")
_RESULTS: Final = (*_CACHEABLE, "CallToolResult", "GetPromptResult", "CompleteResult")
_LISTED: Final = ("Tool", "Prompt", "Resource", "ResourceTemplate")
_CONTENT: Final = ("TextContent", "ImageContent", "AudioContent", "EmbeddedResource")
_NOTIFICATIONS: Final = (
    "NotificationParams",
    "ProgressNotificationParams",
    "LoggingMessageNotificationParams",
    "ResourceUpdatedNotificationParams",
    "CancelledNotificationParams",
)


class Row(msgspec.Struct, frozen=True):
    """A row of the table: a field that older revisions do not know."""

    where: tuple[str, ...]
    """The types that have it."""
    field: str
    since: str
    """The first revision that has it."""
    source: str
    """The page of the specification that says so."""
    when: Callable[[Any], bool] | None = None
    """Tells the values that are so new; None for all. The others are older than `since`."""
    becomes: Callable[[dict[str, Any], str], None] = losses.drop
    """Puts something else in its place before `since`, by default nothing."""


ROWS: Final[tuple[Row, ...]] = (
    # Every result.
    Row(_RESULTS, "resultType", "2026-07-28", "2026-07-28/changelog#major-changes"),
    Row(_CACHEABLE, "ttlMs", "2026-07-28", "2026-07-28/server/utilities/caching#cacheable-model"),
    Row(_CACHEABLE, "cacheScope", "2026-07-28", "2026-07-28/server/utilities/caching#cacheable-model"),
    Row(
        (*_RESULTS, *_NOTIFICATIONS),
        "_meta",
        "2026-07-28",
        "2026-07-28/basic#meta",
        when=losses.has_modern_keys,
        becomes=losses.drop_modern_keys,
    ),
    # Entries of lists, and the programs that have them.
    Row(
        ("Implementation", "PromptArgument", *_LISTED),
        "title",
        "2025-06-18",
        "2025-06-18/changelog#other-schema-changes",
    ),
    Row(("Implementation", "ResourceLink", *_LISTED), "icons", "2025-11-25", "2025-11-25/changelog#major-changes"),
    Row(("Implementation",), "description", "2025-11-25", "2025-11-25/changelog#minor-changes"),
    Row(("Implementation",), "websiteUrl", "2025-11-25", "2025-11-25/schema#implementation"),
    Row((*_LISTED, *_CONTENT, "ResourceContents"), "_meta", "2025-06-18", "2025-06-18/changelog#other-schema-changes"),
    Row(("Annotations",), "lastModified", "2025-06-18", "2025-06-18/schema#annotations"),
    # Tools.
    Row(("Tool",), "annotations", "2025-03-26", "2025-03-26/changelog#major-changes"),
    Row(("Tool",), "outputSchema", "2025-06-18", "2025-06-18/server/tools#output-schema"),
    Row(
        ("Tool",),
        "outputSchema",
        "2026-07-28",
        "2026-07-28/changelog#minor-changes",
        when=losses.is_no_object_schema,
    ),
    # Older clients take a schema for draft 7, and such validators refuse one that names another dialect.
    Row(("ToolSchema",), "$schema", "2025-11-25", "2025-11-25/changelog#minor-changes"),
    Row(
        ("ToolSchema",),
        "properties",
        "2026-07-28",
        "2026-07-28/changelog#minor-changes",
        when=losses.has_boolean_schemas,
        becomes=losses.booleans_as_objects,
    ),
    # Content.
    Row(
        ("CallToolResult",),
        "structuredContent",
        "2025-06-18",
        "2025-06-18/server/tools#structured-content",
        becomes=losses.structured_as_text,
    ),
    Row(
        ("CallToolResult", "ToolResultContent"),
        "structuredContent",
        "2026-07-28",
        "2026-07-28/changelog#minor-changes",
        when=losses.is_no_object,
        becomes=losses.structured_as_text,
    ),
    Row(
        ("AudioContent",),
        "type",
        "2025-03-26",
        "2025-03-26/changelog#other-schema-changes",
        becomes=losses.audio_as_resource,
    ),
    Row(
        ("ResourceLink",),
        "type",
        "2025-06-18",
        "2025-06-18/server/tools#resource-links",
        becomes=losses.link_as_text,
    ),
    # Notifications and capabilities.
    Row(("ProgressNotificationParams",), "message", "2025-03-26", "2025-03-26/changelog#other-schema-changes"),
    Row(("ServerCapabilities",), "completions", "2025-03-26", "2025-03-26/changelog#other-schema-changes"),
    Row(("ServerCapabilities",), "extensions", "2026-07-28", "2026-07-28/changelog#minor-changes"),
    # Questions to the client.
    Row(("CreateMessageRequestParams",), "tools", "2025-11-25", "2025-11-25/changelog#major-changes"),
    Row(("CreateMessageRequestParams",), "toolChoice", "2025-11-25", "2025-11-25/changelog#major-changes"),
    Row(("SamplingMessage",), "_meta", "2025-11-25", "2025-11-25/schema#samplingmessage"),
    Row(("ElicitRequestFormParams",), "mode", "2025-11-25", "2025-11-25/client/elicitation#elicitation-requests"),
    Row(("RequestedSchema",), "$schema", "2025-11-25", "2025-11-25/schema#elicitrequestformparams"),
    Row(
        ("PrimitiveSchemaDefinition",),
        "default",
        "2025-11-25",
        "2025-11-25/changelog#minor-changes",
        when=losses.is_no_boolean,
    ),
    Row(
        ("PrimitiveSchemaDefinition",),
        "oneOf",
        "2025-11-25",
        "2025-11-25/changelog#major-changes",
        becomes=losses.titled_choices_as_names,
    ),
)

PARTS: Final[dict[str, dict[str, str]]] = {
    "ListToolsResult": {"tools": "Tool"},
    "ListResourcesResult": {"resources": "Resource"},
    "ListResourceTemplatesResult": {"resourceTemplates": "ResourceTemplate"},
    "ListPromptsResult": {"prompts": "Prompt"},
    "ReadResourceResult": {"contents": "ResourceContents"},
    "CallToolResult": {"content": "ContentBlock"},
    "GetPromptResult": {"messages": "PromptMessage"},
    "Tool": {"inputSchema": "ToolSchema", "outputSchema": "ToolSchema"},
    "Prompt": {"arguments": "PromptArgument"},
    "Resource": {"annotations": "Annotations"},
    "ResourceTemplate": {"annotations": "Annotations"},
    "PromptMessage": {"content": "ContentBlock"},
    "TextContent": {"annotations": "Annotations"},
    "ImageContent": {"annotations": "Annotations"},
    "AudioContent": {"annotations": "Annotations"},
    "ResourceLink": {"annotations": "Annotations"},
    "EmbeddedResource": {"annotations": "Annotations", "resource": "ResourceContents"},
    "ToolResultContent": {"content": "ContentBlock"},
    "CreateMessageRequestParams": {"messages": "SamplingMessage", "tools": "Tool"},
    "SamplingMessage": {"content": "SamplingMessageContentBlock"},
    "ElicitRequestFormParams": {"requestedSchema": "RequestedSchema"},
    "RequestedSchema": {"properties": "PrimitiveSchemaDefinitions"},
}
"""The fields of a type that hold further types: one object, or an array of them."""

UNIONS: Final[dict[str, dict[str, str]]] = {
    "ContentBlock": {
        "text": "TextContent",
        "image": "ImageContent",
        "audio": "AudioContent",
        "resource": "EmbeddedResource",
        "resource_link": "ResourceLink",
    },
    "SamplingMessageContentBlock": {
        "text": "TextContent",
        "image": "ImageContent",
        "audio": "AudioContent",
        "tool_use": "ToolUseContent",
        "tool_result": "ToolResultContent",
    },
}
"""Types that are one of several, told apart by their `type`."""

MAPS: Final[dict[str, str]] = {"PrimitiveSchemaDefinitions": "PrimitiveSchemaDefinition"}
"""Types that are objects whose every value is of one type."""
