"""The configuration file, as a source of values. Rule: a table or key that nobody knows is an error, with a hint."""

from pathlib import Path
from typing import cast

from mcp_runtime.config.errors import ConfigError, nearest
from mcp_runtime.config.keys import CONFIG_KEYS, CONFIG_SECTIONS
from mcp_runtime.config.values import Given

PluginTables = dict[str, dict[str, object]]


def given_in_file(path: Path) -> tuple[dict[str, Given], PluginTables]:
    """The values that the file gives, by key path, and its [plugin.NAME] tables as they are. Raises ConfigError."""
    document = _read(path)
    plugins = _plugin_tables(str(path), document.pop("plugin", {}))
    given: dict[str, Given] = {}
    _collect(path, "", document, given)
    return given, plugins


def _read(path: Path) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            str(path), "file", "there is no such file", "name another, or run `mcp-runtime init`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), "file", f"cannot be read: {error}", "give a readable UTF-8 file") from None
    except tomllib.TOMLDecodeError as error:
        problem, _, place = str(error).removesuffix(")").partition(" (at ")
        raise ConfigError(str(path), place or "syntax", f"no TOML: {problem}", "correct the syntax there") from None


def _collect(path: Path, section: str, table: dict[str, object], given: dict[str, Given]) -> None:
    sections = {one.name for one in CONFIG_SECTIONS}
    groups = {name.rpartition(".")[0] for name in sections} - {""}
    keys = {key.path for key in CONFIG_KEYS}
    for name, value in table.items():
        here = f"{section}.{name}" if section else name
        if here in keys:
            given[here] = Given(value=value, file=str(path), name=here, directory=path.parent)
        elif here not in sections | groups:
            raise _unknown(str(path), here, sections | groups, keys)
        elif not isinstance(value, dict):
            raise ConfigError(str(path), here, "expected a table", f"write [{here}] and its keys below")
        else:
            _collect(path, here, cast("dict[str, object]", value), given)


def _unknown(file: str, here: str, sections: set[str], keys: set[str]) -> ConfigError:
    section, _, name = here.rpartition(".")
    suggestion = _suggestion(section, name, sorted(sections | keys))
    fix = f'did you mean "{suggestion}"?' if suggestion else "remove it"
    return ConfigError(file, here, f"there is no such {'key' if section else 'section'}", fix)


def _suggestion(section: str, name: str, known: list[str]) -> str | None:
    """The key that `name` in `section` was meant for: a neighbour spelt alike, or the same name in another section."""
    neighbours = {path.rpartition(".")[2]: path for path in known if path.rpartition(".")[0] == section}
    misspelt = nearest(name, neighbours)
    if misspelt is not None:
        return neighbours[misspelt]
    return next((path for path in known if path.rpartition(".")[2] == name), None)


def _plugin_tables(file: str, tables: object) -> PluginTables:
    if not isinstance(tables, dict):
        raise ConfigError(file, "plugin", "expected a table", "write [plugin.NAME] and its settings below")
    for name, table in cast("dict[str, object]", tables).items():
        if not isinstance(table, dict):
            raise ConfigError(
                file, f"plugin.{name}", "expected a table", f"write [plugin.NAME] and {name} = ... below it"
            )
    return cast("PluginTables", tables)
