"""Messages of 2026-07-28 with every field and every kind of content. Rule: each call makes them anew."""

from copy import deepcopy
from typing import Any, Final

from mcp_runtime.protocol.meta import SERVER_INFO_KEY, SUBSCRIPTION_ID_KEY

ICONS: Final = [{"src": "https://example.com/a.png", "mimeType": "image/png", "sizes": ["48x48"], "theme": "dark"}]
META: Final = {"example.com/key": {"deep": [1]}}
ANNOTATIONS: Final = {"audience": ["user"], "priority": 0.5, "lastModified": "2025-01-12T15:00:58Z"}
SERVER_INFO: Final = {
    "name": "a-server",
    "version": "1.0",
    "title": "A server",
    "description": "Serves.",
    "websiteUrl": "https://example.com/",
    "icons": ICONS,
}
TEXT: Final = {"type": "text", "text": "hello", "annotations": ANNOTATIONS, "_meta": META}
IMAGE: Final = {"type": "image", "data": "AAAA", "mimeType": "image/png", "annotations": ANNOTATIONS, "_meta": META}
AUDIO: Final = {"type": "audio", "data": "AAAA", "mimeType": "audio/wav", "annotations": ANNOTATIONS, "_meta": META}
TEXT_CONTENTS: Final = {"uri": "file:///a.txt", "mimeType": "text/plain", "text": "a", "_meta": META}
BLOB_CONTENTS: Final = {"uri": "file:///a.bin", "mimeType": "application/x-a", "blob": "AAAA", "_meta": META}
EMBEDDED: Final = {"type": "resource", "resource": TEXT_CONTENTS, "annotations": ANNOTATIONS, "_meta": META}
EMBEDDED_BLOB: Final = {"type": "resource", "resource": BLOB_CONTENTS}
RESOURCE: Final = {
    "uri": "file:///a.txt",
    "name": "a",
    "title": "The letter A",
    "description": "First of many.",
    "mimeType": "text/plain",
    "annotations": ANNOTATIONS,
    "size": 1,
    "icons": ICONS,
    "_meta": META,
}
LINK: Final = {"type": "resource_link", **RESOURCE}
CONTENT: Final = [TEXT, IMAGE, AUDIO, EMBEDDED, EMBEDDED_BLOB, LINK]
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
TOOL: Final = {
    "name": "add",
    "title": "Add",
    "description": "Adds.",
    "inputSchema": {
        "$schema": DIALECT,
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/n"}, "anything": True, "nothing": False},
        "required": ["a"],
        "$defs": {"n": {"type": "number"}},
        "additionalProperties": False,
    },
    "outputSchema": {"$schema": DIALECT, "type": "object", "properties": {"sum": {"type": "number"}}},
    "annotations": {"title": "Add up", "readOnlyHint": True, "destructiveHint": False, "openWorldHint": False},
    "icons": ICONS,
    "_meta": META,
}
LISTING_TOOL: Final = {"name": "list", "inputSchema": {"type": "object"}, "outputSchema": {"type": "array"}}
CACHE: Final = {"ttlMs": 1000, "cacheScope": "public"}

_RESULTS: Final[dict[str, dict[str, Any]]] = {
    "tools/list": {"tools": [TOOL, LISTING_TOOL], "nextCursor": "2", **CACHE},
    "tools/call": {"content": CONTENT, "structuredContent": {"sum": 3}, "isError": False},
    "resources/list": {"resources": [RESOURCE], "nextCursor": "2", **CACHE},
    "resources/templates/list": {
        "resourceTemplates": [
            {
                "uriTemplate": "file:///{name}",
                **{key: value for key, value in RESOURCE.items() if key not in {"uri", "size"}},
            }
        ],
        "nextCursor": "2",
        **CACHE,
    },
    "resources/read": {"contents": [TEXT_CONTENTS, BLOB_CONTENTS], **CACHE},
    "prompts/list": {
        "prompts": [
            {
                "name": "greet",
                "title": "Greet",
                "description": "Greets.",
                "arguments": [{"name": "who", "title": "Who", "description": "Whom to greet.", "required": True}],
                "icons": ICONS,
                "_meta": META,
            }
        ],
        "nextCursor": "2",
        **CACHE,
    },
    "prompts/get": {
        "description": "A greeting.",
        "messages": [{"role": "user", "content": block} for block in CONTENT],
    },
    "completion/complete": {"completion": {"values": ["a", "b"], "total": 2, "hasMore": False}},
}

METHODS: Final = tuple(_RESULTS)


def result_of(method: str, **changes: Any) -> dict[str, Any]:
    """A result of `method` with every field that it can have."""
    meta = {SERVER_INFO_KEY: SERVER_INFO, **META}
    return deepcopy({"resultType": "complete", **_RESULTS[method], "_meta": meta, **changes})


_NOTIFICATIONS: Final[dict[str, dict[str, Any]]] = {
    "notifications/progress": {"progressToken": "t", "progress": 0.5, "total": 1, "message": "half"},
    "notifications/message": {"level": "info", "logger": "a", "data": {"any": ["json"]}},
    "notifications/cancelled": {"requestId": 1, "reason": "enough"},
    "notifications/resources/updated": {"uri": "file:///a.txt"},
    "notifications/resources/list_changed": {},
    "notifications/tools/list_changed": {},
    "notifications/prompts/list_changed": {},
}

NOTIFICATIONS: Final = tuple(_NOTIFICATIONS)


def notification_params(method: str) -> dict[str, Any]:
    """The params of a notification with every field that it can have."""
    return deepcopy({**_NOTIFICATIONS[method], "_meta": {SUBSCRIPTION_ID_KEY: 7}})


CAPABILITIES: Final = {
    "completions": {},
    "experimental": {"example.com/x": {"a": 1}},
    "extensions": {"example.com/y": {}},
    "logging": {},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "tools": {"listChanged": True},
}

FIELDS: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "string", "title": "T", "description": "d", "minLength": 1, "maxLength": 9, "default": "x"},
    "mail": {"type": "string", "format": "email"},
    "number": {"type": "number", "minimum": 0.5, "maximum": 1.5, "default": 1.5},
    "integer": {"type": "integer", "title": "N", "default": 1},
    "yes": {"type": "boolean", "default": True},
    "plain": {"type": "string", "enum": ["a", "b"], "default": "a"},
    "titled": {
        "type": "string",
        "title": "Which",
        "oneOf": [{"const": "a", "title": "The A"}, {"const": "b", "title": "The B"}],
        "default": "a",
    },
    "named": {"type": "string", "enum": ["a", "b"], "enumNames": ["The A", "The B"]},
}
SEVERAL: Final[dict[str, dict[str, Any]]] = {
    "several": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "minItems": 1, "default": ["a"]},
    "several_titled": {"type": "array", "items": {"anyOf": [{"const": "a", "title": "The A"}]}, "maxItems": 1},
}


def form_question(fields: dict[str, dict[str, Any]] = FIELDS) -> dict[str, Any]:
    """A form with these fields."""
    schema = {"$schema": DIALECT, "type": "object", "properties": fields, "required": list(fields)[:1]}
    return deepcopy(
        {"method": "elicitation/create", "params": {"mode": "form", "message": "Well?", "requestedSchema": schema}}
    )


def url_question() -> dict[str, Any]:
    """A page to open."""
    return {
        "method": "elicitation/create",
        "params": {"mode": "url", "message": "Please sign in", "url": "https://example.com/in"},
    }


TOOL_USE: Final = {"type": "tool_use", "id": "u1", "name": "add", "input": {"a": 1}, "_meta": META}
TOOL_RESULT: Final = {
    "type": "tool_result",
    "toolUseId": "u1",
    "content": CONTENT,
    "structuredContent": [3],
    "isError": False,
    "_meta": META,
}


def sampling_question(*contents: Any, **changes: Any) -> dict[str, Any]:
    """A conversation with one message for each of `contents`, a block or a list of them."""
    params = {
        "messages": [{"role": "user", "content": content, "_meta": META} for content in contents],
        "modelPreferences": {"hints": [{"name": "a-model"}], "costPriority": 0.5},
        "systemPrompt": "Be brief.",
        "includeContext": "none",
        "temperature": 0.5,
        "maxTokens": 100,
        "stopSequences": ["END"],
        "metadata": {"any": "thing"},
        **changes,
    }
    return deepcopy({"method": "sampling/createMessage", "params": params})
