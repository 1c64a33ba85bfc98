"""The cost of reading a value by a JSON Schema. Rule: counting ends at a bound, whatever the two are.

A reader that remembers nothing, as one that collects every problem, reads a part of the value once for each way that
leads there: twice as often on each level where a schema meets itself below two alternatives.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice
from typing import Any, Final

import msgspec
from msgspec import Struct

from mcp_runtime.protocol.json_types import is_array, is_object

_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int, float),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}
_REFERENCES: Final = ("$ref", "$dynamicRef")
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


def length_of(value: object) -> int:
    """The length of `value`, decoded JSON, as a text in bytes; more than any where nobody could write it."""
    try:
        return len(msgspec.json.encode(value))
    except (RecursionError, OverflowError, ValueError):  # The stack is deeper here than where it was decoded.
        return sys.maxsize


def visits_of(schema: dict[str, Any], value: object, most: int) -> int:
    """How often parts of `schema` are applied to parts of `value`; counting ends where it is past `most`."""
    plans = _Plans(schema)
    visits = 0
    stack: list[Pair] = [(schema, value)]
    while stack and visits <= most:
        part, current = stack.pop()
        visits += 1
        if is_object(part):
            plan = plans.of(part)
            if plan.kinds is None or isinstance(current, plan.kinds):
                stack.extend(islice(plan.applied(current), most - visits + 1))
    return visits


def may_be(kinds: object, value: object) -> bool:
    """Whether `value` is of one of `kinds`, as the keyword `type` has them."""
    types = _types(kinds)
    return types is None or isinstance(value, types)


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


class _Plan(Struct):
    """A part of a schema, looked up once: what of it is applied to the value itself, to members and to items."""

    kinds: tuple[type, ...] | None
    """The types that its `type` allows, None where it allows all."""
    chosen: Callable[[object], list[Any]]
    """What a `discriminator` chooses, if there is one, which then is all that is applied."""
    beside: list[Any]
    properties: dict[str, Any]
    others: list[Any]
    every: list[Any]
    first: list[Any]
    items: list[Any]

    def applied(self, value: object) -> Iterator[Pair]:
        """What is applied to `value`, which is of a type that is allowed, and to what is directly in it."""
        if chosen := self.chosen(value):
            return ((inner, value) for inner in chosen)
        own = ((inner, value) for inner in self.beside)
        if is_object(value):
            return chain(own, self._members(value))
        return chain(own, self._elements(value)) if is_array(value) else own

    def _members(self, value: dict[str, Any]) -> Iterator[Pair]:
        properties = self.properties
        if len(properties) < len(value):
            yield from ((inner, value[name]) for name, inner in properties.items() if name in value)
        else:
            yield from ((properties[name], child) for name, child in value.items() if name in properties)
        for inner in self.others:
            yield from ((inner, child) for name, child in value.items() if name not in properties)
        for inner in self.every:
            yield from ((inner, child) for child in value.values())

    def _elements(self, value: list[Any]) -> Iterator[Pair]:
        yield from zip(self.first, value, strict=False)
        for inner in self.items:
            yield from ((inner, child) for child in value)


class _Plans:
    """The plans of one schema, each made when its part is first visited."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._made: dict[int, _Plan] = {}

    def of(self, part: dict[str, Any]) -> _Plan:
        """The plan of `part`, which is a part of the schema, and so lives as long."""
        plan = self._made.get(id(part))
        if plan is None:
            plan = self._made[id(part)] = self._make(part)
        return plan

    def _make(self, part: dict[str, Any]) -> _Plan:
        beside = [resolve(self._schema, part[keyword]) for keyword in _REFERENCES if keyword in part]
        for keyword in _ALTERNATIVES:
            beside.extend(listed(part.get(keyword)))
        beside.extend(part[keyword] for keyword in _CONDITIONS if keyword in part)
        beside.extend(_map(part.get("dependentSchemas")).values())
        names = part.get("propertyNames")
        return _Plan(
            kinds=_types(part.get("type")),
            chosen=partial(self._chosen, part) if "discriminator" in part else _nothing,
            beside=beside,
            properties=_map(part.get("properties")),
            others=_objects(part, _MEMBERS),
            every=[
                *filter(is_object, _map(part.get("patternProperties")).values()),
                *([names] if is_object(names) else []),
            ],
            first=listed(part.get("prefixItems")),
            items=_objects(part, _ITEMS),
        )

    def _chosen(self, part: dict[str, Any], value: object) -> list[Any]:
        chosen = chosen_by_discriminator(part, value)
        return [] if chosen is None else [resolve(self._schema, chosen)]


def _nothing(_value: object) -> list[Any]:
    return []


def _types(kinds: object) -> tuple[type, ...] | None:
    """The types that values of one of `kinds` have, None for all."""
    names: list[object] = kinds if is_array(kinds) else [kinds]
    found: list[type] = []
    for name in names:
        types = _KINDS.get(name) if isinstance(name, str) else None
        if types is None:
            return None
        found.extend(types)
    return tuple(found)


def _objects(part: dict[str, Any], keywords: tuple[str, ...]) -> list[Any]:
    return [part[keyword] for keyword in keywords if is_object(part.get(keyword))]


def listed(found: object) -> list[Any]:
    """What stands in a schema where a list belongs; empty where none does."""
    return found if is_array(found) else []


def _map(found: object) -> dict[str, Any]:
    return found if is_object(found) else {}
