"""Enforcement: the refusals that are due. Rule: they follow from configuration and clock, so each can be taken back.

Stages add up: each does what those before it do, and more. A feature whose refusals are a dry run refuses nobody.
`deny` comes before `exempt`, and both before the stage.
"""

import enum
import math
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from mcp_bridges.deprecation.decisions.policy import DAY_S
from mcp_bridges.deprecation.decisions.schedule import Brownout, Window
from mcp_bridges.gate.client_rules import ClientRule
from mcp_bridges.gate.identity import Identity, identity_of
from mcp_bridges.gate.port import LegacyClient

EVERY_FEATURE: Final = "*"
GONE_STATUS: Final = 410


class Stage(enum.IntEnum):
    """A stage: how far the retirement of a feature has come here."""

    OBSERVE = 0
    SIGNAL = 1
    BROWNOUT = 2
    REFUSE_NEW = 3
    GONE = 4


STAGES: Final[Mapping[str, Stage]] = {stage.name.lower(): stage for stage in Stage}
"""Stages by their names in the configuration, in order."""


class Reason(enum.IntEnum):
    """The reason of an objection; of several the first counts."""

    DENIED = 0
    GONE = 1
    REFUSE_NEW = 2
    BROWNOUT = 3


class ScopedRule(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `exempt` or `deny`: a rule about clients, for one feature or all."""

    feature: str | None
    """None for all."""
    rule: ClientRule

    def covers(self, client: LegacyClient, feature: str) -> bool:
        """Whether this entry is about `client` and `feature`."""
        return self.feature in {None, feature} and self.rule.matches(client)


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """An objection to serving a use of a feature."""

    feature: str
    reason: Reason
    is_dry: bool
    """Whether it is only noted."""
    status: int = GONE_STATUS
    window: Window | None = None
    """That of a brownout."""


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """A brownout that this client will meet, or is in."""

    feature: str
    window: Window


class Enforcement(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's stages, schedules and lists."""

    stage: Stage = Stage.SIGNAL
    stages: Mapping[str, Stage] = msgspec.field(default_factory=dict[str, Stage])
    dry_run: frozenset[str] = frozenset()
    brownouts: tuple[Brownout, ...] = ()
    notice_s: int = 14 * DAY_S
    """The time of notice: so long ahead a brownout is announced."""
    exempt: tuple[ScopedRule, ...] = ()
    deny: tuple[ScopedRule, ...] = ()

    def stage_of(self, feature: str) -> Stage:
        """The stage of `feature`: its own, or that of all."""
        return self.stages.get(feature, self.stage)

    def is_dry(self, feature: str) -> bool:
        """Whether refusals for the sake of `feature` are only noted."""
        return feature in self.dry_run or EVERY_FEATURE in self.dry_run

    def is_closed(self, feature: str) -> bool:
        """Whether nobody can begin to use `feature` any more."""
        return self.stage_of(feature) >= Stage.REFUSE_NEW and not self.is_dry(feature)

    def objections(
        self, client: LegacyClient, features: Iterable[str], *, opening: bool, at: float
    ) -> tuple[Objection, ...]:
        """The objections to serving `client` these features now, the weightiest first."""
        identity = identity_of(client)
        found = [
            one
            for feature in features
            for one in self._of_feature(client, identity, feature, at)
            if opening or one.reason is not Reason.REFUSE_NEW
        ]
        return tuple(sorted(found, key=lambda one: (one.is_dry, one.reason, one.status)))

    def announcements(self, client: LegacyClient, features: Iterable[str], *, at: float) -> tuple[Announcement, ...]:
        """The brownouts that `client` is in, or that begin for it within the time of notice."""
        identity = identity_of(client)
        found: list[Announcement] = []
        for one in self._browning(features):
            if self.is_dry(one.feature) or _covered(self.exempt, client, one.feature):
                continue
            window = one.next_hit(identity, at=at, by=at + self.notice_s)
            if window is not None:
                found.append(Announcement(feature=one.feature, window=window))
        return tuple(sorted(found, key=lambda one: (one.window.begins_s, one.feature)))

    def changes_at(self, features: Iterable[str], *, at: float) -> float:
        """The time at which `objections` or `announcements` may next differ, in Unix seconds; infinity for never."""
        times = (
            time
            for one in self._browning(features)
            for time in (one.changes_at(at), _begins(one.window_after(at + self.notice_s)) - self.notice_s)
        )
        return min(times, default=math.inf)

    def _browning(self, features: Iterable[str]) -> Iterable[Brownout]:
        wanted = set(features)
        return (
            one
            for one in self.brownouts
            if one.feature in wanted and self.stage_of(one.feature) in _STAGES_OF_BROWNOUTS
        )

    def _of_feature(self, client: LegacyClient, identity: Identity, feature: str, at: float) -> Iterable[Objection]:
        is_dry = self.is_dry(feature)
        if _covered(self.deny, client, feature):
            yield Objection(feature=feature, reason=Reason.DENIED, is_dry=is_dry)
            return
        if _covered(self.exempt, client, feature):
            return
        reason = _REASONS.get(self.stage_of(feature))
        if reason is not None:
            yield Objection(feature=feature, reason=reason, is_dry=is_dry)
        for one in self._browning([feature]):
            window = one.window_at(at)
            if window is not None and one.hits(identity, window):
                yield Objection(
                    feature=feature, reason=Reason.BROWNOUT, is_dry=is_dry, status=one.status, window=window
                )


_STAGES_OF_BROWNOUTS: Final = frozenset({Stage.BROWNOUT, Stage.REFUSE_NEW})
"""Before them nothing is refused, and after them everything is."""

_REASONS: Final[Mapping[Stage, Reason]] = {Stage.REFUSE_NEW: Reason.REFUSE_NEW, Stage.GONE: Reason.GONE}


def _covered(rules: tuple[ScopedRule, ...], client: LegacyClient, feature: str) -> bool:
    return any(one.covers(client, feature) for one in rules)


def _begins(window: Window | None) -> float:
    return math.inf if window is None else window.begins_s
