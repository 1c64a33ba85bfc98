"""The configuration: the operator's, as values. Rule: whoever only reads values does not wait for the loader's import.

`from mcp_runtime.config import Config, ConfigError, load_config`.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from mcp_runtime.config.errors import ConfigError, nearest
from mcp_runtime.config.limits import Limits
from mcp_runtime.config.sections import (
    AdminConfig,
    BridgesConfig,
    Config,
    DeprecationConfig,
    HttpConfig,
    LedgerConfig,
    LoggingConfig,
    Origin,
    PluginsConfig,
    SealConfig,
    ServerConfig,
    StateConfig,
    StdioConfig,
)

if TYPE_CHECKING:
    from mcp_runtime.config.keys import CONFIG_KEYS, CONFIG_SECTIONS, ConfigKey, ConfigSection
    from mcp_runtime.config.loading import default_state_directory, find_config_file, load_config

__all__ = [
    "CONFIG_KEYS",
    "CONFIG_SECTIONS",
    "AdminConfig",
    "BridgesConfig",
    "Config",
    "ConfigError",
    "ConfigKey",
    "ConfigSection",
    "DeprecationConfig",
    "HttpConfig",
    "LedgerConfig",
    "Limits",
    "LoggingConfig",
    "Origin",
    "PluginsConfig",
    "SealConfig",
    "ServerConfig",
    "StateConfig",
    "StdioConfig",
    "default_state_directory",
    "find_config_file",
    "load_config",
    "nearest",
]

_HOME: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("CONFIG_KEYS", "CONFIG_SECTIONS", "ConfigKey", "ConfigSection"), "keys"),
        **dict.fromkeys(("default_state_directory", "find_config_file", "load_config"), "loading"),
    }
)
"""The modules of what is imported when it is asked for, as type checkers read it above."""


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'mcp_runtime.config' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
