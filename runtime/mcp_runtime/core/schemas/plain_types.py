"""Plain types: text, numbers, lists and objects of them. Rule: their JSON Schema is exactly what pydantic says.

Most tools have no others. For these neither a schema nor a decoder takes pydantic, whose import is a quarter of a start
on stdio and several megabytes of an idle process.
"""

import math
import types
import typing
from collections.abc import Callable
from typing import Any, Final, Literal, Union

_LEAVES: Final[dict[object, dict[str, Any]]] = {
    bool: {"type": "boolean"},
    dict: {"additionalProperties": True, "type": "object"},
    float: {"type": "number"},
    int: {"type": "integer"},
    list: {"items": {}, "type": "array"},
    str: {"type": "string"},
}


def plain_schema(hint: Any) -> dict[str, Any] | None:
    """The JSON Schema 2020-12 of values of the type `hint`, None where that is not a plain type.

    Plain are `str`, `int`, `float`, `bool`, `list` and `dict`, with or without items that are plain or `Any`, a
    `Literal` of texts, and each of them `| None`. A msgspec decoder of the type takes nothing that the schema does not
    allow, and all that it does, but for whole numbers written as `5.0`.
    """
    of_origin = _OF_ORIGIN.get(typing.get_origin(hint))
    if of_origin is not None:
        return of_origin(typing.get_args(hint))
    return dict(_LEAVES[hint]) if isinstance(hint, type) and hint in _LEAVES else None


def plain_default(hint: Any, default: object) -> bool:
    """Whether `default` is one of the type `hint` and a JSON value that cannot change."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    if default is None:
        return types.NoneType in options
    if type(default) is float:
        return float in options and math.isfinite(default)
    texts = [text for option in options if typing.get_origin(option) is Literal for text in typing.get_args(option)]
    return type(default) in (bool, int, str) and (type(default) in options or default in texts)


def _item(hint: Any) -> dict[str, Any] | None:
    return {} if hint is Any else plain_schema(hint)


def _list(arguments: tuple[Any, ...]) -> dict[str, Any] | None:
    items = _item(arguments[0])
    return None if items is None else {"items": items, "type": "array"}


def _dict(arguments: tuple[Any, ...]) -> dict[str, Any] | None:
    values = _item(arguments[1])
    if arguments[0] is not str or values is None:
        return None
    return {"additionalProperties": values or True, "type": "object"}


def _literal(arguments: tuple[Any, ...]) -> dict[str, Any] | None:
    if not all(type(text) is str for text in arguments):
        return None
    choice = {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
    return {**choice, "type": "string"}


def _optional(arguments: tuple[Any, ...]) -> dict[str, Any] | None:
    kinds = [one for one in arguments if one is not types.NoneType]
    kind = plain_schema(kinds[0]) if len(kinds) == 1 else None
    return None if kind is None else {"anyOf": [kind, {"type": "null"}]}


_OF_ORIGIN: Final[dict[object, Callable[[tuple[Any, ...]], dict[str, Any] | None]]] = {
    Literal: _literal,
    Union: _optional,
    dict: _dict,
    list: _list,
    types.UnionType: _optional,
}
