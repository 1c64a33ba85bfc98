"""The composition of a runtime from a configuration. Rule: each part is built once, and owned by one Runtime."""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import UNSET

from mcp_runtime.assembly.lifespans import Lifespans
from mcp_runtime.assembly.runtime import Core, Runtime
from mcp_runtime.authoring.plugin import Plugin
from mcp_runtime.authoring.plugin_loading import PluginLoadError, cause_of, load_plugin, place_of
from mcp_runtime.authoring.settings.plugin_settings import plugin_settings
from mcp_runtime.config import Config, ConfigError
from mcp_runtime.config.bridge_loading import BridgesMissing, from_bridges
from mcp_runtime.core.calls.call_rate import CallRate
from mcp_runtime.core.calls.errors import PluginError
from mcp_runtime.core.calls.rounds import PURPOSE
from mcp_runtime.core.calls.subscriptions import Subscriptions
from mcp_runtime.core.catalog.catalog import Catalog
from mcp_runtime.core.dispatch.dispatcher import Dispatcher
from mcp_runtime.core.dispatch.methods import METHODS, Services
from mcp_runtime.platform.interruptions import is_ctrl_c
from mcp_runtime.platform.version import VERSION
from mcp_runtime.protocol.meta import SERVER_INFO_KEY, Implementation
from mcp_runtime.state.seal.lazy_sealer import LazySealer

if TYPE_CHECKING:  # stdio is to start at once, and this file brings what HTTP needs
    from mcp_runtime.core.calls.observers import Observer
    from mcp_runtime.telemetry.audit_file import AuditFile
    from mcp_runtime.telemetry.metrics import Metrics
    from mcp_runtime.transports.bridges import Bridges


def build_runtime(config: Config, plugins: tuple[Plugin[Any], ...] | None = None) -> Runtime:
    """A runtime that serves `config`. `plugins` are served instead of those that `plugins.load` names.

    Raises ConfigError where the operator has to act, PluginLoadError where a plugin's author has to.
    """
    core = build_core(config, plugins)
    return Runtime(core, _bridges(core))


def build_core(config: Config, plugins: tuple[Plugin[Any], ...] | None = None) -> Core:
    """The core of a runtime that serves `config`, as `build_runtime` makes it; raises the same."""
    loaded = tuple(load_plugin(reference) for reference in config.plugins.load) if plugins is None else plugins
    _refuse_twins(config, loaded)
    subscriptions = Subscriptions(config.limits)
    meta = _server_meta(config)
    catalog = Catalog(
        limits=config.limits,
        cache=config.cache,
        publish=subscriptions.publish,
        meta=UNSET if meta is None else meta,
    )
    sealer = LazySealer(config, purpose=PURPOSE)
    services = Services(
        catalog=catalog,
        subscriptions=subscriptions,
        limits=config.limits,
        cache=config.cache,
        sealer=sealer,
        call_rate=CallRate(config.limits.tool_calls_per_minute),
        completion_rate=CallRate(config.limits.completions_per_minute),
        instructions="\n\n".join(_instructions(config, loaded)),
    )
    _register(config, loaded, catalog, subscriptions)
    metrics, audit = _metrics(config), _audit(config)
    return Core(
        config=config,
        plugins=loaded,
        lifespans=Lifespans(loaded),
        catalog=catalog,
        dispatcher=Dispatcher(services, server_meta=meta),
        subscriptions=subscriptions,
        sealer=sealer,
        metrics=metrics,
        audit=audit,
        observers=_observers(config, metrics, audit),
    )


def _metrics(config: Config) -> "Metrics | None":
    if not config.admin.bind:
        return None
    from mcp_runtime.telemetry.metrics import Metrics  # only where somebody can ask for them

    return Metrics(methods=METHODS)


def _audit(config: Config) -> "AuditFile | None":
    if not config.audit.file:
        return None
    from mcp_runtime.telemetry.audit_file import AuditFile  # as with metrics

    return AuditFile(Path(config.audit.file), now=time.time)


def _observers(config: Config, metrics: "Metrics | None", audit: "AuditFile | None") -> "tuple[Observer, ...]":
    observers: list[Observer] = []
    if metrics is not None:
        from mcp_runtime.core.calls.observers import MeteringObserver

        observers.append(MeteringObserver(metrics))
    if audit is not None:
        from mcp_runtime.core.calls.audit import AuditObserver

        kept = config.audit
        observers.append(
            AuditObserver(
                audit.write,
                arguments=kept.arguments,
                max_arguments_bytes=kept.max_arguments_bytes,
                key=partial(_audit_key, config),
            )
        )
    return tuple(observers)


def _audit_key(config: Config) -> bytes:
    from mcp_runtime.state.seal.key_store import first_key

    return first_key(config)


def _bridges(core: Core) -> "Bridges | None":
    """The bridges of the configuration, None where all are off or the package is not there. Raises ConfigError."""
    bridges = core.config.bridges
    if all(one.posture == "off" for one in (bridges.http_sessions, bridges.http_sse, bridges.stdio_handshake)):
        return None
    try:
        attach = from_bridges("attach", "attach")
    except BridgesMissing:
        return None
    return cast("Bridges", attach(core))


def _register(config: Config, plugins: tuple[Plugin[Any], ...], catalog: Catalog, subscriptions: Subscriptions) -> None:
    """Have each plugin configured, and what it declares registered in the catalog."""
    if not plugins:
        return
    from mcp_runtime.authoring.registration.registrar import Registrar  # imports pydantic: only where there are plugins
    from mcp_runtime.authoring.registration.threads import Threads

    threads = Threads(config.limits.max_threads)
    for plugin in plugins:
        registrar = Registrar(
            plugin=plugin.name,
            prefix=f"{plugin.name}_" if config.plugins.prefix_names else "",
            catalog=catalog,
            limits=config.limits,
            cache=config.cache,
            threads=threads,
            publish=subscriptions.publish,
        )
        try:
            if plugin.settings_type is not None:
                plugin.configure(plugin_settings(config, plugin.name, plugin.settings_type))
            plugin.attach(registrar)
        except ConfigError:
            raise
        except PluginError as error:
            raise PluginLoadError(plugin.name, str(error)) from None
        except BaseException as error:  # validators of settings, and what declares by them, are an author's code
            place = place_of(error)
            if place is None or is_ctrl_c(error):
                raise  # It was no line of the author's.
            raise PluginLoadError(plugin.name, cause_of(error), place) from error


def _refuse_twins(config: Config, plugins: tuple[Plugin[Any], ...]) -> None:
    names = [plugin.name for plugin in plugins]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                config.origin.file or "defaults",
                "plugins.load",
                f"two of the plugins call themselves {name!r}",
                "load it once, or rename one",
            )


def _instructions(config: Config, plugins: tuple[Plugin[Any], ...]) -> list[str]:
    texts = [config.server.instructions, *(plugin.instructions or "" for plugin in plugins)]
    return [text for text in texts if text]


def _server_meta(config: Config) -> dict[str, Any] | None:
    """The `_meta` of every result, which names its sender; None where it names none. Spec: 2026-07-28/basic#meta"""
    server = config.server
    if not server.expose_server_info:
        return None
    info = Implementation(
        name=server.name,
        version=server.version or VERSION,
        title=server.title or UNSET,
        description=server.description or UNSET,
        website_url=server.website_url or UNSET,
    )
    return {SERVER_INFO_KEY: msgspec.to_builtins(info)}
