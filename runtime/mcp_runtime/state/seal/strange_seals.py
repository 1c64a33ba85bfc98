"""The tally of sealed values that no key here opens. Rule: the operator hears of them once, and then once an hour.

One is a client that comes late, or with rubbish that looks right. Many, of one key, are a state directory that was lost
or changed, or a process beside this one that has another key: their users begin again, and nobody else would say why.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from mcp_runtime.state.seal.sealer import KeyRing
from mcp_runtime.telemetry.log.log import get_logger

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

SAY_AGAIN_AFTER_S: Final = 3600.0
MAX_KEYS: Final = 16
"""Keys that are told apart between two events; whoever makes values up shows more, and any number says so."""
_ADVICE: Final = "was the state directory lost or changed, or do processes that share clients have different keys?"


class StrangeSeals:
    """Counts for one purpose. `now` gives Unix seconds, `log` the operator's log; both are injected for tests."""

    def __init__(
        self,
        ring: KeyRing,
        *,
        purpose: str,
        now: Callable[[], float] = time.time,
        log: "Callable[[], FilteringBoundLogger]" = get_logger,
    ) -> None:
        self._ring = ring
        self._purpose = purpose
        self._now = now
        self._log = log
        self._said_at_s: float | None = None
        self._presented = 0
        self._keys: set[bytes] = set()

    def note(self, key_id: bytes) -> None:
        """Somebody showed a value that has the right form, sealed with a key that is not here."""
        self._presented += 1
        if len(self._keys) < MAX_KEYS:
            self._keys.add(key_id)
        now_s = self._now()
        if self._said_at_s is not None and now_s - self._said_at_s < SAY_AGAIN_AFTER_S:
            return
        made_s = self._ring.made_s
        self._log().warning(
            "sealed_with_another_key",
            purpose=self._purpose,
            presented=self._presented,
            other_keys=len(self._keys),
            own_key=self._ring.place,
            own_key_made=None if made_s is None else datetime.fromtimestamp(made_s, UTC).isoformat(timespec="seconds"),
            advice=_ADVICE,
        )
        self._said_at_s = now_s
        self._presented = 0
        self._keys.clear()
