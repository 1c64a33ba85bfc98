"""Header plans: which arguments of a tool travel in headers, too, read off its input schema.

Rule: an annotation that breaks a constraint never gets registered.


Spec: 2026-07-28/basic/transports/streamable-http#schema-extension
"""

import re
from collections.abc import Iterator
from typing import Any, Final, TypeGuard

from mcp_runtime.protocol.headers import PARAM_PREFIX, HeaderPlan, ParamHeader
from mcp_runtime.protocol.json_types import is_array, is_object

KEYWORD: Final = "x-mcp-header"
MAX_SAFE_INTEGER: Final = 2**53 - 1

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TYPES: Final = ("string", "integer", "boolean")
# Values under these keywords are data, not schemas; an x-mcp-header key in there annotates nothing.
_DATA_KEYWORDS: Final = frozenset({"const", "default", "dependentRequired", "enum", "examples", "required"})
_BY_NAME: Final = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})


class HeaderPlanError(ValueError):
    """An `x-mcp-header` annotation that breaks the specification; the text names where and why."""


def build_plan(schema: dict[str, Any]) -> HeaderPlan:
    """The header plan of a tool with this `inputSchema`, empty for most. Raises HeaderPlanError."""
    plan = tuple(_reachable(schema, ()))
    planned = {entry.path for entry in plan}
    for path, where in _annotations(schema, (), ()):
        if path is None or path not in planned:
            raise HeaderPlanError(f"{KEYWORD} at {where} is not reachable through 'properties' alone")
    seen: set[bytes] = set()
    for entry in plan:
        if entry.header in seen:
            raise HeaderPlanError(f"{KEYWORD} {entry.header.decode()!r} is used twice (names are case-insensitive)")
        seen.add(entry.header)
    return plan


def _reachable(schema: dict[str, Any], path: tuple[str, ...]) -> Iterator[ParamHeader]:
    properties = schema.get("properties")
    if not is_object(properties):
        return
    for name, inner in properties.items():
        if not is_object(inner):
            continue
        if KEYWORD in inner:
            yield ParamHeader(_header_name(inner, (*path, name)), (*path, name))
        yield from _reachable(inner, (*path, name))


def _header_name(schema: dict[str, Any], path: tuple[str, ...]) -> bytes:
    where = ".".join(path)
    name = schema[KEYWORD]
    if not isinstance(name, str) or _TOKEN.fullmatch(name) is None:
        raise HeaderPlanError(f"{KEYWORD} of {where!r} must be an HTTP token, not {name!r}")
    if schema.get("type") not in _TYPES:
        raise HeaderPlanError(
            f"{KEYWORD} of {where!r} needs type string, integer or boolean, not {schema.get('type')!r}"
        )
    if any(abs(number) > MAX_SAFE_INTEGER for number in _numbers(schema)):
        raise HeaderPlanError(f"{KEYWORD} of {where!r} allows integers beyond 2^53-1")
    return PARAM_PREFIX + name.lower().encode("ascii")


def _numbers(schema: dict[str, Any]) -> Iterator[float]:
    """The outermost integers that a schema names: bounds, choices, a constant."""
    named = [schema.get("minimum"), schema.get("maximum"), schema.get("const"), *_choices(schema)]
    yield from (number for number in named if _is_number(number))
    for bound, step in (("exclusiveMinimum", 1), ("exclusiveMaximum", -1)):
        limit = schema.get(bound)
        if _is_number(limit):
            yield limit + step


def _choices(schema: dict[str, Any]) -> list[Any]:
    choices = schema.get("enum")
    return choices if is_array(choices) else []


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _annotations(
    schema: object, path: tuple[str, ...] | None, trail: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...] | None, str]]:
    """Every annotated schema: its property path (None off the static chain) and where it stands, for the error."""
    if is_array(schema):
        for index, item in enumerate(schema):
            yield from _annotations(item, None, (*trail, str(index)))
        return
    if not is_object(schema):
        return
    if KEYWORD in schema:
        yield path, "/".join(("#", *trail))
    for keyword, inner in schema.items():
        if keyword in _DATA_KEYWORDS:
            continue
        if keyword in _BY_NAME and is_object(inner):
            for name, item in inner.items():
                down = (*path, name) if keyword == "properties" and path is not None else None
                yield from _annotations(item, down, (*trail, keyword, name))
        else:
            yield from _annotations(inner, None, (*trail, keyword))
