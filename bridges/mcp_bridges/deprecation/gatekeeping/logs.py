"""The log about the past. Rule: a line for each client and feature at once, and then one an interval.

A stream of usage is for one client, one feature and one outcome. It writes its first call at once, and again when a
call comes and the interval of the feature's phase is over; `calls` is how many there were since the line before.

The bound: N streams write at most N * (1 + floor(T / I)) lines in a time T whose shortest interval is I. N never
exceeds `max_streams`: what more there is shares one line an hour, `legacy_calls_uncounted`, so at most
1 + floor(T / 3600) of those. A stream whose interval is over leaves its place to a new one where there is no other.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

from mcp_bridges.deprecation.decisions.policy import CADENCES, HOUR_S, Cadence, Links, Phase, Policy, day_of
from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.gate.identity import Identity, identity_of, network_of
from mcp_bridges.gate.port import LegacyClient, Sighting, UseOutcome

EVENTS: Final[Mapping[UseOutcome, str]] = MappingProxyType(
    {
        "served": "legacy_feature_used",
        "refused": "legacy_feature_refused",
        "would_refuse": "legacy_feature_would_be_refused",
    }
)
"""The events, by outcome."""

UNCOUNTED: Final = "legacy_calls_uncounted"
"""The event of calls that no stream of their own counts."""

REST: Final = "legacy_calls_since"
"""The event of calls since the last lines, when the server ends."""

UNCOUNTED_INTERVAL_S: Final = HOUR_S
_UNCOUNTED_LEVEL: Final = logging.WARNING

# A name of a client is as long as the client likes; the log keeps what a person would read of it.
_MAX_TEXT_CHARS: Final = 200


class EventLog(Protocol):
    """A log of events: a structlog logger."""

    def log(self, level: int, event: str, *args: Any, **fields: Any) -> Any:
        """Write `event` with `fields`, at a `level` of the standard library."""
        ...


_Key = tuple[Identity, str, UseOutcome]


class UsageStream(msgspec.Struct, eq=False):
    """The calls of one client that used one feature with one outcome, since the last line about them.

    Whoever sees a call adds it to `calls`, and asks `UsageLog.write` from `due_s` on.
    """

    key: _Key | None
    """None for the stream that is shared."""
    calls: int = 0
    due_s: float = float("-inf")
    """When the next line is to be written."""
    written_s: float = float("-inf")
    """When the last one was."""


class UsageLog:
    """The usage streams of all clients, in order of their last lines."""

    def __init__(
        self,
        policy: Policy,
        links: Links,
        *,
        log: EventLog,
        cadences: Mapping[Phase, Cadence] = CADENCES,
        max_streams: int = 10_000,
    ) -> None:
        self._policy = policy
        self._links = links
        self._log = log
        self._cadences = cadences
        self._max_streams = max_streams
        self._streams: OrderedDict[_Key, UsageStream] = OrderedDict()
        self._uncounted = UsageStream(key=None)

    def stream(self, client: LegacyClient, feature: str, outcome: UseOutcome, at: float) -> UsageStream:
        """The stream that counts such calls: its own, or the one that is shared where there is no place left."""
        key = (identity_of(client), feature, outcome)
        stream = self._streams.get(key)
        if stream is None:
            return self._placed(key, UsageStream(key=key), at)
        # A phase may have begun whose interval is another.
        stream.due_s = stream.written_s + self._cadence(feature, at).interval_s
        return stream

    def write(self, stream: UsageStream, sighting: Sighting, at: float) -> None:
        """Write the line of a `stream` that is due; `sighting` is its newest call."""
        current = self._current(stream, at)
        if current is not stream:
            current.calls += stream.calls
            stream.calls = 0
        if at >= current.due_s:
            self._write(current, sighting, at)
        stream.due_s = current.due_s

    def finish(self, at: float) -> None:
        """Write one line for all calls that are in none yet. Nothing may be written afterwards."""
        rest = sum(stream.calls for stream in self._streams.values())
        self._streams.clear()
        if rest:
            self._log.log(logging.INFO, REST, calls=rest)
        if self._uncounted.calls:
            self._write_uncounted(at)

    def _current(self, stream: UsageStream, at: float) -> UsageStream:
        """`stream` itself, or what took its place since whoever holds it got it."""
        if stream.key is None:
            return stream
        return self._streams.get(stream.key) or self._placed(stream.key, stream, at)

    def _placed(self, key: _Key, stream: UsageStream, at: float) -> UsageStream:
        """`stream` where there is a place, else the shared one."""
        if len(self._streams) >= self._max_streams and not self._evict(at):
            return self._uncounted
        self._streams[key] = stream
        return stream

    def _evict(self, at: float) -> bool:
        """Free the place of the stream with the oldest line, if its next one would be due. Its calls become shared."""
        key, oldest = next(iter(self._streams.items()))
        if at < oldest.due_s:
            return False
        del self._streams[key]
        self._uncounted.calls += oldest.calls
        oldest.calls = 0
        return True

    def _write(self, stream: UsageStream, sighting: Sighting, at: float) -> None:
        if stream.key is None:
            self._write_uncounted(at)
            return
        _, feature, outcome = stream.key
        cadence = self._cadence(feature, at)
        self._log.log(cadence.level, EVENTS[outcome], calls=stream.calls, **self._fields(feature, sighting, at))
        stream.calls, stream.written_s, stream.due_s = 0, at, at + cadence.interval_s
        self._streams.move_to_end(stream.key)

    def _write_uncounted(self, at: float) -> None:
        self._log.log(_UNCOUNTED_LEVEL, UNCOUNTED, calls=self._uncounted.calls, max_streams=self._max_streams)
        self._uncounted.calls, self._uncounted.due_s = 0, at + UNCOUNTED_INTERVAL_S

    def _cadence(self, feature: str, at: float) -> Cadence:
        return self._cadences[self._policy.phase(feature, day_of(at))]

    def _fields(self, feature: str, sighting: Sighting, at: float) -> dict[str, object]:
        client, today = sighting.client, day_of(at)
        fields: dict[str, object | None] = {
            "feature": feature,
            "phase": self._policy.phase(feature, today).value,
            "days_left": self._policy.days_left(feature, today),
            "client_name": _clipped(client.name),
            "client_version": _clipped(client.version),
            "user_agent": _clipped(client.user_agent),
            "principal": _clipped(client.principal),
            "network": network_of(client.peer) or None,
            "transport": client.transport,
            "revision": sighting.revision,
            "replacement": FEATURES[feature].replacement,
            "docs": self._links.documentation_of(feature),
        }
        return {name: value for name, value in fields.items() if value is not None}


def _clipped(text: str | None) -> str | None:
    return None if text is None else text[:_MAX_TEXT_CHARS]
