"""The ledger of one process: who still speaks the old protocol, what of it, when and how often.

Rule: to note a sighting never waits and never fails; what goes wrong with the file is the ledger's own trouble.

Sightings are counted in memory and written every few seconds from a thread. While the file cannot be written (the disk
is full, the file read-only or locked), they go on waiting in memory, and the log says so.
"""

import math
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import msgspec

from mcp_bridges.deprecation.decisions.policy import day_of
from mcp_bridges.deprecation.ledger.schema import LedgerUnusable
from mcp_bridges.deprecation.ledger.tallies import Tallies, Tally
from mcp_bridges.deprecation.ledger.writing import Batch, Written, is_there, write
from mcp_bridges.gate.identity import AddressPrivacy
from mcp_bridges.gate.port import LegacyClient, Sighting, UseOutcome
from mcp_runtime.config import Config, default_state_directory
from mcp_runtime.state.seal.key_store import first_key
from mcp_runtime.telemetry.log.log import get_logger

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

FILE_NAME: Final = "ledger.db"
SAY_AGAIN_AFTER_S: Final = 3600.0
"""The time between two events about the same trouble."""
_TROUBLE: Final = (OSError, sqlite3.Error, LedgerUnusable)


class LedgerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a ledger: how far its file is behind."""

    waiting_calls: int
    lag_s: float
    """The age of the oldest call that waits."""
    lost_calls: int
    """Calls that could not be kept."""


class Ledger:
    """The ledger of one process; several processes may share the file at `path`.

    `now` gives Unix seconds and `log` the operator's log; both are injected for tests. All methods are for the event
    loop's thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        flush_interval_s: float = 5.0,
        retention_days: int = 730,
        max_bytes: int = 268_435_456,
        privacy: AddressPrivacy | None = None,
        tallies: Tallies | None = None,
        now: Callable[[], float] = time.time,
        log: "Callable[[], FilteringBoundLogger]" = get_logger,
    ) -> None:
        self.path = path
        self._flush_interval_s = flush_interval_s
        self._retention_days = retention_days
        self._max_bytes = max_bytes
        self._tallies = tallies or Tallies(privacy or AddressPrivacy("full"))
        self._now = now
        self._log = log
        self._flushing = anyio.Lock()
        self._watched_day = ""
        self._written: Written | None = None
        self._lost_unwritten = 0
        self._lost_calls = 0
        self._failing_since_s: float | None = None
        self._said_at_s = -math.inf
        self._said = False
        self._lost_unsaid = 0
        self._lost_said_at_s = -math.inf

    def note(self, sighting: Sighting, *, at: float, outcome: UseOutcome) -> None:
        """Count `sighting`, which was made at `at` (Unix seconds)."""
        tally = self._tallies.of(sighting.client, sighting.revision, sighting.features, at)
        tally.calls += 1
        if outcome == "refused":
            tally.refused += 1
        elif outcome == "would_refuse":
            tally.would_refuse += 1

    def note_modern(self, client: LegacyClient, revision: str, *, at: float, calls: int = 1) -> None:
        """Count requests of a modern revision, which show that a client could leave the past."""
        self._tallies.of(client, revision, (), at).calls += calls

    def by_feature(self) -> Mapping[str, Tally]:
        """The counts of this process since it started, by feature (MESSAGE: all messages). For metrics."""
        return self._tallies.by_feature()

    @property
    def status(self) -> LedgerStatus:
        """The status, for metrics."""
        oldest_s = self._tallies.oldest_s
        return LedgerStatus(
            waiting_calls=self._tallies.calls,
            lag_s=0.0 if oldest_s is None else max(0.0, self._now() - oldest_s),
            lost_calls=self._lost_calls,
        )

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Write every `flush_interval_s`, and what is left at the end."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_flushing)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await self._finish()

    async def flush(self) -> bool:
        """Write what waits; whether that went well. Otherwise it goes on waiting. Not cancelled half way."""
        async with self._flushing:
            taken, lost = self._tallies.take()
            self._lost_unwritten += lost
            self._lost_calls += lost
            today = day_of(self._now()).isoformat()
            if not taken and not self._lost_unwritten and today == self._watched_day:
                return True
            batch = Batch(
                tallies=taken,
                lost=self._lost_unwritten,
                today=today,
                forget_before=None if today == self._watched_day else self._oldest_kept(today),
            )
            with anyio.CancelScope(shield=True):
                try:
                    written = await anyio.to_thread.run_sync(
                        partial(write, self.path, batch, max_bytes=self._max_bytes)
                    )
                except _TROUBLE as error:
                    if self._written is not None and not is_there(self.path, self._written):
                        self._written = None  # Why it cannot be written is what there is to say.
                    self._tallies.give_back()
                    self._complain(error)
                    return False
                self._tallies.done()
                self._look_at(written)
                self._settle(batch)
            return True

    def _oldest_kept(self, today: str) -> str:
        return (date.fromisoformat(today) - timedelta(days=self._retention_days)).isoformat()

    async def _keep_flushing(self) -> None:
        while True:
            await self.flush()
            await anyio.sleep(self._flush_interval_s)

    async def _finish(self) -> None:
        written = await self.flush()
        lost = self._lost_unsaid + (0 if written else self._tallies.calls + self._lost_unwritten)
        if lost:
            self._log().error("ledger_calls_lost", path=str(self.path), calls=lost)

    def _look_at(self, written: Written) -> None:
        """Say so where the evidence of before is gone: only the day of today is known to be watched from here on."""
        if self._written is not None and not written.follows(self._written):
            found = "nothing" if written.made else "another file"
            self._log().error("ledger_file_replaced", path=str(self.path), found=found)
        if written.aside:
            aside = [str(one) for one in written.aside]
            self._log().warning("ledger_siblings_put_aside", path=str(self.path), files=aside)
        self._written = written

    def _settle(self, batch: Batch) -> None:
        self._watched_day = batch.today
        self._lost_unwritten -= batch.lost
        if batch.lost:
            self._lost_unsaid += batch.lost
            self._tell_of_losses()
        if self._failing_since_s is not None and self._said:
            failing_s = round(self._now() - self._failing_since_s, 1)
            self._log().info("ledger_written_again", path=str(self.path), after_s=failing_s)
        self._failing_since_s = None
        self._said = False

    def _tell_of_losses(self) -> None:
        if self._now() - self._lost_said_at_s >= SAY_AGAIN_AFTER_S:
            self._lost_said_at_s = self._now()
            self._log().error("ledger_calls_lost", path=str(self.path), calls=self._lost_unsaid)
            self._lost_unsaid = 0

    def _complain(self, error: Exception) -> None:
        now = self._now()
        if self._failing_since_s is None:
            self._failing_since_s = now
        # Also of a file that fails every other time: whoever was told once in this hour knows.
        if now - self._said_at_s < SAY_AGAIN_AFTER_S:
            return
        self._said_at_s = now
        self._said = True
        self._log().warning(
            "ledger_unwritten",
            path=str(self.path),
            reason=str(error),
            waiting_calls=self._tallies.calls,
            lost_calls=self._lost_calls,
        )


def ledger_path(config: Config) -> Path:
    """The place of the ledger's file, the same for server and command."""
    if config.ledger.database:
        return Path(config.ledger.database)
    directory = Path(config.state.directory) if config.state.directory else default_state_directory(os.environ)
    return directory / FILE_NAME


def build_ledger(
    config: Config,
    *,
    now: Callable[[], float] = time.time,
    log: "Callable[[], FilteringBoundLogger]" = get_logger,
) -> Ledger:
    """The ledger that `config` asks for; its file is made at the first write.

    Hashed addresses take the first seal key: they change when it is rotated. Raises ConfigError where it cannot be had.
    """
    section = config.ledger
    key = first_key(config) if section.addresses == "hashed" else b""
    return Ledger(
        ledger_path(config),
        flush_interval_s=section.flush_interval_s,
        retention_days=section.retention_days,
        max_bytes=section.max_bytes,
        privacy=AddressPrivacy(section.addresses, key=key),
        now=now,
        log=log,
    )
