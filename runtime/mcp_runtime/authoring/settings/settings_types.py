"""The types that a plugin may use for its settings. Rule: only this file tells their kinds apart."""

import dataclasses
import re
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Protocol, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields as struct_fields

from mcp_runtime.config.secret import Secret
from mcp_runtime.platform.home import expanded

T = TypeVar("T")


class Refused(ValueError):
    """The refusal of values by a settings type. `key` says which one, None for several together."""

    def __init__(self, key: str | None, problem: str) -> None:
        self.key = key
        self.problem = problem
        super().__init__(problem)


class _Build(Protocol):
    def __call__(self, settings: type[T], values: Mapping[str, object]) -> T:
        """Make the settings. Raises Refused."""
        ...


class SettingsType(Struct, frozen=True, kw_only=True):
    """The description of a settings type: keys with their types, those without a default, whether others are fine."""

    hints: Mapping[str, Any]
    required: frozenset[str]
    build: _Build
    takes_more: bool = False


def settings_type(settings: type[Any]) -> SettingsType:
    """The description of the type `settings`. Raises TypeError for one of no known kind."""
    if issubclass(settings, Struct):
        known = struct_fields(settings)
        required = {one.encode_name for one in known if one.default is NODEFAULT and one.default_factory is NODEFAULT}
        return SettingsType(
            hints={one.encode_name: one.type for one in known}, required=frozenset(required), build=_by_msgspec
        )
    if dataclasses.is_dataclass(settings):
        return _dataclass(settings)
    if _is_pydantic(settings):
        return _pydantic(settings)
    raise TypeError(f"{settings.__qualname__} is no dataclass, msgspec Struct or pydantic model, so no settings type")


def without_none(hint: Any) -> Any:
    """The one type of `T | None` and `Annotated[T, ...]`; any other type as it is."""
    if get_origin(hint) is Annotated:
        return without_none(get_args(hint)[0])
    if get_origin(hint) in {Union, UnionType}:
        rest = [one for one in get_args(hint) if one is not NoneType]
        return without_none(rest[0]) if len(rest) == 1 else hint
    return hint


def located(value: object, hint: Any, directory: Path, environ: Mapping[str, str]) -> object:
    """`value` with texts made paths and secrets where `hint` asks for them. ValueError for a missing secret."""
    bare = without_none(hint)
    match value:
        case list() if inner := get_args(bare):
            return [located(item, inner[0], directory, environ) for item in cast("list[object]", value)]
        case str() if bare is Secret:
            return Secret.parse(value, directory=directory, environ=environ)
        case str() if isinstance(bare, type) and issubclass(bare, PurePath):
            return directory / expanded(value)
        case _:
            return value


def _dataclass(settings: type[Any]) -> SettingsType:
    hints = get_type_hints(settings, include_extras=True)
    taken = [one for one in dataclasses.fields(settings) if one.init]
    required = {
        one.name for one in taken if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    }
    return SettingsType(
        hints={one.name: hints[one.name] for one in taken}, required=frozenset(required), build=_by_msgspec
    )


def _is_pydantic(settings: type[Any]) -> bool:
    # Whoever made the class has imported pydantic; nobody else shall pay for it.
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(settings, pydantic.BaseModel)


def _pydantic(settings: Any) -> SettingsType:
    known = {(one.alias or name): one for name, one in settings.model_fields.items()}
    return SettingsType(
        hints={name: one.annotation for name, one in known.items()},
        required=frozenset(name for name, one in known.items() if one.is_required()),
        build=_by_pydantic,
        takes_more=settings.model_config.get("extra") == "allow",
    )


def _by_msgspec(settings: type[T], values: Mapping[str, object]) -> T:
    try:
        return msgspec.convert(values, settings)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        key = re.match(r"\w+", place)
        # A type's own check (`__post_init__`) has no place, but says its key first more often than not.
        first = re.match(r"\w+", problem)
        guess = first.group() if first and first.group() in values else None
        raise Refused(key.group() if key else guess, problem[:1].lower() + problem[1:]) from None


def _by_pydantic(settings: type[T], values: Mapping[str, object]) -> T:
    from pydantic import ValidationError

    try:
        return cast("T", cast("Any", settings).model_validate(dict(values)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = str(first["loc"][0]) if first["loc"] else None
        raise Refused(key, first["msg"][:1].lower() + first["msg"][1:]) from None
