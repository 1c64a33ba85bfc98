"""Bridges come from a package of their own. Rule: a release without that package serves the present, and no less of it.

Nothing here imports a bridge by name at import time: deleting the package is all it takes to retire the past.
"""

import importlib
from typing import TYPE_CHECKING, Final, cast

from mcp_runtime.config import Config
from mcp_runtime.runtime import Runtime

if TYPE_CHECKING:
    from mcp_runtime.transports.legacy import Bridges

PACKAGE: Final = "mcp_bridges"


def load_bridges(runtime: Runtime) -> "Bridges | None":
    """The bridges of `runtime`'s configuration, None where all are off or the package is not there.

    Raises ConfigError where their configuration is wrong.
    """
    if not any_on(runtime.config):
        return None
    try:
        module = importlib.import_module(f"{PACKAGE}.attach")
    except ModuleNotFoundError as error:
        if error.name != PACKAGE:
            raise
        return None
    return cast("Bridges", module.attach(runtime))


def any_on(config: Config) -> bool:
    """Whether any bridge has something to do."""
    bridges = config.bridges
    return any(one.posture != "off" for one in (bridges.http_sessions, bridges.http_sse, bridges.stdio_handshake))
