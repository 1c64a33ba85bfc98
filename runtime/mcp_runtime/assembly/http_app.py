"""The ASGI application: the MCP endpoint, and the lifespan around it.

Rule: no routing framework on the one hot path.
"""

import os
import signal
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import anyio
from sniffio import current_async_library
from starlette.types import Receive, Scope, Send

from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.authoring.plugin_loading import LifespanError
from mcp_runtime.platform.garbage import freeze_what_is_there
from mcp_runtime.platform.shares import address_key
from mcp_runtime.transports.http.body_budget import BodyBudget
from mcp_runtime.transports.http.endpoint import StreamableHttp
from mcp_runtime.transports.http.event_stream import end_with_uvicorn
from mcp_runtime.transports.http.guard import Guard
from mcp_runtime.transports.http.patience import Patience
from mcp_runtime.transports.http.proxies import TrustedProxies
from mcp_runtime.transports.http.unread_answer import serve_with_an_answer

_POLICY_VIOLATION: Final = 1008
"""RFC 6455 7.4.1; before the handshake is accepted, servers make a 403 of it."""


class HttpApp:
    """The ASGI application of one Runtime. Run it under any server, or mount it and enter `lifespan` in the host's own.

    `bind_hosts` are the names it listens on, accepted as Host beside loopback and `http.allowed_hosts`. `is_hosted`
    says that middleware may stand in front of it: then a request whose client has left gets an answer, too.
    """

    def __init__(self, runtime: Runtime, *, bind_hosts: Iterable[str] = (), is_hosted: bool = False) -> None:
        http = runtime.config.http
        self.runtime = runtime
        self._is_hosted = is_hosted
        proxies = TrustedProxies(http.trusted_proxies, http.forwarded_header) if http.trusted_proxies else None
        self.socket_key = address_key if proxies is None else proxies.socket_key
        """Tells clients apart by the addresses of their sockets."""
        self._patience = Patience(after_s=http.watch_after_s, keep_alive_interval_s=http.keep_alive_interval_s)
        bodies = BodyBudget(runtime.config.limits)
        self._endpoint = StreamableHttp(
            runtime.dispatcher,
            path=http.path,
            guard=Guard(
                allowed_hosts=http.allowed_hosts,
                bind_hosts=bind_hosts,
                allowed_origins=http.allowed_origins,
                cors=http.cors,
            ),
            limits=runtime.config.limits,
            patience=self._patience,
            bodies=bodies,
            bridge=None if runtime.bridges is None else runtime.bridges.http(self._patience, bodies),
            observer=runtime.observer(),
            meter=runtime.metrics,
            proxies=proxies,
        )

    @asynccontextmanager
    async def lifespan(self, _: Any = None) -> AsyncGenerator[None, None]:
        """The lifespan around requests, as `FastAPI(lifespan=app.lifespan)` has it where this app is mounted."""
        self.runtime.sealer()  # Now, while whoever started it is looking, rather than at the first question.
        close = self.runtime.close_streams
        async with self.runtime.running(), self._patience.running(), anyio.create_task_group() as beside:
            if current_async_library() == "asyncio":
                grace_s = self.runtime.config.http.drain_grace_s
                beside.start_soon(partial(end_with_uvicorn, self._patience, close, grace_s=grace_s))
            beside.start_soon(self._tell_of_failure)
            try:
                yield
            finally:
                close()
                beside.cancel_scope.cancel()

    @asynccontextmanager
    async def _lifespan_of_process(self, app: Any) -> AsyncGenerator[None, None]:
        """`lifespan`, where this app is all that its server has to serve: a plugin's lifespan that fails ends both."""
        try:
            async with self.lifespan(app), anyio.create_task_group() as beside:
                freeze_what_is_there()
                beside.start_soon(self._end_server_after_failure)
                yield
                beside.cancel_scope.cancel()
        except LifespanError as failure:
            failure.log()  # Whoever hears of it from here writes a traceback.

    async def _tell_of_failure(self) -> None:
        (await self.runtime.lifespans.wait_failed()).log()

    async def _end_server_after_failure(self) -> None:
        """Have the server stop in its own way: ASGI has no word for it."""
        await self.runtime.lifespans.wait_failed()
        if callable(signal.getsignal(signal.SIGTERM)):
            os.kill(os.getpid(), signal.SIGTERM)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            if not self._patience.is_running:
                raise RuntimeError("the lifespan of this app is not running: give the host lifespan=app.lifespan")
            if self._is_hosted:
                await serve_with_an_answer(self._endpoint, scope, receive, send)
            else:
                await self._endpoint(scope, receive, send)
        elif scope["type"] == "lifespan":
            from starlette.routing import Router  # our own server runs the lifespan itself

            # Starlette tells the server when a start fails; a bare exception would be taken for "no lifespan here".
            await Router(lifespan=self._lifespan_of_process)(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            raise RuntimeError(f"MCP does not use {scope['type']} connections")
