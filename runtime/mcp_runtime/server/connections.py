"""Who serves a connection. Rule: HTTP/1.1 is ours; what turns out to be something else is Hypercorn's, as if new.

`install` puts `serve_connection` in the place of Hypercorn's own. ADR 0011.
"""

from typing import Any

import hypercorn.trio.run
from hypercorn.config import Config as HypercornConfig
from hypercorn.events import RawData
from hypercorn.trio.tcp_server import TCPServer

from mcp_runtime.logging import get_logger
from mcp_runtime.server.http1 import GONE, Connection, Http1Config


class _Hypercorn(TCPServer):
    """Hypercorn's own connection, beginning with what was read already."""

    begun = b""

    async def _read_data(self) -> None:
        if self.begun:
            await self.protocol.handle(RawData(self.begun))
        await super()._read_data()


async def serve_connection(app: Any, config: HypercornConfig, context: Any, state: Any, stream: Any) -> None:
    """Serve one connection, as `TCPServer` does. Cancelled, it is closed at once."""
    begun: bytes | None = b""
    if isinstance(config, Http1Config) and config.http1 is not None:
        try:
            begun = await Connection(config.http1, state, context, stream).run()
        except GONE:
            return
        except Exception as error:  # noqa: BLE001  # a handler may leave a cancel scope open: one connection falls over
            get_logger().error("connection_failed", exc_info=error)
            return
    if begun is not None:
        hypercorns = _Hypercorn(app, config, context, state, stream)
        hypercorns.begun = begun
        await hypercorns


def install() -> None:
    """Have every connection of this process begin here. Harmless to repeat."""
    hypercorn.trio.run.TCPServer = serve_connection  # type: ignore[assignment,attr-defined]  # replaced on purpose
