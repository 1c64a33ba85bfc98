"""The losses: how a part that an older revision lacks is left out or replaced. Rule: a fresh copy is changed, in place.

Each function takes an object that is the caller's own to change, and the name of the field that is lost in it. What is
inside that field still belongs to others: it is replaced, never changed.
"""

import uuid
from typing import Any, Final

import msgspec

from mcp_runtime.protocol.json_types import is_array, is_object
from mcp_runtime.protocol.jsonrpc import encode_json
from mcp_runtime.protocol.meta import SERVER_INFO_KEY, SUBSCRIPTION_ID_KEY

_MODERN_META_KEYS: Final = (SERVER_INFO_KEY, SUBSCRIPTION_ID_KEY)


def drop(owner: dict[str, Any], field: str) -> None:
    """The field goes, and nothing takes its place."""
    del owner[field]


def is_no_object(value: object) -> bool:
    """Whether a `structuredContent` is what only 2026-07-28 allows."""
    return not is_object(value)


def structured_as_text(owner: dict[str, Any], field: str) -> None:
    """Structured content goes; its JSON joins `content` as text, unless a text there says the same already.

    Spec: 2025-06-18/server/tools#structured-content
    """
    value = owner.pop(field)
    content = owner.get("content")
    blocks: list[Any] = content if is_array(content) else []
    text = encode_json(value).decode()
    if not any(_says(block, text, value) for block in blocks):
        owner["content"] = [*blocks, {"type": "text", "text": text}]


def _says(block: object, text: str, value: object) -> bool:
    """Whether a content block is `text`, or otherwise the JSON of `value`."""
    said = block.get("text") if is_object(block) else None
    if said == text:
        return True
    try:
        return isinstance(said, str) and bool(msgspec.json.decode(said) == value)
    except (msgspec.DecodeError, RecursionError):
        return False


def is_no_object_schema(schema: object) -> bool:
    """Whether an `outputSchema` promises something other than an object, which only 2026-07-28 allows."""
    return not is_object(schema) or schema.get("type") != "object"


def has_boolean_schemas(properties: object) -> bool:
    """Whether one of the `properties` of a tool's schema is `true` or `false`, which only 2026-07-28 allows."""
    return is_object(properties) and any(isinstance(schema, bool) for schema in properties.values())


def booleans_as_objects(owner: dict[str, Any], field: str) -> None:
    """`true` and `false` as schemas become the objects that mean the same."""
    owner[field] = {
        name: ({} if schema else {"not": {}}) if isinstance(schema, bool) else schema
        for name, schema in owner[field].items()
    }


def link_as_text(owner: dict[str, Any], _: str) -> None:
    """A resource link becomes a text that names the resource, its URI, and what it is."""
    lines = [f"{owner.get('title', owner.get('name'))}: {owner.get('uri')}"]
    if "description" in owner:
        lines.append(str(owner["description"]))
    _replace(owner, {"type": "text", "text": "\n".join(lines)})


def audio_as_resource(owner: dict[str, Any], _: str) -> None:
    """Audio becomes an embedded resource: the same bytes and MIME type, under a URI made of them.

    A resource must have a URI, and this one has none: it gets the name-based UUID of its data: URI, so that the same
    sound always has the same name.
    """
    mime_type, data = owner.get("mimeType"), owner.get("data")
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"data:{mime_type};base64,{data}")
    resource = {"uri": name.urn, "mimeType": mime_type, "blob": data}
    _replace(owner, {"type": "resource", "resource": resource})


def _replace(block: dict[str, Any], by: dict[str, Any]) -> None:
    """`by` takes the place of a content block; who it is meant for stays."""
    kept = {"annotations": block["annotations"]} if "annotations" in block else {}
    block.clear()
    block.update(by, **kept)


def has_modern_keys(meta: object) -> bool:
    """Whether a `_meta` carries what only 2026-07-28 puts there."""
    return is_object(meta) and any(key in meta for key in _MODERN_META_KEYS)


def drop_modern_keys(owner: dict[str, Any], field: str) -> None:
    """`_meta` loses what only 2026-07-28 puts there, and goes where that was all."""
    kept = {key: value for key, value in owner[field].items() if key not in _MODERN_META_KEYS}
    if kept:
        owner[field] = kept
    else:
        del owner[field]


def is_no_boolean(value: object) -> bool:
    """Whether a form field's `default` is what 2025-06-18 does not allow: it knows those of yes-or-no fields only."""
    return not isinstance(value, bool)


def titled_choices_as_names(owner: dict[str, Any], field: str) -> None:
    """A choice between titled constants becomes an `enum` with `enumNames`, the older way to say it."""
    titled = owner.pop(field)
    options = [option for option in titled if is_object(option)] if is_array(titled) else []
    owner["type"] = "string"
    owner["enum"] = [option.get("const") for option in options]
    owner["enumNames"] = [option.get("title", option.get("const")) for option in options]
