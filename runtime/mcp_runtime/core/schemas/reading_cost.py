"""The cost of reading a value by a JSON Schema. Rule: counting ends at a bound, whatever the two are.

A reader that remembers nothing, as one that collects every problem, reads a part of the value once for each way that
leads there: twice as often on each level where a schema meets itself below two alternatives.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from mcp_runtime.protocol.json_types import is_array, is_object

_KINDS: Final[dict[str, type | tuple[type, ...]]] = {
    "array": list,
    "boolean": bool,
    "integer": (int, float),
    "null": type(None),
    "number": (int, float),
    "object": dict,
    "string": str,
}
_ALTERNATIVES: Final = ("anyOf", "oneOf", "allOf")
_CONDITIONS: Final = ("if", "then", "else", "not")
_ITEMS: Final = ("items", "contains", "unevaluatedItems")
_MEMBERS: Final = ("additionalProperties", "unevaluatedProperties")

Pair = tuple[Any, object]
"""A part of a schema, and a part of a value that it is applied to."""


def size_of(value: object, most: int) -> int:
    """The number of values and characters in `value`, decoded JSON; counting ends where it is past `most`."""
    size, stack = 1, [value]
    while stack and size <= most:
        current = stack.pop()
        if is_object(current):
            size += len(current)
            if size <= most:
                size += sum(map(len, current))
                stack.extend(current.values())
        elif is_array(current):
            size += len(current)
            if size <= most:
                stack.extend(current)
        elif isinstance(current, str):
            size += len(current)
    return size


def visits_of(schema: dict[str, Any], value: object, most: int) -> int:
    """How often parts of `schema` are applied to parts of `value`; counting ends where it is past `most`."""
    visits = 0
    stack: list[Pair] = [(schema, value)]
    while stack and visits <= most:
        part, current = stack.pop()
        visits += 1
        if is_object(part) and may_be(part.get("type"), current):
            stack.extend(islice(_applied(schema, part, current), most - visits + 1))
    return visits


def may_be(kinds: object, value: object) -> bool:
    """Whether `value` is of one of `kinds`, as the keyword `type` has them."""
    names: list[object] = kinds if is_array(kinds) else [kinds]
    return any(not isinstance(name, str) or isinstance(value, _KINDS.get(name, object)) for name in names)


def chosen_by_discriminator(part: dict[str, Any], value: object) -> str | None:
    """The `$ref` that a `discriminator` (OpenAPI's, which types with one publish) sends `value` to."""
    discriminator = part.get("discriminator")
    if not is_object(discriminator) or not is_object(value) or not is_object(discriminator.get("mapping")):
        return None
    name = value.get(str(discriminator.get("propertyName")))
    chosen = discriminator["mapping"].get(name) if isinstance(name, str) else None
    return chosen if isinstance(chosen, str) else None


def resolve(schema: dict[str, Any], reference: object) -> Any:
    """The part of `schema` that a `$ref` names by its place; the whole for any other, of which that is a part."""
    found: Any = schema
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if is_array(found) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif is_object(found) and name in found:
            found = found[name]
        else:
            return schema
    return found


def _applied(schema: dict[str, Any], part: dict[str, Any], value: object) -> Iterator[Pair]:
    chosen = chosen_by_discriminator(part, value)
    if chosen is not None:
        yield resolve(schema, chosen), value
        return
    for keyword in ("$ref", "$dynamicRef"):
        if keyword in part:
            yield resolve(schema, part[keyword]), value
    for keyword in _ALTERNATIVES:
        yield from ((option, value) for option in _list(part.get(keyword)))
    yield from ((part[keyword], value) for keyword in _CONDITIONS if keyword in part)
    yield from ((inner, value) for inner in _map(part.get("dependentSchemas")).values())
    if is_object(value):
        yield from _members(part, value)
    elif is_array(value):
        first = _list(part.get("prefixItems"))
        yield from zip(first, value, strict=False)
        for keyword in _ITEMS:
            yield from _each(part.get(keyword), value)


def _members(part: dict[str, Any], value: dict[str, Any]) -> Iterator[Pair]:
    properties = _map(part.get("properties"))
    yield from ((inner, value[name]) for name, inner in properties.items() if name in value)
    for keyword in _MEMBERS:
        yield from _each(part.get(keyword), (child for name, child in value.items() if name not in properties))
    for inner in _map(part.get("patternProperties")).values():
        yield from _each(inner, value.values())
    yield from _each(part.get("propertyNames"), value)


def _each(part: object, values: Iterable[object]) -> Iterator[Pair]:
    return ((part, value) for value in values) if is_object(part) else iter(())


def _list(found: object) -> list[Any]:
    return found if is_array(found) else []


def _map(found: object) -> dict[str, Any]:
    return found if is_object(found) else {}
