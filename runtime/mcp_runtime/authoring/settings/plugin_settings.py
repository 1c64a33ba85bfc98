"""The settings of a plugin: its table [plugin.NAME] as a value of its own type.

Rule: a mistake in it reads like any other.

A settings type is a dataclass, a msgspec Struct or a pydantic model. Its `Path` fields come back absolute (a relative
path in the file is relative to the file), its `Secret` fields are read from `file:` and `env:` references, and
MCP_RUNTIME_PLUGIN_<NAME>_<KEY> overrides a key.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Final, TypeVar

from mcp_runtime.authoring.settings.settings_types import Refused, SettingsType, located, settings_type, without_none
from mcp_runtime.config.errors import ENVIRONMENT, ConfigError, nearest
from mcp_runtime.config.keys import plugin_variable
from mcp_runtime.config.sections import Config
from mcp_runtime.config.values import from_text

T = TypeVar("T")
_DEFAULTS: Final = "defaults"


def plugin_settings(config: Config, name: str, settings: type[T]) -> T:
    """The settings of the plugin `name`, from its table and the environment. Raises ConfigError.

    TypeError for a `settings` that is no dataclass, Struct or pydantic model: that is the plugin author's mistake.
    """
    table = _PluginTable(config, name, settings_type(settings))
    return table.convert(settings)


def unclaimed_plugin_settings(config: Config, loaded: Collection[str]) -> list[str]:
    """The tables and environment variables that no loaded plugin reads: `plugin.NAME`, and names of variables."""
    tables = [f"plugin.{name}" for name in config.plugin if name not in loaded]
    prefixes = tuple(plugin_variable(name) for name in loaded)
    variables = [name for name in config.origin.plugin_environment if not name.startswith(prefixes)]
    return sorted(tables) + sorted(variables)


class _PluginTable:
    """One plugin's table, and the variables that override it."""

    def __init__(self, config: Config, name: str, known: SettingsType) -> None:
        self._config = config
        self._name = name
        self._known = known
        self._table = config.plugin.get(name, {})
        self._variables = self._find_variables()

    def convert(self, settings: type[T]) -> T:
        for key in self._table:
            if key not in self._known.hints and not self._known.takes_more:
                raise self._unknown(key)
        values = {key: self._value(key) for key in sorted(self._table.keys() | self._variables.keys())}
        for key in sorted(self._known.required - values.keys()):
            raise self._error(key, "is missing", f"write {key} = ... below [plugin.{self._name}]")
        try:
            return self._known.build(settings, values)
        except Refused as refused:
            fix = f"correct it in [plugin.{self._name}]"
            raise self._error(refused.key or "", refused.problem, fix) from None

    def _find_variables(self) -> dict[str, str]:
        """This plugin's variables, by key. Raises ConfigError for one that fits no key, nor a longer plugin name."""
        prefix = plugin_variable(self._name)
        others = (plugin_variable(name) for name in self._config.plugin if name != self._name)
        longer = tuple(other for other in others if other.startswith(prefix))
        keys = {plugin_variable(self._name, key): key for key in self._known.hints}
        found: dict[str, str] = {}
        for variable in self._config.origin.plugin_environment:
            if not variable.startswith(prefix) or variable.startswith(longer):
                continue
            key = keys.get(variable)
            if key is None:
                suggestion = nearest(variable, keys)
                fix = f"did you mean {suggestion}?" if suggestion else "unset it"
                raise ConfigError(ENVIRONMENT, variable, f"plugin {self._name} has no such setting", fix)
            found[key] = variable
        return found

    def _value(self, key: str) -> object:
        hint = self._known.hints.get(key, object)
        raw, directory = self._table.get(key), Path(self._config.origin.directory)
        if key in self._variables:
            raw = from_text(self._config.origin.plugin_environment[self._variables[key]], without_none(hint))
            directory = Path.cwd()
        try:
            return located(raw, hint, directory, self._config.origin.environ)
        except ValueError as error:
            raise self._error(key, str(error), "write file:PATH, env:NAME or the secret itself") from None

    def _unknown(self, key: str) -> ConfigError:
        suggestion = nearest(key, self._known.hints)
        fix = f'did you mean "{suggestion}"?' if suggestion else "remove it"
        return self._error(key, f"plugin {self._name} has no such setting", fix)

    def _error(self, key: str, problem: str, fix: str) -> ConfigError:
        if key in self._variables:
            return ConfigError(ENVIRONMENT, self._variables[key], problem, fix)
        where = f"plugin.{self._name}.{key}" if key else f"plugin.{self._name}"
        return ConfigError(self._config.origin.file or _DEFAULTS, where, problem, fix)
