"""The table of all configuration keys, read off the structs. Rule: there is no other list of them."""

import re
import types
from functools import cache
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import fields

from mcp_runtime.config.sections import Config

ENVIRONMENT_PREFIX: Final = "MCP_RUNTIME_"
PLUGIN_PREFIX: Final = "MCP_RUNTIME_PLUGIN_"
"""MCP_RUNTIME_PLUGIN_<NAME>_<KEY> is key KEY of [plugin.NAME]."""

SPECIAL_VARIABLES: Final = types.MappingProxyType(
    {
        "MCP_RUNTIME_CONFIG": "The configuration file, where --config names none.",
        "MCP_RUNTIME_PLUGINS": "Plugins to load, comma separated, in place of plugins.load; like --plugin.",
    }
)

_NOT_SECTIONS: Final = frozenset({"plugin", "origin"})
_UNITS: Final = {"_s": " of seconds", "_ms": " of milliseconds", "_bytes": " of bytes"}


class ConfigKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key: where it stands, what it takes, what it is without a value.

    `kind` names a further check or conversion of its text (see `values.py`); None for most keys.
    """

    section: str
    name: str
    type: Any
    default: Any
    description: str
    kind: str | None = None

    @property
    def path(self) -> str:
        """`section.name`, as it stands in error messages."""
        return f"{self.section}.{self.name}"

    @property
    def environment(self) -> str:
        """The environment variable that overrides it."""
        return ENVIRONMENT_PREFIX + self.path.upper().replace(".", "_")

    @property
    def expected(self) -> str:
        """Its type and its bounds, in words that follow "is"."""
        return _expected(self.type, _unit(self.name))


class ConfigSection(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the file, with the struct that holds it."""

    name: str
    struct: type[Struct]
    description: str
    keys: tuple[ConfigKey, ...]


def plugin_variable(plugin: str, key: str = "") -> str:
    """The environment variable that overrides `key` of [plugin.PLUGIN]; without a key, what all of them begin with."""
    return PLUGIN_PREFIX + re.sub(r"\W", "_", f"{plugin}_{key}").upper()


def bare_type(annotated: Any) -> Any:
    """A type without its `Annotated` wrapping."""
    return get_args(annotated)[0] if get_origin(annotated) is Annotated else annotated


def _meta(annotated: Any) -> Meta:
    found = (
        [part for part in get_args(annotated) if isinstance(part, Meta)] if get_origin(annotated) is Annotated else []
    )
    return found[0] if found else Meta()


def _unit(name: str) -> str:
    return next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")


def _bound(meta: Meta) -> str:
    if meta.gt is not None:
        return f", more than {meta.gt}"
    if meta.ge is not None and meta.le is not None:
        return f", {meta.ge} to {meta.le}"
    return f", {meta.ge} or more" if meta.ge is not None else ""


def _expected(annotated: Any, unit: str) -> str:
    bare, meta = bare_type(annotated), _meta(annotated)
    if bare is bool:
        return "true or false"
    if bare is int:
        return f"a whole number{unit}{_bound(meta)}"
    if bare is float:
        return f"a number{unit}{_bound(meta)}"
    if get_origin(bare) is Literal:
        *others, last = (f'"{choice}"' for choice in get_args(bare))
        return f"{', '.join(others)} or {last}"
    if get_origin(bare) is tuple:
        return "a list of texts"
    return "a text, not empty" if meta.min_length else "a text"


# Five sections share a struct, and msgspec looks up the fields anew each time it is asked.
_fields: Final = cache(fields)


def _keys(section: str, values: Struct) -> tuple[ConfigKey, ...]:
    return tuple(
        ConfigKey(
            section=section,
            name=field.name,
            type=field.type,
            default=getattr(values, field.name),
            description=_meta(field.type).description or "",
            kind=(_meta(field.type).extra or {}).get("kind"),
        )
        for field in _fields(type(values))
    )


def _sections(prefix: str, values: Struct) -> list[ConfigSection]:
    """The sections in `values`, in the order of its fields; a section of sections (`cache`) becomes one for each."""
    found: list[ConfigSection] = []
    for field in _fields(type(values)):
        inner = getattr(values, field.name)
        if field.name in _NOT_SECTIONS or not isinstance(inner, Struct):
            continue
        name = f"{prefix}{field.name}"
        if any(isinstance(getattr(inner, deeper.name), Struct) for deeper in _fields(type(inner))):
            found += _sections(f"{name}.", inner)
        else:
            said = _meta(field.type).description or (type(inner).__doc__ or "").partition("\n")[0]
            found.append(ConfigSection(name=name, struct=type(inner), description=said, keys=_keys(name, inner)))
    return found


CONFIG_SECTIONS: Final[tuple[ConfigSection, ...]] = tuple(_sections("", Config()))
"""Every section but [plugin.*], in the order of the file."""

CONFIG_KEYS: Final[tuple[ConfigKey, ...]] = tuple(key for section in CONFIG_SECTIONS for key in section.keys)
"""Every key but those of plugins, in the order of the file."""
