"""The contents of a resource, from what its function returned. Rule: None is no resource, never an empty one.

Spec: 2026-07-28/server/resources#reading-resources
"""

from typing import Any, Final

from msgspec import UNSET, UnsetType

from mcp_runtime.authoring.returns.results import encode_value
from mcp_runtime.protocol.content import BlobResourceContents, ResourceContents, TextResourceContents
from mcp_runtime.protocol.json_types import is_array

_CONTENTS: Final = (TextResourceContents, BlobResourceContents)


def read_contents(uri: str, value: Any, mime_type: str | UnsetType) -> list[ResourceContents] | None:
    """The contents of `uri`; `mime_type` is what was declared, else it follows from the value's type.

    Raises OutputMismatchError for a value that is no JSON.
    """
    if value is None:
        return None
    if isinstance(value, tuple):
        value = list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if is_array(value) and value and all(isinstance(item, _CONTENTS) for item in value):
        return value
    return [_one(uri, value, None if mime_type is UNSET else mime_type)]


def _one(uri: str, value: Any, mime_type: str | None) -> ResourceContents:
    if isinstance(value, _CONTENTS):
        return value
    if isinstance(value, str):
        return TextResourceContents(uri, value, mime_type or "text/plain")
    if isinstance(value, bytes | bytearray):
        return BlobResourceContents(uri, bytes(value), mime_type or "application/octet-stream")
    return TextResourceContents(uri, encode_value(value).decode(), mime_type or "application/json")
