"""The attachment of all bridges to the core of a server. Rule: each part follows from the core and is made once.

So it does not matter what is asked for first; and what nobody asks for is not even imported.
"""

import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import msgspec
from msgspec import Raw, Struct

from mcp_runtime.assembly.runtime import Core
from mcp_runtime.core.calls.call import Call, Reply
from mcp_runtime.core.calls.time_limit import no_limit
from mcp_runtime.protocol.errors import PeerError
from mcp_runtime.protocol.jsonrpc import NO_PARAMS, Request
from mcp_runtime.protocol.meta import ClientCapabilities, MetaProbe, RequestMetaObject
from mcp_runtime.protocol.revisions import LATEST
from mcp_runtime.telemetry.log import call_fields
from mcp_runtime.transports.stdio.bridge_port import StdioWire

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from mcp_bridges.calls.services import LegacyServices
    from mcp_bridges.deprecation.retirement import Retirement
    from mcp_bridges.gate.port import Gate
    from mcp_bridges.http_bridge import HttpBridges
    from mcp_bridges.wires.stdio import HandshakeStdio
    from mcp_runtime.core.calls.observers import Observer
    from mcp_runtime.state.engines import State
    from mcp_runtime.transports.http.body_budget import BodyBudget
    from mcp_runtime.transports.http.patience import Patience

_ANONYMOUS: Final[dict[str, Any]] = {"name": "server", "version": "0"}
"""The name of a server whose operator gives it none to tell: old revisions insist on one."""
_ID_BYTES: Final = 12
"""96 random bits, 16 characters: no two sessions, streams or questions get the same."""


class _Problem(Struct):
    code: int
    message: str


class _Discovered(Struct):
    result: dict[str, Any] = {}
    error: _Problem | None = None


_discovered_decoder: Final = msgspec.json.Decoder(_Discovered)


def attach(core: Core) -> "AttachedBridges":
    """The bridges that the configuration of `core` asks for. Raises ConfigError."""
    if core.config.bridges.clients.rules:
        from mcp_bridges.gate.postures import PostureGate

        PostureGate(core.config)  # A rule that cannot be read is an error now, not when a client comes.
    return AttachedBridges(core)


class AttachedBridges:
    """All bridges of one server, attached to its core.

    `now` gives Unix seconds, `new_id` short random ids; `state` and `gate` are used instead of what the configuration
    asks for. All four are injected for tests.
    """

    def __init__(
        self,
        core: Core,
        *,
        gate: "Gate | None" = None,
        now: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: secrets.token_urlsafe(_ID_BYTES),
        state: "State | None" = None,
    ) -> None:
        self._core = core
        self._gate = gate
        self._now = now
        self._new_id = new_id
        self._state = state
        self._http: HttpBridges | None = None
        self._in_use = anyio.Event()
        """Set once there is a bridge that old clients can come to."""

    def http(self, patience: "Patience", bodies: "BodyBudget") -> "HttpBridges":
        """As the port says. Before `running`, which runs it too."""
        from mcp_bridges.calls.http_parts import HttpParts
        from mcp_bridges.http_bridge import HttpBridges
        from mcp_runtime.state.engines import open_state

        state = self._state or open_state(self._core.config)
        parts = HttpParts(services=self._services, state=state, patience=patience, bodies=bodies)
        self._http = HttpBridges(parts, now=self._now)
        self._in_use.set()
        return self._http

    def stdio(self, wire: "StdioWire") -> "HandshakeStdio | None":
        """As the port says."""
        if self._core.config.bridges.stdio_handshake.posture == "off":
            return None
        from mcp_bridges.wires.stdio import HandshakeStdio

        bridge = HandshakeStdio(self._services, wire)
        self._in_use.set()
        return bridge

    def observer(self) -> "Observer | None":
        """As the port says."""
        return self.retirement.modern

    def admin_routes(self) -> "Sequence[BaseRoute]":
        """As the port says."""
        ledger = self.retirement.ledger
        if ledger is None:
            return ()
        from mcp_bridges.deprecation.reports.page import legacy_page

        return (legacy_page(ledger.path, self.retirement.policy, now=self._now),)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """As the port says."""
        async with AsyncExitStack() as stack:
            if self._http is not None:
                await stack.enter_async_context(self._http.running())
            await stack.enter_async_context(self._retiring())
            yield

    @asynccontextmanager
    async def _retiring(self) -> AsyncGenerator[None, None]:
        """Run the retirement beside the block. What the block raises comes out of it as it is."""
        raised: BaseException | None = None
        ended = anyio.Event()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._retire, ended)
                yield
                ended.set()
                if not self._in_use.is_set():
                    tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:  # The task group's own.
            raised = group.exceptions[0] if len(group.exceptions) == 1 else group
        if raised is not None:
            raise raised

    async def _retire(self, ended: anyio.Event) -> None:
        """Run the retirement until `ended`; not before it is needed, which on stdio it may never be."""
        await self._in_use.wait()
        async with self.retirement.running():
            await ended.wait()

    def close(self) -> None:
        """As the port says."""
        if self._http is not None:
            self._http.close()

    @cached_property
    def retirement(self) -> "Retirement":
        """The retirement of the past: evidence of old clients, and what was decided. Its numbers join the metrics."""
        from mcp_bridges.deprecation.retirement import build_retirement

        made = build_retirement(self._core.config, now=self._now)
        if self._core.metrics is not None and made.ledger is not None:
            from mcp_bridges.deprecation.ledger.metrics import ledger_families

            for family in ledger_families(made.ledger, made.policy, now=self._now):
                self._core.metrics.add(family)
        return made

    @cached_property
    def _services(self) -> "LegacyServices":
        """The services that calls share, whichever wire they come by."""
        from mcp_bridges.calls.services import LegacyServices
        from mcp_runtime.core.calls.observers import as_one
        from mcp_runtime.platform.shares import Shares

        core, places = self._core, self._core.config.limits.max_concurrent_requests
        return LegacyServices(
            config=core.config,
            dispatcher=core.dispatcher,
            subscriptions=core.subscriptions,
            gate=self._gate or self.retirement.gate,
            waiting=Shares(places),
            at_work=Shares(places),
            discover=self._discover,
            server=_ANONYMOUS,
            new_id=self._new_id,
            observer=as_one(core.observers),
            meter=core.metrics,
        )

    async def _discover(self) -> dict[str, Any]:
        """The discovery of a client of 2026-07-28. Raises PeerError where it would be told to come back later."""
        meta = RequestMetaObject(protocol_version=LATEST, client_capabilities=ClientCapabilities())
        call = Call(
            request=Request("discover", "server/discover", Raw(NO_PARAMS), MetaProbe(meta, None, LATEST)),
            transport="stdio",
            notify=_drop,
            time=no_limit(),
        )
        before = call_fields.bind(dict)  # What the dispatcher binds is not for what this task does next.
        try:
            reply = cast("Reply", await self._core.dispatcher.serve(call))  # Nobody abandons it.
        finally:
            call_fields.unbind(before)
        found = _discovered_decoder.decode(reply.body)
        if found.error is not None:
            raise PeerError(
                found.error.code, found.error.message, http_status=reply.status, retry_after_s=reply.retry_after_s
            )
        return found.result


async def _drop(_: bytes) -> None:
    """Nothing is sent for a discovery."""
