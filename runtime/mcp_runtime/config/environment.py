"""The environment, as a source of values. Rule: every MCP_RUNTIME_* variable means something, or is an error."""

from collections.abc import Mapping
from pathlib import Path

from mcp_runtime.config.errors import ENVIRONMENT, ConfigError, nearest
from mcp_runtime.config.keys import CONFIG_KEYS, ENVIRONMENT_PREFIX, PLUGIN_PREFIX, SPECIAL_VARIABLES
from mcp_runtime.config.values import Given


def given_in_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    """The values that the environment gives, by key path. Raises ConfigError for a variable that means nothing."""
    ours = [name for name in environ if name.startswith(ENVIRONMENT_PREFIX) and not name.startswith(PLUGIN_PREFIX)]
    if not ours:
        return {}
    paths = {key.environment: key.path for key in CONFIG_KEYS} | {"MCP_RUNTIME_PLUGINS": "plugins.load"}
    given: dict[str, Given] = {}
    for name in sorted(ours):
        if name in paths:
            if paths[name] in given:
                raise ConfigError(
                    ENVIRONMENT, name, f"{given[paths[name]].name} sets the same key", "unset one of the two"
                )
            given[paths[name]] = Given(
                value=environ[name], file=ENVIRONMENT, name=name, directory=Path.cwd(), is_text=True
            )
        elif name not in SPECIAL_VARIABLES:
            raise _unknown(name, [*paths, *SPECIAL_VARIABLES])
    return given


def plugin_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that set keys of plugins, as they are."""
    return {name: text for name, text in environ.items() if name.startswith(PLUGIN_PREFIX)}


def _unknown(name: str, known: list[str]) -> ConfigError:
    # Without the prefix that all share: it would make everything look alike.
    suggestion = nearest(name.removeprefix(ENVIRONMENT_PREFIX), [one.removeprefix(ENVIRONMENT_PREFIX) for one in known])
    fix = f"did you mean {ENVIRONMENT_PREFIX}{suggestion}?" if suggestion else "unset it"
    return ConfigError(ENVIRONMENT, name, "there is no such variable", fix)
