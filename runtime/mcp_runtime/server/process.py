"""One process from its first to its last moment.

Rule: whoever asks it to end, by a signal or end of input, it drains once.

EOF on stdin, SIGTERM, SIGINT and a lifespan that fails do the same: no new work, listen streams get their final result,
running calls finish within the grace period, plugins leave their lifespans. A second signal ends it at once.
"""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import trio

from mcp_runtime.garbage import freeze_what_is_there, take_up_collections
from mcp_runtime.lifespans import Lifespans
from mcp_runtime.logging import get_logger
from mcp_runtime.runtime import Runtime
from mcp_runtime.transports.claimed_streams import ClaimedStreams, open_reader, open_writer, wait_hang_up
from mcp_runtime.transports.stdio import Stdio

if TYPE_CHECKING:
    from mcp_runtime.server.sockets import Listener


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """Where the process can be reached: MCP endpoints and admin endpoints, as URLs; whether it serves stdio too."""

    urls: tuple[str, ...] = ()
    admin_urls: tuple[str, ...] = ()
    stdio: bool = False


class Progress(msgspec.Struct, kw_only=True):
    """How far the process is: whether it has started, whether it was asked to end."""

    started: trio.Event = msgspec.field(default_factory=trio.Event)
    asked: trio.Event = msgspec.field(default_factory=trio.Event)

    @property
    def is_ready(self) -> bool:
        """Whether new calls are welcome."""
        return self.started.is_set() and not self.asked.is_set()


async def serve(
    runtime: Runtime, *, stdio: ClaimedStreams | None, http: bool, on_ready: Callable[[Listening], None]
) -> None:
    """Serve until asked to end. `on_ready` is called once, when every transport takes messages.

    Raises BindError before anything is served where an address cannot be had, and LifespanError in the end where it
    ended for that.
    """
    progress = Progress()
    async with trio.open_nursery() as nursery:
        await nursery.start(_heed_signals, progress, nursery.cancel_scope)
        nursery.start_soon(_heed_lifespans, runtime.lifespans, progress)
        if http:
            await _serve_both(runtime, stdio, progress, on_ready)
        elif stdio is not None:
            async with runtime.running():
                take_up_collections()
                on_ready(Listening(stdio=True))
                await _serve_stdio(runtime, stdio, progress)
        nursery.cancel_scope.cancel()


async def _heed_signals(
    progress: Progress, everything: trio.CancelScope, *, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            name = signal.Signals(number).name
            if progress.asked.is_set():
                get_logger().warning("stopping_at_once", signal=name)
                everything.cancel()
                return
            progress.asked.set()
            # The grace period begins before the event is written: the first one of a process imports structlog.
            for _ in range(3):
                await trio.lowlevel.checkpoint()
            get_logger().info("stopping", signal=name)


async def _heed_lifespans(lifespans: Lifespans, progress: Progress) -> None:
    """Without what a plugin keeps for its calls nothing can go on: those at work are the last."""
    failure = await lifespans.wait_failed()
    failure.log()
    if not progress.asked.is_set():
        progress.asked.set()
        get_logger().info("stopping", plugin=failure.plugin)


async def _serve_stdio(runtime: Runtime, streams: ClaimedStreams, progress: Progress) -> None:
    config = runtime.config
    transport = Stdio(
        runtime.dispatcher,
        open_reader(streams.stdin_fd),
        open_writer(streams.stdout_fd),
        limits=config.limits,
        eof_grace_s=config.stdio.eof_grace_s,
        bridge=None if runtime.bridges is None else runtime.bridges.stdio,
        # A process for one client is not what anybody counts; only one that serves HTTP too has endpoints to show it.
        observer=None if runtime.metrics is None else runtime.observer(),
    )
    async with trio.open_nursery() as nursery:

        async def stop_when_asked() -> None:
            await progress.asked.wait()
            transport.stop()

        nursery.start_soon(stop_when_asked)
        nursery.start_soon(transport.stop_when_stuck, partial(wait_hang_up, streams.stdin_fd))
        await transport.serve()
        nursery.cancel_scope.cancel()
    progress.asked.set()


async def _serve_both(
    runtime: Runtime, stdio: ClaimedStreams | None, progress: Progress, on_ready: Callable[[Listening], None]
) -> None:
    # Imported here: stdio alone has to start at once, and needs neither Hypercorn nor Starlette.
    from mcp_runtime.server.sockets import open_listeners

    config = runtime.config
    scheme = "https" if config.http.tls_certificate_file else "http"
    with ExitStack() as sockets:
        endpoints = open_listeners(config, "http.bind", config.http.bind, scheme=scheme)
        for listener in endpoints:
            sockets.callback(listener.close)
        admin = open_listeners(config, "admin.bind", config.admin.bind, scheme="http")
        for listener in admin:
            sockets.callback(listener.close)
        listening = Listening(
            urls=tuple(listener.url + config.http.path for listener in endpoints),
            admin_urls=tuple(listener.url for listener in admin),
            stdio=stdio is not None,
        )
        async with trio.open_nursery() as health:
            if admin:
                await health.start(_serve_admin, runtime, admin, progress)
            await _serve_endpoints(runtime, endpoints, stdio, progress, partial(on_ready, listening))
            health.cancel_scope.cancel()  # The admin endpoints answer until the last call has ended.


async def _serve_endpoints(
    runtime: Runtime,
    listeners: "list[Listener]",
    stdio: ClaimedStreams | None,
    progress: Progress,
    on_ready: Callable[[], None],
) -> None:
    from mcp_runtime.http_app import HttpApp
    from mcp_runtime.server.http_server import serve_http

    config, http = runtime.config, runtime.config.http
    app = HttpApp(runtime, bind_hosts=[listener.host for listener in listeners if listener.host])

    async def drain() -> None:
        await progress.asked.wait()
        runtime.close_streams()

    async with app.lifespan(), trio.open_nursery() as serving:
        tls = bool(http.tls_certificate_file)
        await serving.start(partial(serve_http, app, listeners, http, limits=config.limits, tls=tls, drain=drain))
        freeze_what_is_there()
        progress.started.set()
        on_ready()
        if stdio is not None:
            await _serve_stdio(runtime, stdio, progress)


async def _serve_admin(
    runtime: Runtime,
    listeners: "list[Listener]",
    progress: Progress,
    *,
    task_status: "trio.TaskStatus[list[str]]" = trio.TASK_STATUS_IGNORED,
) -> None:
    from mcp_runtime.prometheus_text import PrometheusText
    from mcp_runtime.server.admin import admin_app
    from mcp_runtime.server.http_server import serve_http

    app = admin_app(
        lambda: progress.is_ready,
        metrics=None if runtime.metrics is None else PrometheusText(runtime.metrics).text,
        routes=() if runtime.bridges is None else runtime.bridges.admin_routes(),
    )
    config = runtime.config
    await serve_http(
        app, listeners, config.http, limits=config.limits, tls=False, drain=trio.sleep_forever, task_status=task_status
    )
