"""The HTTP server: an application on listening sockets, for as long as it is to be served.

Rule: sockets, connections and HTTP/1.1 are ours, HTTP/2 is Hypercorn's, and a drain ends in bounded time.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_runtime.config import HttpConfig
from mcp_runtime.config.limits import Limits
from mcp_runtime.platform.shares import address_key
from mcp_runtime.server.failures import ClientLeftError
from mcp_runtime.server.http.accepting import serve_listeners
from mcp_runtime.server.http.connections import Connections
from mcp_runtime.server.http.places import Places
from mcp_runtime.server.http.sockets import Listener
from mcp_runtime.server.http1.backlog import Backlogs
from mcp_runtime.server.http1.connection import Http1Config, Http1Server

_MAX_REQUESTS_PER_CONNECTION: Final = 1_000_000
"""Hypercorn closes a connection after so many; its default of 1,000 shows as an error in clients that pipeline."""


async def serve_http(
    app: ASGIApp,
    listeners: Sequence[Listener],
    http: HttpConfig,
    *,
    limits: Limits,
    tls: bool,
    drain: Callable[[], Awaitable[None]],
    max_connections: int | None = None,
    client_key: Callable[[str | None], str | None] = address_key,
    task_status: "trio.TaskStatus[list[str]]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `drain` returns; then let running requests finish within `http.drain_grace_s` seconds.

    `max_connections` is in place of `http.max_connections`, where that is more than there is room for; `client_key`
    tells clients apart by the address of their socket. The caller runs the application's lifespan.
    """
    config = _hypercorn_config(http, limits, tls=tls)
    draining = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(config.backlogs.watch)
        if http.parser == "httptools":
            config.http1 = Http1Server(app, config, limits)
            nursery.start_soon(config.http1.watch)

        async def drained() -> None:
            await drain()
            draining.set()
            if config.http1 is not None:
                config.http1.drain()

        places = Places(max_connections or http.max_connections, client_key=client_key)
        secured = config.create_ssl_context()
        await serve_listeners(
            Connections(_served(app, draining), config, places),
            [(listener, None if listener.unix_path is not None else secured) for listener in listeners],
            drain=drained,
            grace_s=http.drain_grace_s,
            task_status=task_status,
        )
        nursery.cancel_scope.cancel()


def _served(app: ASGIApp, draining: trio.Event) -> ASGIApp:
    """`app` for Hypercorn's protocol classes; while draining, HTTP/1.1 clients are told not to come back."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        send = _telling(send)
        await app(scope, receive, _closing(send, draining) if scope["http_version"].startswith("1") else send)

    return served


def _telling(send: Send) -> Send:
    """`send`, raising OSError where the client has left, as other servers do; Hypercorn lets trio's errors through."""

    async def telling(message: Message) -> None:
        try:
            await send(message)
        except (trio.BusyResourceError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ClientLeftError from error

    return telling


def _closing(send: Send, draining: trio.Event) -> Send:
    """`send`, saying that the connection will be closed once that is so. RFC 9112 9.6"""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start" and draining.is_set():
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing


def _hypercorn_config(http: HttpConfig, limits: Limits, *, tls: bool) -> Http1Config:
    config = Http1Config()
    config.backlogs = Backlogs(http.write_timeout_s, limits.max_unread_bytes)
    if tls:
        config.certfile, config.keyfile = http.tls_certificate_file, http.tls_key_file
    config.alpn_protocols = ["h2", "http/1.1"] if http.http2 else ["http/1.1"]
    config.graceful_timeout = http.drain_grace_s
    config.keep_alive_timeout = http.idle_timeout_s
    config.ssl_handshake_timeout = limits.header_timeout_s
    config.limits, config.write_timeout_s = limits, http.write_timeout_s
    config.h11_max_incomplete_size = config.h2_max_header_list_size = limits.max_header_bytes
    config.h2_max_concurrent_streams = http.max_streams
    config.keep_alive_max_requests = _MAX_REQUESTS_PER_CONNECTION
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    return config
