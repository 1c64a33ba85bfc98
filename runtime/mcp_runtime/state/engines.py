"""The engines that the configuration asks for. Rule: only this file knows which engine stands behind which port."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

import msgspec

from mcp_runtime.config import Config, default_state_directory
from mcp_runtime.state.memory import MemoryBus, MemoryStore
from mcp_runtime.state.port import Bus, EndingStore, GroupStore
from mcp_runtime.state.sqlite import SqliteStore

FILE_NAME: Final = "state.db"


class Engine(Protocol):
    """An engine that is opened and closed: the methods it has beside its port's."""

    async def open(self) -> None:
        """Open what is there. Raises StateError where it cannot be used."""
        ...

    async def close(self) -> None:
        """Close what was opened."""
        ...


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The stores and the bus of one process: `durable` outlives it, `volatile` and `bus` end with it."""

    durable: EndingStore
    volatile: GroupStore
    bus: Bus
    engine: Engine | None = None
    """What `running` opens and closes."""

    @asynccontextmanager
    async def running(self, *, open_now: bool = True) -> AsyncGenerator[None, None]:
        """Close, after the block, what was opened.

        With `open_now`, kept state that cannot be used is a StateError at once; without, it costs nothing until it is
        first used, which is what a client on stdio waits for.
        """
        if self.engine is None:
            yield
            return
        try:
            if open_now:
                await self.engine.open()
            yield
        finally:
            await self.engine.close()


def open_state(config: Config) -> State:
    """The stores and the bus that `config` asks for. Touches no file: `State.running` and first use do."""
    limits = config.limits
    volatile = MemoryStore(max_entries=limits.max_state_entries, max_bytes=limits.max_replay_bytes)
    bus = MemoryBus()
    if config.state.engine == "memory":
        kept = MemoryStore(
            max_entries=limits.max_state_entries,
            max_bytes=config.state.max_bytes,
            max_ends=limits.max_ended_sessions,
        )
        return State(durable=kept, volatile=volatile, bus=bus)
    directory = Path(config.state.directory) if config.state.directory else default_state_directory(os.environ)
    durable = SqliteStore(
        directory / FILE_NAME,
        max_entries=limits.max_state_entries,
        max_bytes=config.state.max_bytes,
        max_ends=limits.max_ended_sessions,
        busy_timeout_s=config.state.busy_timeout_s,
    )
    return State(durable=durable, volatile=volatile, bus=bus, engine=durable)
