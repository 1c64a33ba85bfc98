"""What modern requests show: that their client could leave the past, and what of the past they still use.

Rule: a request costs one look-up; the ledger hears of many at once.

Roots, sampling and logging are on their way out in 2026-07-28 too, so they are counted wherever they are used.
"""

from collections.abc import Callable
from typing import Final

from msgspec import UNSET

from mcp_bridges.deprecation.ledger import Ledger
from mcp_bridges.gate import LegacyClient, Sighting
from mcp_bridges.session import FEATURES
from mcp_runtime.call import Answer, Call, Transport

_MAX_CLIENTS: Final = 10_000
"""Kept apart between two hand-overs; those past it are not counted, and no real server has as many."""

_Key = tuple[str | None, str | None, bytes | None, str | None, str | None, Transport, str]


class ModernWatch:
    """An Observer that counts for `ledger`. `now` gives Unix seconds."""

    def __init__(self, ledger: Ledger, *, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._now = now
        self._counts: dict[_Key, list[int]] = {}  # one number each, to be changed where it is

    def served(self, call: Call, answer: Answer | None, since: float) -> None:
        """As the port says."""
        del answer, since
        meta = call.meta
        info = meta.client_info
        name = version = None
        if info is not UNSET:
            name, version = info.name, info.version
        agent = None if call.http_headers is None else call.http_headers.get(b"user-agent")
        key = (name, version, agent, call.principal, call.peer, call.transport, call.probe.version or "")
        try:
            self._counts[key][0] += 1
        except KeyError:
            if len(self._counts) >= _MAX_CLIENTS:
                return
            self._counts[key] = [1]
        if call.asked or meta.log_level is not UNSET:
            self._note_features(call, key)

    def hand_over(self) -> None:
        """Tell the ledger what was counted."""
        at = self._now()
        for key, count in self._counts.items():
            self._ledger.note_modern(_client(key), key[-1], at=at, calls=count[0])
        self._counts = {}

    def _note_features(self, call: Call, key: _Key) -> None:
        features = {feature: None for method in call.asked for feature in FEATURES.get(method, ())}
        if call.meta.log_level is not UNSET:
            features["feature.logging"] = None
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
