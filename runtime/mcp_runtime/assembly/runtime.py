"""A server without its transports. Rule: everything that is the same behind each of them, and nothing that is not."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from mcp_runtime.assembly.lifespans import Lifespans
from mcp_runtime.assembly.start import Start, StartCalledOff
from mcp_runtime.authoring.plugin import Plugin
from mcp_runtime.config import Config
from mcp_runtime.core.calls.subscriptions import Subscriptions
from mcp_runtime.core.catalog.catalog import Catalog
from mcp_runtime.core.dispatch.dispatcher import Dispatcher
from mcp_runtime.platform.asyncio_thread import SHARED
from mcp_runtime.state.seal.lazy_sealer import LazySealer

if TYPE_CHECKING:
    from mcp_runtime.core.calls.observers import Observer
    from mcp_runtime.telemetry.metrics import Metrics
    from mcp_runtime.transports.bridges import Bridges


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """What a configuration and its plugins make: the catalog, the dispatcher in front of it, the open subscriptions."""

    config: Config
    catalog: Catalog
    dispatcher: Dispatcher
    subscriptions: Subscriptions
    plugins: tuple[Plugin[Any], ...]
    sealer: LazySealer
    lifespans: Lifespans
    start: Start = msgspec.field(default_factory=Start)
    bridges: "Bridges | None" = None
    metrics: "Metrics | None" = None
    """What is counted, where there are admin endpoints to show it."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Enter the plugins' lifespans, leave them in reverse at the end. Serve only inside.

        Raises PluginLoadError for a plugin that fails to start, or ConfigError where that is what it says;
        StartCalledOff where `start` was called off meanwhile, having left what was entered; and in the end
        LifespanError for a lifespan that failed later: `lifespans.wait_failed` tells when it is time to end for that.
        """
        self.subscriptions.start()
        async with AsyncExitStack() as stack:
            stack.enter_context(SHARED.in_use())
            await stack.enter_async_context(self.lifespans.running(self.start))
            if self.bridges is not None:
                await self.start.enter(self.bridges.running(), stack)
            self._trace()
            yield
            return
        raise StartCalledOff

    def _trace(self) -> None:
        """After the plugins have started: one of them may be what set up OpenTelemetry."""
        from mcp_runtime.telemetry.tracing.loading import load_tracer

        tracer = load_tracer()
        if tracer is not None:
            from mcp_runtime.core.dispatch.tracing_dispatcher import CallSpans

            self.dispatcher.trace(CallSpans(tracer, self.catalog).around)

    def observer(self) -> "Observer | None":
        """Who is told of requests of modern revisions, None where nobody is."""
        from mcp_runtime.core.calls.observers import MeteringObserver, Observers  # stdio does without, as a rule

        observers: list[Observer] = [] if self.metrics is None else [MeteringObserver(self.metrics)]
        bridges_own = None if self.bridges is None else self.bridges.observer()
        if bridges_own is not None:
            observers.append(bridges_own)
        return Observers(observers) if len(observers) > 1 else next(iter(observers), None)

    def close_streams(self) -> None:
        """Part of stopping: streams end, each once what is at work on it is done, and no more are opened."""
        self.subscriptions.close()
        if self.bridges is not None:
            self.bridges.close()
