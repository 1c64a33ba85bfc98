"""The retirement of the past in one process: its gate, its ledger, its logs. Rule: made when the past first shows.

A client of 2026-07-28 on stdio waits for none of this.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import anyio
import msgspec
from msgspec.structs import replace

from mcp_bridges.deprecation.decisions.options import read_deprecation
from mcp_bridges.deprecation.decisions.policy import Policy
from mcp_bridges.deprecation.gatekeeping.gatekeeper import DeprecationGate, Notebook, build_gate
from mcp_bridges.deprecation.ledger.ledger import Ledger, build_ledger
from mcp_bridges.deprecation.ledger.modern_clients import ModernClientObserver
from mcp_bridges.gate.port import Gate, Sighting, UseOutcome, Verdict
from mcp_bridges.gate.postures import PostureGate
from mcp_runtime.config import Config
from mcp_runtime.telemetry.log.log import get_logger

LOGGER: Final = "mcp_bridges.deprecation"


class _NoNotebook:
    """The notebook of an operator who keeps no ledger: it forgets."""

    def note(self, sighting: Sighting, *, at: float, outcome: UseOutcome) -> None:
        """Forget it."""


class PosturesFirst:
    """A Gate that refuses by posture, and lets `then` decide on the rest; the ledger hears of both.

    Either way the client is told what `then` has to say of the features it uses.
    """

    def __init__(self, postures: Gate, then: DeprecationGate, notebook: Notebook, *, now: Callable[[], float]) -> None:
        self._postures = postures
        self._then = then
        self._notebook = notebook
        self._now = now

    def admit(self, sighting: Sighting) -> Verdict:
        """As the port says."""
        verdict = self._postures.admit(sighting)
        if verdict.refusal is None:
            return self._then.admit(sighting)
        at = self._now()
        self._notebook.note(sighting, at=at, outcome="refused")
        return replace(verdict, headers=self._then.headers(sighting, at))


class Retirement(msgspec.Struct, frozen=True, kw_only=True):
    """The retirement in one process: who still uses the past, and what becomes of that."""

    gate: Gate
    """The gate of all bridges."""
    policy: Policy
    """When which feature ends."""
    deprecation: DeprecationGate
    """The part of the gate that goes by the policy; closed at the end, when it logs what it has not told yet."""
    ledger: Ledger | None
    """The evidence, None where none is kept."""
    modern: ModernClientObserver | None
    """What hears of modern requests for the ledger, None where none is kept."""
    flush_interval_s: float
    """How often `modern` hands over to the ledger."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Keep the ledger written for as long as the block runs; at the end, write and log what is left."""
        async with AsyncExitStack() as stack:
            if self.ledger is not None and self.modern is not None:
                await stack.enter_async_context(self.ledger.running())
                tasks = await stack.enter_async_context(anyio.create_task_group())
                tasks.start_soon(self._keep_handing_over, self.modern)
                stack.callback(self.modern.hand_over)
                stack.callback(tasks.cancel_scope.cancel)
            stack.callback(self.deprecation.close)
            yield

    async def _keep_handing_over(self, modern: ModernClientObserver) -> None:
        while True:
            await anyio.sleep(self.flush_interval_s)
            modern.hand_over()


def build_retirement(config: Config, *, now: Callable[[], float]) -> Retirement:
    """The retirement that `config` asks for; `now` gives Unix seconds. Raises ConfigError."""
    ledger = build_ledger(config, now=now) if config.ledger.enabled else None
    notebook: Notebook = _NoNotebook() if ledger is None else ledger
    deprecation = build_gate(config, notebook=notebook, now=now, log=get_logger(LOGGER))
    return Retirement(
        gate=PosturesFirst(PostureGate(config), deprecation, notebook, now=now),
        policy=read_deprecation(config).policy,
        deprecation=deprecation,
        ledger=ledger,
        modern=None if ledger is None else ModernClientObserver(ledger, now=now),
        flush_interval_s=config.ledger.flush_interval_s,
    )
