"""A configuration as a commented TOML file. Rule: every key is in it, with its meaning, default and variable."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Final, cast

import msgspec

from mcp_runtime.config.keys import CONFIG_SECTIONS, ConfigKey, ConfigSection, plugin_variable

_WIDTH: Final = 100
_LONG_NUMBER: Final = 100_000
"""From here on a number is written with underscores."""

_HEADER: Final = (
    "The configuration of mcp-runtime. Lines that begin with # and no space are keys with their defaults: remove the "
    "# to change one. Names end in their unit: _s are seconds, _ms milliseconds. Relative paths are relative to this"
    " file.\n"
    "\n"
    "The variable above a key overrides it (lists are comma separated), and options of the command line override both. "
    "Unknown keys are errors. `mcp-runtime check` says whether all is right."
)


class PluginSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A key of a [plugin.NAME] table with what it means. Not `is_set`: `value` is its default, or an example."""

    name: str
    value: object
    meaning: str
    is_set: bool = False


def render(
    values: Mapping[str, object],
    plugins: Mapping[str, Sequence[PluginSetting]] | None = None,
    *,
    introduction: str = "",
) -> str:
    """The text of a configuration file with `values`, by key path. All other keys are there too, commented out.

    `plugins` are the [plugin.NAME] tables.
    """
    parts = [_comment(introduction + _HEADER)]
    parts += [_section(section, values) for section in CONFIG_SECTIONS]
    parts += [_plugin(name, settings) for name, settings in (plugins or {}).items()]
    return "\n\n".join(parts) + "\n"


def toml_value(value: object) -> str:
    """A value as TOML writes it: text, bool, number or a list of those."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value:_}" if value >= _LONG_NUMBER else str(value)
        case list() | tuple():
            return f"[{', '.join(toml_value(item) for item in cast('list[object]', value))}]"
        case None:
            return '""'
        case str():
            # JSON's escapes are TOML's too, save for those of characters beyond U+FFFF, which stay as they are.
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def _section(section: ConfigSection, values: Mapping[str, object]) -> str:
    lines = [_comment(section.description), f"[{section.name}]"]
    for key in section.keys:
        lines += ["", *_key(key, values)]
    return "\n".join(lines)


def _key(key: ConfigKey, values: Mapping[str, object]) -> list[str]:
    assignment = f"{key.name} = {toml_value(values.get(key.path, key.default))}"
    default = f" Default: {toml_value(key.default)}." if key.path in values else ""
    commented = "" if key.path in values else "#"
    return [_comment(f"{key.description}{default}\n{key.environment}"), f"{commented}{assignment}"]


def _plugin(name: str, settings: Sequence[PluginSetting]) -> str:
    lines = [_comment(f"Settings of the plugin {name}."), f"[plugin.{name}]"]
    for setting in settings:
        commented = "" if setting.is_set else "#"
        lines += [
            "",
            _comment(f"{setting.meaning}\n{plugin_variable(name, setting.name)}"),
            f"{commented}{setting.name} = {toml_value(setting.value)}",
        ]
    return "\n".join(lines)


def _comment(text: str) -> str:
    return "\n".join(
        f"# {line}".rstrip()
        for paragraph in text.strip().split("\n")
        for line in (textwrap.wrap(paragraph, _WIDTH, break_on_hyphens=False) or [""])
    )
