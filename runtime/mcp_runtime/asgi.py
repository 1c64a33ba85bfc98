"""The door for ASGI servers and host applications: `uvicorn mcp_runtime.asgi:app`, `create_app`, `HttpApp`.

Rule: an application is configured by the environment, or by the caller of its factory.

`app` is made when it is first asked for, from MCP_RUNTIME_CONFIG and the other variables; `create_app` takes a
configuration of the caller's own, to be mounted or served.
"""

import os
from functools import cache
from typing import Any

from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.assembly.http_app import HttpApp
from mcp_runtime.authoring.plugin import Plugin
from mcp_runtime.config import Config, load_config
from mcp_runtime.telemetry.log.log import adopt_structlog, configure_logging

__all__ = ["HttpApp", "configure_logging", "create_app"]


def create_app(config: Config | None = None, *plugins: Plugin[Any]) -> HttpApp:
    """An application that serves `config` (by default: environment and file), with `plugins` instead of `plugins.load`.

    Raises ConfigError, PluginLoadError.
    """
    chosen = load_config(None, environ=os.environ) if config is None else config
    return HttpApp(build_runtime(chosen, plugins or None), is_hosted=True)


@cache
def _app_from_environment() -> HttpApp:
    config = load_config(None, environ=os.environ)
    configure_logging(config.logging)
    app = create_app(config)
    adopt_structlog()  # Some plugin may have imported it, and would print to stdout.
    return app


def __getattr__(name: str) -> Any:
    if name == "app":
        return _app_from_environment()
    raise AttributeError(f"module 'mcp_runtime.asgi' has no attribute {name!r}")
