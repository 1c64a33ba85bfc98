"""The explanation of a value that does not fit a JSON Schema. Rule: decided first, and explained within a budget.

To decide costs little: a compiled schema judges a part of the value once. To collect all problems may cost any time and
memory, and cannot be stopped. So a costly explanation goes down from the whole to a part that does not fit either,
deciding at each step, and looks at so many parts and no more.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from mcp_runtime.core.schemas.reading_cost import chosen_by_discriminator, length_of, listed, may_be, resolve
from mcp_runtime.protocol.json_types import is_array, is_object

MAX_PROBLEM_CHARS: Final = 300
"""Of one problem, which may repeat what the client sent: enough for a line on a screen or two."""

_MAX_LOOKS: Final = 5000
"""Parts of a value that one explanation decides on: a few milliseconds, and less than a long refusal takes to send."""

_BYTES_A_LOOK: Final = 1000
"""A longer part counts as several: to decide on it takes as long, and on the way down it is decided on at each step."""

_SHOWN_CHARS: Final = 80
_NAMED: Final = 5
"""Members that one problem names."""
_ASSERTIONS: Final = (
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
)
"""The keywords that judge a value without a schema for what is in it."""

Accepts = Callable[[object], bool]
Path = tuple[str | int, ...]


class _Look(Struct, frozen=True):
    """A part of the schema, by its place in it, and the part of the value that it is applied to."""

    pointer: str
    value: Any
    path: Path


class Explanation:
    """The explanation of one value in `most` problems. `compiled` decides by the part of `schema` at a JSON pointer."""

    def __init__(self, schema: dict[str, Any], compiled: Callable[[str], Accepts], *, most: int) -> None:
        self._schema = schema
        self._most = most
        self._compiled = compiled
        self._left = _MAX_LOOKS
        self._problems: list[str] = []

    def problems(self, value: object) -> list[str]:
        """Some problems of `value`, which does not fit: at least one, at most `most`."""
        stack = [_Look("", value, ())]
        while stack and len(self._problems) < self._most and self._left > 0:
            look = stack.pop()
            part = self._part(look.pointer)
            inner = self._failing(part, look)
            stack.extend(reversed(inner))
            own = list(self._own(part, look))
            self._problems.extend(own)
            if not inner and not own:
                self._problems.append(problem(look.path, f"{shown(look.value)} is not what the schema allows"))
        found = self._problems or [problem((), f"{shown(value)} is not what the schema allows")]
        return found[: self._most]

    def _part(self, pointer: str) -> dict[str, Any]:
        found = resolve(self._schema, f"#{pointer}") if pointer else self._schema
        return found if is_object(found) else {}

    def _failing(self, part: dict[str, Any], look: _Look) -> list[_Look]:
        """The next looks: what `look` leads to and does not fit either."""
        failing: list[_Look] = []
        for inner in self._inside(part, look):
            self._left -= _cost(inner.value)
            if self._left <= 0 or len(failing) == self._most:
                break
            if not self._compiled(inner.pointer)(inner.value):
                failing.append(inner)
        return failing

    def _inside(self, part: dict[str, Any], look: _Look) -> Iterator[_Look]:
        yield from self._beside(part, look)
        if is_object(look.value):
            yield from _members(part, look, look.value)
        elif is_array(look.value):
            yield from _items(part, look, look.value)

    def _beside(self, part: dict[str, Any], look: _Look) -> Iterator[_Look]:
        """The parts of the schema that hold for the same value."""
        for found in (part.get("$ref"), chosen_by_discriminator(part, look.value)):
            if isinstance(found, str) and (found == "#" or found.startswith("#/")):
                yield _Look(found[1:], look.value, look.path)
        for index, _ in enumerate(listed(part.get("allOf"))):
            yield _Look(f"{look.pointer}/allOf/{index}", look.value, look.path)
        for keyword in ("anyOf", "oneOf"):
            options = listed(part.get(keyword))
            likely = [index for index, option in enumerate(options) if self._may_be(option, look.value)]
            if len(likely) == 1:  # of several, nobody knows which was meant
                yield _Look(f"{look.pointer}/{keyword}/{likely[0]}", look.value, look.path)

    def _may_be(self, option: object, value: object) -> bool:
        if is_object(option) and "$ref" in option:
            option = resolve(self._schema, option["$ref"])
        return not is_object(option) or may_be(option.get("type"), value)

    def _own(self, part: dict[str, Any], look: _Look) -> Iterator[str]:
        """The problems of the value itself."""
        import jsonschema_rs  # as in the validator

        for keyword in _ASSERTIONS:
            if keyword in part:
                only = jsonschema_rs.Draft202012Validator({keyword: part[keyword]}, offline=True)
                if not only.is_valid(look.value):
                    yield problem(look.path, _text(keyword, part[keyword], look.value))
        if part.get("additionalProperties") is False and is_object(look.value) and "patternProperties" not in part:
            known = part.get("properties", {})
            unknown = [name for name in look.value if name not in known]
            if unknown:
                names = ", ".join(map(shown, unknown[:_NAMED]))
                more = "" if len(unknown) <= _NAMED else f" and {len(unknown) - _NAMED} more"
                yield problem(look.path, f"{names}{more}: no such property")
        for keyword in ("anyOf", "oneOf"):
            options = listed(part.get(keyword))
            if len(options) > 1 and not any(self._decided(look, keyword, index) for index in range(len(options))):
                yield problem(look.path, f"{shown(look.value)} is none of the alternatives of {keyword}")

    def _decided(self, look: _Look, keyword: str, index: int) -> bool:
        """Whether an alternative fits; past the budget, where nobody knows, it is taken to."""
        self._left -= _cost(look.value)
        return self._left <= 0 or self._compiled(f"{look.pointer}/{keyword}/{index}")(look.value)


def _cost(value: object) -> int:
    """The number of looks that it takes to decide on `value`."""
    if not is_object(value) and not is_array(value):
        return 1
    return 1 + length_of(value) // _BYTES_A_LOOK


def _members(part: dict[str, Any], look: _Look, value: dict[str, Any]) -> Iterator[_Look]:
    properties = part.get("properties", {})
    for name in properties:
        if name in value:
            escaped = name.replace("~", "~0").replace("/", "~1")
            yield _Look(f"{look.pointer}/properties/{escaped}", value[name], (*look.path, name))
    if is_object(part.get("additionalProperties")) and "patternProperties" not in part:
        for name, child in value.items():
            if name not in properties:
                yield _Look(f"{look.pointer}/additionalProperties", child, (*look.path, name))


def _items(part: dict[str, Any], look: _Look, value: list[Any]) -> Iterator[_Look]:
    first = listed(part.get("prefixItems"))
    for index, item in enumerate(value):
        if index < len(first):
            yield _Look(f"{look.pointer}/prefixItems/{index}", item, (*look.path, index))
        elif "items" in part:
            yield _Look(f"{look.pointer}/items", item, (*look.path, index))


def problem(path: Path | list[str | int], text: str) -> str:
    """One problem as a line: its place in the value, and the text; what is too long of either is cut."""
    if not path:
        return cut(text, MAX_PROBLEM_CHARS)
    place = str(path[0]) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path[1:])
    return f"`{cut(place, MAX_PROBLEM_CHARS)}`: {cut(text, MAX_PROBLEM_CHARS)}"


def shown(value: object) -> str:
    """`value`, decoded JSON, as far as a line has room for it."""
    if is_object(value):
        return "an object" if value else "{}"
    if is_array(value):
        return "an array" if value else "[]"
    if isinstance(value, str):
        value = cut(value, _SHOWN_CHARS)
    try:
        return msgspec.json.encode(value).decode()
    except (ValueError, OverflowError):  # an integer of more than 64 bits
        return "a very long number"


def _text(keyword: str, wanted: Any, value: object) -> str:
    if keyword == "required" and is_object(value):
        missing = [name for name in wanted if name not in value]
        return ", ".join(map(shown, missing[:_NAMED])) + " is missing"
    if keyword == "type":
        kinds = " or ".join(f'"{kind}"' for kind in (wanted if is_array(wanted) else [wanted]))
        return f"{shown(value)} is not of type {kinds}"
    return f"{shown(value)} does not fit {keyword} {cut(msgspec.json.encode(wanted).decode(), _SHOWN_CHARS)}"


def cut(text: str, most: int) -> str:
    """`text`, or its first `most` characters and dots."""
    return text if len(text) <= most else text[:most] + "..."
