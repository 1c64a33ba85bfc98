"""The server process, from its first to its last moment: its transports, its signals, its drain.

Rule: whoever asks it to end, by a signal or end of input, it drains once.

EOF on stdin, SIGTERM, SIGHUP, SIGINT and a lifespan that fails do the same: no new work, listen streams get their final
result, running calls finish within the grace period, plugins leave their lifespans. A signal during the start calls it
off: the lifespan that is starting is cancelled, those before it are left. A second signal ends it at once.
"""

import math
import signal
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import trio

from mcp_runtime.assembly.lifespans import Lifespans, StartCalledOff
from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.platform.garbage import freeze_what_is_there, take_up_collections
from mcp_runtime.platform.signals import Signals
from mcp_runtime.server.progress import ServerProgress, ServerStage
from mcp_runtime.telemetry.log.log import get_logger
from mcp_runtime.transports.stdio.claimed_streams import ClaimedStreams, open_reader, open_writer, wait_hang_up
from mcp_runtime.transports.stdio.transport import Stdio

if TYPE_CHECKING:
    from mcp_runtime.server.http.sockets import Listener


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of a process that is up."""

    urls: tuple[str, ...] = ()
    """MCP endpoints, as clients on this machine reach them."""
    bound: tuple[str, ...] = ()
    """The same, with the addresses that were bound."""
    admin_urls: tuple[str, ...] = ()
    """Admin endpoints, without a path."""
    stdio: bool = False
    """Whether it serves stdio too."""


class _Server(msgspec.Struct, frozen=True, kw_only=True):
    """One process at work, as each part of it needs to know it."""

    runtime: Runtime
    signals: Signals
    progress: ServerProgress
    on_ready: Callable[[Listening], None]

    def come_up(self, listening: Listening) -> bool:
        """Note that the start is over. Returns whether to serve: not where it was asked to end meanwhile."""
        if not self.progress.come_up():
            return False
        self.signals.is_up()
        self.on_ready(listening)
        return True


async def serve(
    runtime: Runtime,
    *,
    stdio: ClaimedStreams | None,
    http: bool,
    on_ready: Callable[[Listening], None],
    signals: Signals,
) -> int | None:
    """Serve until asked to end. `on_ready` is called once, when every transport takes messages.

    Returns the signal that came before that, None if none did. Raises BindError before anything is served where an
    address cannot be had, and LifespanError in the end where it ended for that.
    """
    server = _Server(runtime=runtime, signals=signals, progress=ServerProgress(), on_ready=on_ready)
    called_off_by: list[int] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(_heed_signals, server, called_off_by, nursery.cancel_scope)
        nursery.start_soon(_heed_lifespans, runtime.lifespans, server.progress)
        try:
            if http:
                await _serve_both(server, stdio)
            elif stdio is not None:
                async with runtime.running():
                    take_up_collections()
                    if server.come_up(Listening(stdio=True)):
                        await _serve_stdio(server, stdio)
        except* StartCalledOff:
            pass  # It has ended in order.
        nursery.cancel_scope.cancel()
    return next(iter(called_off_by), None)


async def _heed_signals(
    server: _Server,
    called_off_by: list[int],
    everything: trio.CancelScope,
    *,
    task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED,
) -> None:
    token = trio.lowlevel.current_trio_token()
    arrive, arrived = trio.open_memory_channel[int](math.inf)
    progress = server.progress
    server.signals.hear(lambda number: token.run_sync_soon(arrive.send_nowait, number))
    try:
        task_status.started()
        async for number in arrived:
            name = signal.Signals(number).name
            if progress.asked.is_set():
                get_logger().warning("stopping_at_once", signal=name)
                everything.cancel()
                return
            if progress.stage is ServerStage.STARTING:
                called_off_by.append(number)
                server.runtime.start.call_off()
            progress.ask()
            # The grace period begins before the event is written: the first one of a process imports structlog.
            for _ in range(3):
                await trio.lowlevel.checkpoint()
            get_logger().info("stopping", signal=name)
    finally:
        server.signals.stop_hearing()


async def _heed_lifespans(lifespans: Lifespans, progress: ServerProgress) -> None:
    """End the process where a lifespan fails: without what a plugin keeps for its calls, those at work are the last."""
    failure = await lifespans.wait_failed()
    failure.log()
    if not progress.asked.is_set():
        progress.ask()
        get_logger().info("stopping", plugin=failure.plugin)


async def _serve_stdio(server: _Server, streams: ClaimedStreams) -> None:
    runtime, progress = server.runtime, server.progress
    config = runtime.config
    transport = Stdio(
        runtime.dispatcher,
        open_reader(streams.stdin_fd),
        open_writer(streams.stdout_fd),
        limits=config.limits,
        eof_grace_s=config.stdio.eof_grace_s,
        bridge=None if runtime.bridges is None else runtime.bridges.stdio,
        # A process for one client is not what anybody counts: only one that serves HTTP too has endpoints to show it.
        observer=None if runtime.metrics is None and runtime.core.audit is None else runtime.observer(),
    )
    async with trio.open_nursery() as nursery:

        async def stop_when_asked() -> None:
            await progress.asked.wait()
            transport.stop()

        nursery.start_soon(stop_when_asked)
        nursery.start_soon(transport.stop_when_stuck, partial(wait_hang_up, streams.stdin_fd))
        await transport.serve()
        nursery.cancel_scope.cancel()
    progress.ask()


async def _serve_both(server: _Server, stdio: ClaimedStreams | None) -> None:
    # Imported here: stdio alone has to start at once, and needs neither Hypercorn nor Starlette.
    from mcp_runtime.server.http.sockets import bind_listeners, open_listeners

    config = server.runtime.config
    scheme = "https" if config.http.tls_certificate_file else "http"
    with ExitStack() as sockets:
        endpoints = bind_listeners(config, "http.bind", config.http.bind, scheme=scheme)
        for listener in endpoints:
            sockets.callback(listener.close)
        admin = open_listeners(config, "admin.bind", config.admin.bind, scheme="http")
        for listener in admin:
            sockets.callback(listener.close)
        listening = Listening(
            urls=tuple(listener.url + config.http.path for listener in endpoints),
            bound=tuple(listener.bound + config.http.path for listener in endpoints),
            admin_urls=tuple(listener.url for listener in admin),
            stdio=stdio is not None,
        )
        async with trio.open_nursery() as health:
            if admin:
                await health.start(_serve_admin, server, admin)
            await _serve_endpoints(server, endpoints, listening, stdio)
            health.cancel_scope.cancel()  # The admin endpoints answer until the last call has ended.


async def _serve_endpoints(
    server: _Server, listeners: "list[Listener]", listening: Listening, stdio: ClaimedStreams | None
) -> None:
    from mcp_runtime.assembly.http_app import HttpApp
    from mcp_runtime.platform.heap import keep_freed_memory
    from mcp_runtime.server.http.http_server import serve_http
    from mcp_runtime.server.http.places import places_of_this_process
    from mcp_runtime.server.http.sockets import BindError, listen_on

    runtime, asked = server.runtime, server.progress.asked
    config, http = runtime.config, runtime.config.http
    keep_freed_memory()
    app = HttpApp(runtime, bind_hosts=[listener.host for listener in listeners if listener.host])

    async def drain() -> None:
        await asked.wait()
        runtime.close_streams()

    refused: BindError | None = None
    async with app.lifespan(), trio.open_nursery() as serving:
        tls = bool(http.tls_certificate_file)
        try:
            listen_on(config, "http.bind", listeners)
        except BindError as error:
            refused = error
        else:
            # Counted now, when what the plugins and the state hold open is there.
            most = places_of_this_process(http.max_connections)
            shared = partial(serve_http, limits=config.limits, tls=tls, drain=drain, max_connections=most)
            await serving.start(partial(shared, app, listeners, http, client_key=app.socket_key))
            freeze_what_is_there()
            if server.come_up(listening) and stdio is not None:
                await _serve_stdio(server, stdio)
    if refused is not None:
        raise refused  # Only now: to the plugins' lifespans it is an end like any other.


async def _serve_admin(
    server: _Server,
    listeners: "list[Listener]",
    *,
    task_status: "trio.TaskStatus[list[str]]" = trio.TASK_STATUS_IGNORED,
) -> None:
    from mcp_runtime.server.http.admin import admin_app
    from mcp_runtime.server.http.admin_guard import AdminGuard
    from mcp_runtime.server.http.http_server import serve_http
    from mcp_runtime.server.http.places import ADMIN_CONNECTIONS
    from mcp_runtime.telemetry.prometheus_text import PrometheusText

    runtime = server.runtime
    app = admin_app(
        lambda: server.progress.stage,
        metrics=None if runtime.metrics is None else PrometheusText(runtime.metrics).text,
        routes=() if runtime.bridges is None else runtime.bridges.admin_routes(),
    )
    config = runtime.config
    await serve_http(
        AdminGuard(app, config.admin),
        listeners,
        config.http,
        limits=config.limits,
        tls=False,
        drain=trio.sleep_forever,
        max_connections=ADMIN_CONNECTIONS,
        task_status=task_status,
    )
