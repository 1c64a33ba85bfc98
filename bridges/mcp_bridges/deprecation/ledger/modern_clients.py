"""The observer of modern requests, which show that a client could leave the past, and what of it they still use.

Rule: a request costs a line on a list. What is on it is counted when it is full, and the ledger hears of many at once.

Roots, sampling and logging are on their way out in 2026-07-28 too, so they are counted wherever they are used.
"""

from collections.abc import Callable
from itertools import groupby
from typing import Final

from msgspec import UNSET

from mcp_bridges.deprecation.ledger.ledger import Ledger
from mcp_bridges.gate.features import OF_METHOD, FeatureId
from mcp_bridges.gate.port import LegacyClient, Sighting
from mcp_runtime.core.calls.call import Answer, Call
from mcp_runtime.telemetry.labels import TransportName

_MAX_CLIENTS: Final = 10_000
"""Clients kept apart between two hand-overs; those past it are not counted, and no real server has as many."""
_AT_ONCE: Final = 256
"""Requests counted in a row, which takes less time than each in its turn, with other code at work in between."""

_Key = tuple[str | None, str | None, bytes | None, str | None, str | None, TransportName, str]


class ModernClientObserver:
    """An `Observer` that counts for `ledger`. `now` gives Unix seconds."""

    def __init__(self, ledger: Ledger, *, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._now = now
        self._seen: list[_Key] = []
        self._counts: dict[_Key, int] = {}

    def served(self, call: Call, answer: Answer | None, since: float) -> None:
        """As the port says."""
        del answer, since
        meta = call.meta
        info = meta.client_info
        name = version = None
        if info is not UNSET:
            name, version = info.name, info.version
        agent = None if call.http_headers is None else call.http_headers.get(b"user-agent")
        key = (name, version, agent, call.principal, call.peer, call.transport, call.request.probe.version or "")
        seen = self._seen
        seen.append(key)
        if len(seen) >= _AT_ONCE:
            self._count()
        if call.asked or meta.log_level is not UNSET:
            self._note_features(call, key)

    def hand_over(self) -> None:
        """Tell the ledger what was counted."""
        self._count()
        at = self._now()
        for key, calls in self._counts.items():
            self._ledger.note_modern(_client(key), key[-1], at=at, calls=calls)
        self._counts = {}

    def _count(self) -> None:
        """Count what was seen."""
        counts = self._counts
        for key, alike in groupby(self._seen):
            if key in counts or len(counts) < _MAX_CLIENTS:
                counts[key] = counts.get(key, 0) + len([*alike])
        self._seen.clear()

    def _note_features(self, call: Call, key: _Key) -> None:
        features = {feature: None for method in call.asked for feature in OF_METHOD.get(method, ())}
        if call.meta.log_level is not UNSET:
            features[FeatureId.LOGGING] = None
        if features:
            seen = Sighting(client=_client(key), revision=key[-1], features=tuple(features), method=call.request.method)
            self._ledger.note(seen, at=self._now(), outcome="served")


def _client(key: _Key) -> LegacyClient:
    name, version, agent, principal, peer, transport, _ = key
    return LegacyClient(
        transport=transport,
        name=name,
        version=version,
        user_agent=None if agent is None else agent.decode("latin-1"),
        principal=principal,
        peer=peer,
    )
