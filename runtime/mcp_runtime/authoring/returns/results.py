"""The result of a tool, from what its function returned. Rule: what a tool promises in its output schema, it keeps.

Spec: 2026-07-28/server/tools#tool-result
"""

import inspect
import types
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Raw

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import PluginError
from mcp_runtime.core.schemas.plain_types import plain_schema
from mcp_runtime.core.schemas.validator import SchemaValidator, check_bounds
from mcp_runtime.protocol.content import (
    AudioContent,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)
from mcp_runtime.protocol.json_types import is_array
from mcp_runtime.protocol.jsonrpc import encode_json
from mcp_runtime.protocol.messages import CallToolResult
from mcp_runtime.protocol.meta import MetaObject

CONTENT_TYPES: Final = (TextContent, ImageContent, AudioContent, EmbeddedResource, ResourceLink)


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """A tool's answer in full, for when a plain value does not say enough. `structured_content` is any JSON value."""

    content: list[ContentBlock | str] = msgspec.field(default_factory=list[ContentBlock | str])
    structured_content: Any = UNSET
    is_error: bool = False
    meta: MetaObject | None = None


class OutputMismatchError(Exception):
    """A tool returned what its own output schema does not allow."""


Convert = Callable[[Any], CallToolResult]


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """The output of a tool: the conversion of its return value to a result, and the schema it promises, if any."""

    convert: Convert
    schema: dict[str, Any] | None = None


def output_of(name: str, annotation: Any, raw_schema: dict[str, Any] | None, limits: Limits) -> Output:
    """The output of a tool whose return annotation is `annotation` (`inspect.Signature.empty` for none).

    Raises PluginError for a type that has no JSON Schema, SchemaError for a raw schema that cannot be used.
    """
    if raw_schema is not None:
        validator = SchemaValidator(raw_schema, limits)
        return Output(convert=lambda value: _checked(_untyped(value), validator), schema=raw_schema)
    if annotation is str:
        return Output(convert=_text)
    if _speaks_for_itself(annotation):
        return Output(convert=_content if _is_list(annotation) else _untyped)
    return typed_output(name, annotation, limits)


def _speaks_for_itself(annotation: Any) -> bool:
    """Whether values of this type speak for themselves: text, content, or nothing known about them."""
    while typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    if annotation in (None, type(None), str, Any, ToolResult, *CONTENT_TYPES) or annotation is inspect.Signature.empty:
        return True
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return all(_speaks_for_itself(option) for option in typing.get_args(annotation))
    if origin in (list, tuple) and typing.get_args(annotation):
        return all(_is_content(item) for item in typing.get_args(annotation) if item is not Ellipsis)
    return False


def _is_content(annotation: Any) -> bool:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        options = typing.get_args(annotation)
        return any(option in CONTENT_TYPES for option in options) and all(
            option is str or option in CONTENT_TYPES for option in options
        )
    return annotation in CONTENT_TYPES


def typed_output(name: str, annotation: Any, limits: Limits) -> Output:
    """The output of a type that makes an output schema. Raises as output_of does."""
    schema = plain_schema(annotation)
    if schema is None:
        return modelled_output(name, annotation, limits)
    check_bounds(schema, limits)
    decoder = msgspec.json.Decoder(annotation)
    modelled = lru_cache(maxsize=1)(lambda: modelled_output(name, annotation, limits))

    def convert(value: Any) -> CallToolResult:
        if isinstance(value, ToolResult):
            return modelled().convert(value)
        try:
            encoded = encode_json(value)
            decoder.decode(encoded)
        except (TypeError, ValueError, RecursionError):
            # Either only pydantic can write it, or it is not what was promised, and pydantic says how.
            return modelled().convert(value)
        return _structured(encoded)

    return Output(convert=convert, schema=schema)


def modelled_output(name: str, annotation: Any, limits: Limits) -> Output:
    """The output of any type that pydantic knows. Raises as output_of does."""
    from mcp_runtime.core.schemas.pydantic_types import TypeRefusedError, adapter_of, schema_of  # imports pydantic

    try:
        adapter = adapter_of(annotation)
        schema = schema_of(adapter, mode="serialization")
    except TypeRefusedError as error:
        raise PluginError(f"{name}: its return type has no JSON Schema: {error}") from None
    validator = SchemaValidator(schema, limits)

    def convert(value: Any) -> CallToolResult:
        if isinstance(value, ToolResult):
            return _checked(_untyped(value), validator)
        try:
            encoded = adapter.dump_json(value, by_alias=True, warnings="error")
        except ValueError as error:  # PydanticSerializationError is one
            raise OutputMismatchError(str(error)) from None
        return _checked(_structured(encoded), validator)

    return Output(convert=convert, schema=schema)


def _structured(encoded: bytes) -> CallToolResult:
    # Structured content comes with its text for clients that know nothing of structure.
    # Spec: 2026-07-28/server/tools#structured-content
    return CallToolResult(content=[TextContent(encoded.decode())], structured_content=Raw(encoded))


def _checked(result: CallToolResult, validator: SchemaValidator) -> CallToolResult:
    if result.is_error is True:
        return result
    structured = result.structured_content
    if structured is UNSET:
        raise OutputMismatchError("the tool has an output schema but returned no structured content")
    value = msgspec.json.decode(structured) if isinstance(structured, Raw) else msgspec.to_builtins(structured)
    if not validator.accepts(value):
        raise OutputMismatchError("; ".join(validator.problems(value)))
    return result


def _text(value: Any) -> CallToolResult:
    """The result of a function declared to return a text, whatever it returned all the same."""
    return CallToolResult(content=[TextContent(value)]) if type(value) is str else _untyped(value)


def _untyped(value: Any) -> CallToolResult:
    if isinstance(value, ToolResult):
        return CallToolResult(
            content=[TextContent(block) if isinstance(block, str) else block for block in value.content],
            structured_content=value.structured_content,
            is_error=True if value.is_error else UNSET,
            meta=UNSET if value.meta is None else value.meta,
        )
    blocks = content_blocks(value)
    if blocks is not None:
        return CallToolResult(content=blocks)
    return _structured(encode_value(value))


def _is_list(annotation: Any) -> bool:
    while typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    return typing.get_origin(annotation) in (list, tuple)


def _content(value: Any) -> CallToolResult:
    """The result of a function declared to return a list of content: an empty list is one, too."""
    return CallToolResult(content=[]) if value in ([], ()) else _untyped(value)


def content_blocks(value: Any) -> list[ContentBlock] | None:
    """`value` as content blocks where it is text, content, a list with content, or None; otherwise None."""
    if value is None:
        return []
    if isinstance(value, str):
        return [TextContent(value)]
    if isinstance(value, CONTENT_TYPES):
        return [value]
    if isinstance(value, tuple):
        value = list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if is_array(value) and any(isinstance(item, CONTENT_TYPES) for item in value):
        return [item if isinstance(item, CONTENT_TYPES) else TextContent(str(item)) for item in value]
    return None


def encode_value(value: Any) -> bytes:
    """`value` as JSON: plain data, msgspec structs, dataclasses, pydantic models. Raises OutputMismatchError."""
    try:
        return encode_json(value)
    except TypeError:
        pass  # Not one of msgspec's own; pydantic may know it.
    except (ValueError, RecursionError) as error:
        raise OutputMismatchError(f"the return value is no JSON: {error}") from None
    import pydantic_core  # whoever returns a pydantic model has imported it

    try:
        return pydantic_core.to_json(value, by_alias=True)
    except ValueError as error:
        raise OutputMismatchError(f"the return value is no JSON: {error}") from None
