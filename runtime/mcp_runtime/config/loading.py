"""The loader of a configuration: command line over environment over file over defaults.

Rule: only `load_config` reads the world.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import Struct, structs

from mcp_runtime.config.environment import given_in_environment, plugin_variables
from mcp_runtime.config.errors import COMMAND_LINE, ENVIRONMENT, ConfigError
from mcp_runtime.config.file import PluginTables, given_in_file
from mcp_runtime.config.keys import CONFIG_SECTIONS
from mcp_runtime.config.sections import Config, Origin
from mcp_runtime.config.values import Given, checked
from mcp_runtime.platform.home import expanded, home_directory

DEFAULT_FILE: Final = "config.toml"
S = TypeVar("S", bound=Struct)


def find_config_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read: `path`, else what MCP_RUNTIME_CONFIG names, else ./config.toml if there is one.

    Raises ConfigError for a variable with a ~ that means nothing.
    """
    if path is not None:
        return path.absolute()
    named = environ.get("MCP_RUNTIME_CONFIG")
    if named:
        try:
            return expanded(named).absolute()
        except ValueError as error:
            raise ConfigError(ENVIRONMENT, "MCP_RUNTIME_CONFIG", str(error), "name a file that is there") from None
    default = Path(DEFAULT_FILE).absolute()
    return default if default.is_file() else None


def load_config(
    path: Path | None = None, *, environ: Mapping[str, str], overrides: Mapping[str, object] | None = None
) -> Config:
    """Read and check the whole configuration. Raises ConfigError for the first thing that is wrong.

    `overrides` come from the command line, by key path: `{"http.bind": ("127.0.0.1:9000",)}`. Relative paths in the
    file are relative to the file, all others to the working directory. `state.directory` comes back absolute.
    """
    file = find_config_file(path, environ)
    given: dict[str, Given] = {}
    tables: PluginTables = {}
    if file is not None:
        given, tables = given_in_file(file)
    given |= given_in_environment(environ)
    given |= {
        name: Given(value=value, file=COMMAND_LINE, name=name, directory=Path.cwd())
        for name, value in (overrides or {}).items()
    }
    config = _assemble(given, environ)
    _check_together(config, given)
    return structs.replace(
        config,
        state=structs.replace(config.state, directory=config.state.directory or str(default_state_directory(environ))),
        plugin=tables,
        origin=Origin(
            file=None if file is None else str(file),
            directory=str(Path.cwd() if file is None else file.parent),
            plugin_environment=plugin_variables(environ),
            environ=dict(environ),
        ),
    )


def _assemble(given: Mapping[str, Given], environ: Mapping[str, str]) -> Config:
    built: dict[str, Any] = {}
    for section in CONFIG_SECTIONS:
        values = {key.name: checked(key, given[key.path], environ) for key in section.keys if key.path in given}
        if values:
            built[section.name] = values
    return _replaced(Config(), built, "")


def _replaced(current: S, built: Mapping[str, Mapping[str, object]], prefix: str) -> S:
    """`current` with the sections in `built`, at any depth; what was not given keeps its default."""
    changes: dict[str, object] = {}
    for field in structs.fields(current):
        inner = getattr(current, field.name)
        if isinstance(inner, Struct):
            name = f"{prefix}{field.name}"
            changes[field.name] = _replaced(structs.replace(inner, **built.get(name, {})), built, f"{name}.")
    return structs.replace(current, **changes) if changes else current


def _check_together(config: Config, given: Mapping[str, Given]) -> None:
    """Check the values that only make sense together. Raises ConfigError."""

    def wrong(key: str, problem: str, fix: str) -> ConfigError:
        source = given.get(key)
        return ConfigError(source.file if source else "defaults", source.name if source else key, problem, fix)

    http = config.http
    if http.tls_certificate_file and not http.tls_key_file:
        raise wrong("http.tls_certificate_file", "a certificate needs its key", "set http.tls_key_file too")
    if http.tls_key_file and not http.tls_certificate_file:
        raise wrong("http.tls_key_file", "a key needs its certificate", "set http.tls_certificate_file too")
    if http.enabled and not http.bind:
        raise wrong(
            "http.bind", "HTTP is enabled and has nowhere to listen", "write an address, or http.enabled = false"
        )
    shared = {bind for bind in config.admin.bind if bind in http.bind and not bind.endswith(":0")}
    if shared:
        raise wrong("admin.bind", f"{min(shared)} is in http.bind too", "give the admin endpoints a bind of their own")


def default_state_directory(environ: Mapping[str, str]) -> Path:
    """The directory for files of the runtime's own, unless `state.directory` says otherwise. Raises ConfigError."""
    # The XDG specification: a relative path there is to be ignored.
    base = Path(environ.get("XDG_STATE_HOME", ""))
    if base.is_absolute():
        return base / "mcp-runtime"
    try:
        return home_directory(environ) / ".local" / "state" / "mcp-runtime"
    except ValueError as error:
        problem = f"there is no home directory to keep state in: {error}"
        fix = "set state.directory, or HOME or XDG_STATE_HOME in the environment, to a directory that can be written"
        raise ConfigError("defaults", "state.directory", problem, fix) from None
