"""Where bridges meet a runtime. Rule: made from a Runtime, and from nothing else; what is not used is not imported."""

import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import msgspec
from msgspec import Raw, Struct

from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.core.calls.call import Call, Reply
from mcp_runtime.protocol.errors import PeerError
from mcp_runtime.protocol.jsonrpc import NO_PARAMS, Request
from mcp_runtime.protocol.meta import ClientCapabilities, MetaProbe, RequestMetaObject
from mcp_runtime.protocol.revisions import LATEST
from mcp_runtime.telemetry.log import call_fields
from mcp_runtime.transports.stdio.bridge_port import StdioWire

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from mcp_bridges.calls.services import LegacyServices, Waiting
    from mcp_bridges.deprecation.retirement import Past
    from mcp_bridges.gate.port import Gate
    from mcp_bridges.http_bridge import HttpBridges
    from mcp_bridges.wires.stdio import HandshakeStdio
    from mcp_runtime.core.calls.observers import Observer
    from mcp_runtime.state.engines import State
    from mcp_runtime.transports.http.watch import Watch

_ANONYMOUS: Final[dict[str, Any]] = {"name": "server", "version": "0"}
"""Who answers `initialize` where the operator does not want to say: old revisions insist on a name."""
_ID_BYTES: Final = 12
"""96 random bits, 16 characters: no two sessions, streams or questions get the same."""


class _Problem(Struct):
    code: int
    message: str


class _Discovered(Struct):
    result: dict[str, Any] = {}
    error: _Problem | None = None


_discovered_decoder: Final = msgspec.json.Decoder(_Discovered)


def attach(runtime: Runtime) -> "AttachedBridges":
    """The bridges of `runtime`, as its configuration has them. Raises ConfigError."""
    if runtime.config.bridges.clients.rules:
        from mcp_bridges.gate.postures import PostureGate

        PostureGate(runtime.config)  # A rule that cannot be read is an error now, not when a client comes.
    return AttachedBridges(runtime)


class AttachedBridges:
    """All bridges of one runtime.

    `now` gives Unix seconds, `new_id` short random ids; `state` and `gate` are used instead of what the configuration
    asks for. All four are injected for tests.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        gate: "Gate | None" = None,
        now: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: secrets.token_urlsafe(_ID_BYTES),
        state: "State | None" = None,
    ) -> None:
        self._runtime = runtime
        self._gate = gate
        self._now = now
        self._new_id = new_id
        self._state = state
        self._http: HttpBridges | None = None
        self._known: Past | None = None
        self._waiting: Waiting | None = None

    def http(self, watch: "Watch") -> "HttpBridges":
        """As the port says."""
        from mcp_bridges.calls.http_parts import HttpParts
        from mcp_bridges.http_bridge import HttpBridges
        from mcp_runtime.state.engines import open_state

        state = self._state or open_state(self._runtime.config)
        self._http = HttpBridges(HttpParts(services=self._services(), state=state, watch=watch), now=self._now)
        return self._http

    def stdio(self, wire: "StdioWire") -> "HandshakeStdio | None":
        """As the port says."""
        if self._runtime.config.bridges.stdio_handshake.posture == "off":
            return None
        from mcp_bridges.wires.stdio import HandshakeStdio

        services, closed = self._services(), anyio.Event()
        if self._http is None and self._known is not None:
            # Beside the client's calls: a process that has served no old client yet has had nothing to keep.
            wire.start(partial(_keep, self._known, closed))
        return HandshakeStdio(services, wire, closed=closed.set)

    def observer(self) -> "Observer | None":
        """As the port says."""
        return self._past().modern

    def admin_routes(self) -> "Sequence[BaseRoute]":
        """As the port says."""
        past = self._past()
        if past.ledger is None:
            return ()
        from mcp_bridges.deprecation.reports.page import legacy_page

        return (legacy_page(past.ledger.path, past.policy, now=self._now),)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """As the port says."""
        if self._http is None:
            yield
            return
        ended = anyio.Event()
        async with self._http.running(), anyio.create_task_group() as tasks:
            if self._known is not None:
                tasks.start_soon(_keep, self._known, ended)
            yield
            ended.set()

    def _past(self) -> "Past":
        """Evidence and decisions, made now if they were not needed before."""
        if self._known is None:
            from mcp_bridges.deprecation.retirement import make_past

            past = self._known = make_past(self._runtime.config, now=self._now)
            if self._runtime.metrics is not None and past.ledger is not None:
                from mcp_bridges.deprecation.ledger.metrics import ledger_families

                for family in ledger_families(past.ledger, past.policy, now=self._now):
                    self._runtime.metrics.add(family)
        return self._known

    def close(self) -> None:
        """As the port says."""
        if self._http is not None:
            self._http.close()

    def _services(self) -> "LegacyServices":
        from mcp_bridges.calls.services import LegacyServices, Waiting

        runtime = self._runtime
        self._waiting = self._waiting or Waiting(runtime.config.limits.max_concurrent_requests)
        return LegacyServices(
            config=runtime.config,
            dispatcher=runtime.dispatcher,
            subscriptions=runtime.subscriptions,
            gate=self._gate or self._past().gate,
            waiting=self._waiting,
            discover=self._discover,
            server=_ANONYMOUS,
            new_id=self._new_id,
            meter=runtime.metrics,
        )

    async def _discover(self) -> dict[str, Any]:
        """What a client of 2026-07-28 would discover. Raises PeerError where it would be told to come back later."""
        meta = RequestMetaObject(protocol_version=LATEST, client_capabilities=ClientCapabilities())
        call = Call(
            request=Request("discover", "server/discover", Raw(NO_PARAMS), MetaProbe(meta, None, LATEST)),
            transport="stdio",
            notify=_drop,
        )
        before = call_fields.bind(dict)  # What the dispatcher binds is not for what this task does next.
        try:
            reply = cast("Reply", await self._runtime.dispatcher.serve(call))  # Nobody abandons it.
        finally:
            call_fields.unbind(before)
        found = _discovered_decoder.decode(reply.body)
        if found.error is not None:
            raise PeerError(
                found.error.code, found.error.message, http_status=reply.status, retry_after_s=reply.retry_after_s
            )
        return found.result


async def _keep(past: "Past", ended: anyio.Event) -> None:
    """Run what `past` needs to run, until `ended`."""
    async with past.running():
        await ended.wait()


async def _drop(_: bytes) -> None:
    """Nothing is sent for a discovery."""
