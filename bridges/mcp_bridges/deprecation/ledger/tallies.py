"""The tallies that the ledger has counted and not yet written. Rule: a sighting that was seen before costs one look-up.

Bounded in memory: past so many clients a day they are counted together, past so many tallies they are only counted.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from mcp_bridges.deprecation.decisions.policy import DAY_S, day_of
from mcp_bridges.deprecation.ledger.schema import MESSAGE
from mcp_bridges.gate.features import REVISION_PREFIX
from mcp_bridges.gate.identity import AddressPrivacy, Identity, overflow
from mcp_bridges.gate.port import LegacyClient
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS, MODERN_REVISIONS

MAX_CLIENTS_A_DAY: Final = 10_000
"""Clients kept apart by one process: whoever makes up names cannot fill the file, and no real server is near it."""
MAX_TALLIES: Final = 100_000
"""Waiting to be written: about 50 MB. Only a file that cannot be written for days, or a flood, comes to that."""
_REVISIONS: Final = frozenset((*LEGACY_REVISIONS, *MODERN_REVISIONS))


class Counted(NamedTuple):
    """The subject of a tally."""

    identity: Identity
    network: str
    revision: str
    features: tuple[str, ...]
    """All that a call is counted under: MESSAGE, and the features it used."""
    day: str


class Tally(msgspec.Struct, kw_only=True):
    """A tally: how often something was seen, and when first and last, in Unix seconds."""

    calls: int = 0
    refused: int = 0
    would_refuse: int = 0
    first_s: float
    last_s: float

    def add(self, other: "Tally") -> None:
        """Count what `other` has counted, too."""
        self.calls += other.calls
        self.refused += other.refused
        self.would_refuse += other.would_refuse
        self.first_s = min(self.first_s, other.first_s)
        self.last_s = max(self.last_s, other.last_s)


class Tallies:
    """The tallies of a ledger, by their subjects. For one thread: the event loop's."""

    def __init__(
        self, privacy: AddressPrivacy, *, max_clients_a_day: int = MAX_CLIENTS_A_DAY, max_tallies: int = MAX_TALLIES
    ) -> None:
        self._privacy = privacy
        self._max_clients_a_day = max_clients_a_day
        self._max_tallies = max_tallies
        self._waiting: dict[Counted, Tally] = {}
        self._taken: dict[Counted, Tally] = {}
        self._written: dict[str, Tally] = {}
        self._beyond = Tally(first_s=0.0, last_s=0.0)
        # Tallies of the current day by what a sighting shows, before anything is made of it.
        self._by_sighting: dict[tuple[LegacyClient, str | None, tuple[str, ...]], Tally] = {}
        self._day = ""
        self._from_s = self._until_s = 0.0
        self._latest_day = ""
        self._clients: set[Identity] = set()

    def of(self, client: LegacyClient, revision: str | None, features: tuple[str, ...], at: float) -> Tally:
        """The tally of a sighting made at `at`: its times are brought up to that, to count is the caller's part."""
        if not self._from_s <= at < self._until_s:
            self._turn_to(at)
        key = (client, revision, features)
        tally = self._by_sighting.get(key)
        if tally is None:
            tally = self._meet(client, revision, features, at)
            if len(self._by_sighting) >= self._max_tallies:  # Addresses that are kept as one network still differ here.
                self._by_sighting.clear()
            self._by_sighting[key] = tally
        if at > tally.last_s:
            tally.last_s = at
        elif at < tally.first_s:
            tally.first_s = at
        return tally

    def take(self) -> tuple[dict[Counted, Tally], int]:
        """The tallies to write, and the number of calls without room. Then `done` or `give_back` is due."""
        lost = self._beyond.calls
        self._taken = {what: tally for what, tally in self._waiting.items() if tally.calls}
        self._waiting = {}
        self._beyond = Tally(first_s=0.0, last_s=0.0)
        self._by_sighting.clear()
        return self._taken, lost

    def done(self) -> None:
        """Forget what was taken: it is written."""
        _sum_up(self._written, self._taken)
        self._taken = {}

    def give_back(self) -> None:
        """Let what was taken wait with what has come since: it could not be written."""
        taken, self._taken = self._taken, {}
        since, self._waiting = self._waiting, taken
        self._by_sighting.clear()
        for what, tally in since.items():
            if what in taken:
                taken[what].add(tally)
            elif len(taken) < self._max_tallies:
                taken[what] = tally
            else:
                self._beyond.calls += tally.calls

    @property
    def calls(self) -> int:
        """The number of calls that are not written."""
        return sum(tally.calls for tally in self._unwritten())

    @property
    def oldest_s(self) -> float | None:
        """The time of the first call that is not written; None where all are."""
        return min((tally.first_s for tally in self._unwritten() if tally.calls), default=None)

    def by_feature(self) -> dict[str, Tally]:
        """The tallies since the start by feature, written or not. A count never gets less."""
        found: dict[str, Tally] = {}
        for feature, tally in self._written.items():
            _add_to(found, feature, tally)
        _sum_up(found, self._taken)
        _sum_up(found, self._waiting)
        return found

    def _unwritten(self) -> Iterator[Tally]:
        yield from self._taken.values()
        yield from self._waiting.values()

    def _turn_to(self, at: float) -> None:
        self._day = day_of(at).isoformat()
        self._from_s = at // DAY_S * DAY_S
        self._until_s = self._from_s + DAY_S
        self._by_sighting.clear()
        # A clock that steps back over midnight must not double what a day may have.
        if self._day > self._latest_day:
            self._latest_day = self._day
            self._clients.clear()

    def _meet(self, client: LegacyClient, revision: str | None, features: tuple[str, ...], at: float) -> Tally:
        what = Counted(
            identity=self._kept_apart(self._privacy.identity(client)),
            network=self._privacy.network(client.peer),
            revision="" if revision is None else revision if revision in _REVISIONS else "other",
            features=_counted_under(revision, features),
            day=self._day,
        )
        if what.identity == overflow(client.transport):
            what = what._replace(network="")
        tally = self._waiting.get(what)
        if tally is not None:
            return tally
        if len(self._waiting) >= self._max_tallies:
            return self._beyond
        tally = self._waiting[what] = Tally(first_s=at, last_s=at)
        return tally

    def _kept_apart(self, identity: Identity) -> Identity:
        if identity in self._clients:
            return identity
        if len(self._clients) >= self._max_clients_a_day:
            return overflow(identity.transport)
        self._clients.add(identity)
        return identity


def _sum_up(found: dict[str, Tally], tallies: dict[Counted, Tally]) -> None:
    for what, tally in tallies.items():
        for feature in what.features:
            _add_to(found, feature, tally)


def _add_to(found: dict[str, Tally], feature: str, tally: Tally) -> None:
    found.setdefault(feature, Tally(first_s=tally.first_s, last_s=tally.last_s)).add(tally)


def _counted_under(revision: str | None, features: tuple[str, ...]) -> tuple[str, ...]:
    """The features that a sighting counts under. The message of a modern request is counted by `note_modern`."""
    # A revision is in a row of its own accord; as a feature it would be there twice.
    used = tuple(feature for feature in features if not feature.startswith(REVISION_PREFIX))
    return used if used and revision in MODERN_REVISIONS else (MESSAGE, *used)
