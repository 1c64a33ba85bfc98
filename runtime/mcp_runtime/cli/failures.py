"""The explanation of expected failures: a message, an exit code. Rule: what somebody can put right is no traceback."""

import sys
from typing import Any, Final, cast

from mcp_runtime.authoring.plugin_loading import LifespanError, PluginLoadError
from mcp_runtime.cli.exit_codes import ExitCode
from mcp_runtime.cli.host import HostError, as_host_error
from mcp_runtime.config import ConfigError
from mcp_runtime.platform.standard_streams import say
from mcp_runtime.telemetry.log.log import writes_json

EXPECTED: Final = (ConfigError, PluginLoadError, LifespanError, OSError, ExceptionGroup)
"""The exceptions that `explain` may know; a group, because nurseries wrap what goes wrong in them."""


def explain(error: Exception) -> ExitCode:
    """Print what `error` says to whoever can put it right, and give its exit code. Raises it again if nobody can."""
    cause = _only_leaf(error)
    if isinstance(cause, OSError):
        cause = as_host_error(cause) or cause
    code = _code(cause)
    if code is None:
        raise error
    if isinstance(cause, LifespanError) and (cause.is_told or writes_json()):
        cause.log()  # The server has run: what there is to say belongs into its log.
    else:
        say(f"mcp-runtime: {cause}")
    return code


def _code(error: Exception) -> ExitCode | None:
    # Loaded only if something was to be bound; BindError is a ConfigError too.
    sockets = sys.modules.get("mcp_runtime.server.http.sockets")
    if sockets is not None and isinstance(error, sockets.BindError):
        return ExitCode.CANNOT_BIND
    if isinstance(error, ConfigError):
        return ExitCode.CONFIGURATION
    if isinstance(error, HostError):
        return ExitCode.HOST
    return ExitCode.PLUGIN if isinstance(error, PluginLoadError | LifespanError) else None


def _only_leaf(error: Exception) -> Exception:
    """The error that nurseries wrapped, if it is one."""
    group: Any = error
    if isinstance(group, ExceptionGroup) and len(cast("Any", group).exceptions) == 1:
        return _only_leaf(cast("Any", group).exceptions[0])
    return error
