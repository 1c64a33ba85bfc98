"""The command `mcp-runtime check`. Rule: what `serve` would refuse, this refuses too, without serving."""

import argparse
from typing import TYPE_CHECKING, Final

from mcp_runtime.cli.arguments import add_config_arguments, load_from, runtime_to_show
from mcp_runtime.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from mcp_runtime.config import Config

DESCRIPTION: Final = """\
Read the configuration, load every plugin, and say what was found.

Exits with 3 for a wrong configuration (file, key, what is wrong, what would be right)
and with 4 for a plugin that cannot be loaded (file, line, cause).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `check`."""
    add_config_arguments(parser)


def run(args: argparse.Namespace) -> ExitCode:
    """Check, and print what was found. Raises ConfigError, PluginLoadError."""
    from mcp_runtime.assembly.tls_files import check_tls_files
    from mcp_runtime.cli.banner import what_is_served

    config = load_from(args)
    check_tls_files(config)
    runtime = runtime_to_show(config)
    loaded = [one.name for one in runtime.plugins]
    remarks = [*_notes(config, loaded), *_sunsets(config), *_exposed(config)]
    print("\n".join([*_found(config), what_is_served(runtime), *remarks]))
    print("The configuration is right, and every plugin loads.")
    return ExitCode.OK


def _found(config: "Config") -> list[str]:
    transports = [*(config.http.bind if config.http.enabled else ()), *(["stdio"] if config.stdio.enabled else [])]
    return [
        f"  file        {config.origin.file or 'none: defaults'}",
        f"  serves on   {', '.join(transports) or 'nothing: give --http or --stdio'}",
    ]


def _exposed(config: "Config") -> list[str]:
    from mcp_runtime.config.exposure import exposure_lines

    return exposure_lines(config) if config.http.enabled else []


def _sunsets(config: "Config") -> list[str]:
    """The lines on sunsets that part from the specification's dates; none where there are no bridges."""
    from mcp_runtime.config.bridge_loading import BridgesMissing, from_bridges

    try:
        advice = from_bridges("deprecation.decisions.options", "advice")
    except BridgesMissing:
        return []
    return [f"  sunset      {sentence}" for sentence in advice(config)]


def _notes(config: "Config", plugins: list[str]) -> list[str]:
    from mcp_runtime.authoring.settings.plugin_settings import unclaimed_plugin_settings
    from mcp_runtime.config import nearest

    notes: list[str] = []
    for name in unclaimed_plugin_settings(config, plugins):
        suggestion = nearest(name.removeprefix("plugin."), plugins)
        hint = f"; did you mean plugin.{suggestion}?" if suggestion and name.startswith("plugin.") else ""
        notes.append(f"  note        {name} is for a plugin that is not loaded{hint}")
    return notes
