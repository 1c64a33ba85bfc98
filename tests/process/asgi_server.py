"""Another server with our application, as a process of its own. Rule: it listens on a Unix socket in its directory."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.blocking_http import Connection, accepts_connections
from tests.support.server_process import PROBES, ServerProcess

MOUNTED: Final = str(Path(__file__).with_name("plugins"))
"""Where the applications are that hosts would write."""


class AsgiServer(ServerProcess):
    """Another server with our application, on a Unix socket: their ports are not ours to learn."""

    def __init__(self, command: tuple[str, ...], directory: Path, extra: Mapping[str, str] | None = None) -> None:
        self._path = directory / "asgi.sock"
        self.prefix = "/tools" if "mounted_in_fastapi:app" in command else ""
        super().__init__(
            *("-m", *command, "--uds", str(self._path)),
            directory=directory,
            environment={"MCP_RUNTIME_PLUGINS": PROBES, "MCP_RUNTIME_LOGGING_FORMAT": "json", **(extra or {})},
            # They log to standard output as well.
            command=("sh", "-c", 'exec "$@" >&2', "sh", sys.executable),
        )

    @property
    def address(self) -> str:
        return f"unix:{self._path}"

    def connect(self) -> Connection:
        connection = Connection(self.address)
        connection.path = f"{self.prefix}/mcp"
        return connection

    def wait_until_up(self) -> None:
        """Wait until it accepts connections."""
        self.errors.wait_until(lambda: accepts_connections(self.address))
