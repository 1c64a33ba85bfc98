"""The runtime: a server without its transports. Rule: what is the same behind each of them, and nothing that is not.

It is made in three steps, each from what is there by then: a `Core`, the bridges attached to it, a `Runtime` of both.
Nothing is put in later.
"""

from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from mcp_runtime.assembly.lifespans import Lifespans, Start, StartCalledOff
from mcp_runtime.authoring.plugin import Plugin
from mcp_runtime.config import Config, ConfigError
from mcp_runtime.core.calls.subscriptions import Subscriptions
from mcp_runtime.core.catalog.catalog import Catalog
from mcp_runtime.core.dispatch.dispatcher import Dispatcher
from mcp_runtime.platform.asyncio_thread import SHARED
from mcp_runtime.state.seal.lazy_sealer import LazySealer

if TYPE_CHECKING:
    from mcp_runtime.core.calls.observers import Observer
    from mcp_runtime.telemetry.audit_file import AuditFile
    from mcp_runtime.telemetry.metrics import Metrics
    from mcp_runtime.transports.bridges import Bridges


class Core(msgspec.Struct, frozen=True, kw_only=True):
    """The core of one server: what its configuration and its plugins make, and all that a bridge can attach to."""

    config: Config
    plugins: tuple[Plugin[Any], ...]
    lifespans: Lifespans
    """Those of the plugins."""
    catalog: Catalog
    """What the plugins have declared."""
    dispatcher: Dispatcher
    """In front of the catalog."""
    subscriptions: Subscriptions
    """The open ones."""
    sealer: LazySealer
    """What seals the rounds of calls."""
    metrics: "Metrics | None" = None
    """What is counted, where there are admin endpoints to show it."""
    audit: "AuditFile | None" = None
    """What each call is noted in, where the configuration names a file."""
    observers: "tuple[Observer, ...]" = ()
    """Told of each request that the core has served, of whatever revision."""
    start: Start = msgspec.field(default_factory=Start)


class Runtime:
    """A server without its transports: its core, and the bridges that are attached to it, None where there are none."""

    def __init__(self, core: Core, bridges: "Bridges | None") -> None:
        self.core: Final = core
        self.bridges: Final = bridges
        # By names of their own: who serves or shows a runtime needs one or the other.
        self.config: Final = core.config
        self.plugins: Final = core.plugins
        self.lifespans: Final = core.lifespans
        self.catalog: Final = core.catalog
        self.dispatcher: Final = core.dispatcher
        self.subscriptions: Final = core.subscriptions
        self.sealer: Final = core.sealer
        self.metrics: Final = core.metrics
        self.start: Final = core.start

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Enter the plugins' lifespans, leave them in reverse at the end. Serve only inside.

        Raises PluginLoadError for a plugin that fails to start, or ConfigError where that is what it says;
        StartCalledOff where `start` was called off meanwhile, having left what was entered; and in the end
        LifespanError for a lifespan that failed later: `lifespans.wait_failed` tells when it is time to end for that.
        """
        self.subscriptions.start()
        async with AsyncExitStack() as stack:
            if self.core.audit is not None:
                stack.enter_context(_writing(self.core.audit, self.config))
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
        """The observer of requests of modern revisions, None where nobody wants to be told."""
        from mcp_runtime.core.calls.observers import as_one  # stdio does without, as a rule

        own = None if self.bridges is None else self.bridges.observer()
        return as_one(self.core.observers if own is None else (*self.core.observers, own))

    def close_streams(self) -> None:
        """Close all streams, to stop: each ends once what is at work on it is done, and no more are opened."""
        self.subscriptions.close()
        if self.bridges is not None:
            self.bridges.close()


@contextmanager
def _writing(audit: "AuditFile", config: Config) -> Generator[None]:
    """Keep the audit file open. Raises ConfigError where it cannot be written."""
    try:
        audit.open()
    except OSError as error:
        raise ConfigError(
            config.origin.file or "environment",
            "audit.file",
            f"cannot write {config.audit.file}: {error.strerror or error}",
            "name a file in a directory that this user may write to, or remove the key",
        ) from None
    try:
        yield
    finally:
        audit.close()
