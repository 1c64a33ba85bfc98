"""The frugal reader of a pydantic type: says what is wrong with one value of a list. Rule: what fits is read the same.

pydantic collects every error, at a hundred times the bytes that it takes to make one. It is told to stop at the first
in each collection. What else makes errors by number is members that a model does not know: `forbids_members`.

This module imports pydantic: import it where a plugin's types are looked at, never at start.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeGuard

from pydantic import BaseModel
from pydantic_core import SchemaValidator as CoreValidator

from mcp_runtime.protocol.json_types import is_array, is_object

_COLLECTIONS: Final = frozenset({"deque", "dict", "frozenset", "list", "set", "tuple"})
_OPAQUE: Final = frozenset({"config", "default", "expected", "metadata", "serialization"})
"""The keys of a core schema that hold no schemas, though maybe what looks like one."""


def frugal_reader(model: type[BaseModel]) -> CoreValidator:
    """The validator of `model` that stops at the first error in each collection."""
    schema: Any = _hasty(model.__pydantic_core_schema__)
    try:
        # A model inside would be read by its own validator, which knows nothing of this.
        return CoreValidator(schema, _use_prebuilt=False)
    except TypeError:  # It is no promise of pydantic's: without it, models inside find what they find.
        return CoreValidator(schema)


def branches(model: type[BaseModel]) -> bool:
    """Whether values of `model` may be nested in unions of alternatives that can each be read to any depth."""
    schema: Any = model.__pydantic_core_schema__
    definitions = {one["ref"]: one for one in schema.get("definitions", ())}
    unions = [part for part in _parts(schema) if part.get("type") == "union"]
    return any(sum(_recurs(choice, definitions) for choice in union["choices"]) > 1 for union in unions)


def forbids_members(model: type[BaseModel]) -> bool:
    """Whether something inside `model` forbids members that it does not know: each of those is an error."""
    inside = [part for part in _parts(model.__pydantic_core_schema__) if part.get("cls") is not model]
    return any(
        "forbid" in (part.get("extra_behavior"), _settings(part).get("extra_fields_behavior")) for part in inside
    )


def _settings(part: dict[str, Any]) -> dict[str, Any]:
    found = part.get("config")
    return found if is_object(found) else {}


def _recurs(choice: Any, definitions: dict[str, Any]) -> bool:
    """Whether `choice` leads to a definition; one that is not used again has been put in its place by pydantic."""
    return any(part.get("schema_ref") in definitions for part in _parts(choice))


def _hasty(part: Any) -> Any:
    if is_object(part):
        copied = {key: inner if key in _OPAQUE else _hasty(inner) for key, inner in part.items()}
        return {**copied, "fail_fast": True} if part.get("type") in _COLLECTIONS else copied
    if is_array(part):
        return [_hasty(inner) for inner in part]
    # A choice of a tagged union or a union may stand in a tuple, with its label.
    return tuple(map(_hasty, part)) if _is_pair(part) else part


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    stack: list[Any] = [schema]
    while stack:
        part = stack.pop()
        if is_object(part):
            yield part
            stack.extend(inner for key, inner in part.items() if key not in _OPAQUE)
        elif is_array(part) or _is_pair(part):
            stack.extend(part)


def _is_pair(part: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(part, tuple)
