"""The bridges over HTTP, and which is for a request. Rule: by path, method and session id; the rest is the transport's.

Spec: 2025-11-25/basic/transports#backwards-compatibility
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio

from mcp_bridges.calls.calls_at_work import CallsAtWork
from mcp_bridges.calls.http_parts import HttpParts
from mcp_bridges.http_sessions.endpoint import SessionsHttp
from mcp_bridges.http_sessions.session_request import SESSION_ID
from mcp_bridges.sessions import session_ids
from mcp_bridges.sessions.session_ids import SessionIds
from mcp_bridges.sessions.session_state import SessionStates
from mcp_bridges.wires import http_sse
from mcp_bridges.wires.http_sse import HttpSse
from mcp_runtime.protocol.headers import PROTOCOL_VERSION
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS
from mcp_runtime.state.seal.lazy_sealer import LazySealer
from mcp_runtime.transports.http.bridge_port import LegacyExchange
from mcp_runtime.transports.http.request import accepts_events, path_of


class HttpBridges:
    """The bridges over HTTP: sessions on the endpoint, HTTP+SSE beside it. `now` gives Unix seconds."""

    def __init__(self, parts: HttpParts, *, now: Callable[[], float]) -> None:
        config = parts.services.config
        self._parts = parts
        self._path = config.http.path
        self._sse = config.bridges.http_sse
        self._has_sessions = config.bridges.http_sessions.posture != "off"
        self._calls = CallsAtWork(parts.state.bus)

        def ids(purpose: str) -> SessionIds:
            sealer = LazySealer(config, purpose=purpose)
            ttl_s = config.bridges.http_sessions.session_ttl_s
            return SessionIds(sealer, ttl_s=ttl_s, now=now, new_id=parts.services.new_id)

        states = SessionStates(parts.state.durable, limits=config.limits, now=now)
        self._sessions = SessionsHttp(parts, ids(session_ids.PURPOSE), states, self._calls)
        self._streams = HttpSse(parts, ids(http_sse.PURPOSE))

    async def serve(self, exchange: LegacyExchange, *, body: bytes | None) -> bool:
        """As the port says."""
        if body is not None:
            return self._has_sessions and await self._sessions.serve(exchange, body)
        path, method = path_of(exchange.scope), exchange.scope["method"]
        if path == self._path and self._has_sessions and await self._sessions.serve(exchange, None):
            return True
        if self._sse.posture == "off":
            return False
        if method == "POST" and path == self._sse.messages_path:
            await self._streams.post(exchange)
            return True
        if method == "GET" and (path == self._sse.path or self._is_stream_at_endpoint(path, exchange)):
            await self._streams.stream(exchange)
            return True
        return False

    def _is_stream_at_endpoint(self, path: str, exchange: LegacyExchange) -> bool:
        """Whether a client of 2024-11-05 was given the endpoint's own URL: it begins with a GET."""
        version = exchange.request_headers.get(PROTOCOL_VERSION)
        return (
            path == self._path
            and self._sse.at_endpoint
            and SESSION_ID not in exchange.request_headers
            and (version is None or version.decode("latin-1") in LEGACY_REVISIONS)
            and accepts_events(exchange.scope)
        )

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Keep state open, heed cancellations from other processes and mind forsaken calls while the block runs."""
        async with self._parts.state.running(), anyio.create_task_group() as tasks:
            tasks.start_soon(self._calls.heed)
            tasks.start_soon(self._sessions.forsaken.watch)
            yield
            tasks.cancel_scope.cancel()

    def close(self) -> None:
        """The server is stopping."""
        self._streams.close()
