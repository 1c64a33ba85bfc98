"""The options that commands share, and what they ask for. Rule: an option only overrides a key of the configuration."""

import argparse
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_runtime.cli.host import check_working_directory

if TYPE_CHECKING:
    from mcp_runtime.assembly.runtime import Runtime
    from mcp_runtime.config import Config


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """--config."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="configuration file (default: $MCP_RUNTIME_CONFIG, else ./config.toml if there is one)",
    )


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """--config and --plugin."""
    add_config_argument(parser)
    parser.add_argument(
        "--plugin",
        metavar="MODULE|FILE.py",
        action="append",
        help="load this plugin in place of plugins.load; may be given several times",
    )


def load_from(args: argparse.Namespace) -> "Config":
    """The configuration that these arguments ask for. Raises ConfigError, HostError."""
    check_working_directory()
    from mcp_runtime.config import load_config

    options: dict[str, Any] = vars(args)
    overrides = {
        "plugins.load": options.get("plugin"),
        "http.bind": options.get("bind"),
        "logging.level": options.get("log_level"),
        "logging.format": options.get("log_format"),
    }
    return load_config(
        args.config, environ=os.environ, overrides={key: value for key, value in overrides.items() if value is not None}
    )


def runtime_to_show(config: "Config") -> "Runtime":
    """A runtime that is looked at, and not served. Raises ConfigError, PluginLoadError.

    What its plugins print goes to standard error, so that `mcp-runtime tools --json | jq` gets JSON alone.
    """
    from mcp_runtime.assembly.compose import build_runtime

    with redirect_stdout(sys.stderr):
        return build_runtime(config)
