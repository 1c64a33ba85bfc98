"""The floor on the runtime's default server. Rule: what `mcp-runtime serve` runs, with another application in it.

Takes a port.
"""

import sys
from typing import Any, cast

import trio
from bare import app  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]  # beside this program

from mcp_runtime.config import load_config
from mcp_runtime.server.http.http_server import serve_http
from mcp_runtime.server.http.sockets import open_listeners


async def main() -> None:
    """Serve until the process is ended."""
    config = load_config(None, environ={})
    listeners = open_listeners(config, "http.bind", [f"127.0.0.1:{sys.argv[1]}"], scheme="http")
    await serve_http(
        cast("Any", app), listeners, config.http, limits=config.limits, tls=False, drain=trio.sleep_forever
    )


trio.run(main)
