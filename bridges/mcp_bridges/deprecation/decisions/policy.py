"""The policy: the day on which each feature ends here, the phases until then, and where clients are sent.

Rule: dates are calendar days in UTC, and a month is a month of the calendar. A sunset is the first day without the
feature.
"""

import calendar
import enum
import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from mcp_bridges.deprecation.decisions.registry import FEATURES, Feature

DAY_S: Final = 86_400
HOUR_S: Final = 3_600
FEATURE_LIFECYCLE_URL: Final = "https://modelcontextprotocol.io/community/feature-lifecycle"
"""The specification's own policy."""


def day_of(at: float) -> date:
    """The UTC day of a time in Unix seconds."""
    return datetime.fromtimestamp(at, UTC).date()


def months_after(day: date, months: int) -> date:
    """`day` so many months later (or earlier, for less than zero): the same day of the month, or the month's last."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month0 + 1, min(day.day, calendar.monthrange(year, month0 + 1)[1]))


class Phase(enum.Enum):
    """A phase: how much is left of a feature's window."""

    ANNOUNCED = "announced"
    REMINDED = "reminded"
    URGENT = "urgent"
    FINAL = "final"
    PAST = "past"


MONTHS_BEFORE_SUNSET: Final[Mapping[Phase, int]] = MappingProxyType(
    {Phase.PAST: 0, Phase.FINAL: 1, Phase.URGENT: 3, Phase.REMINDED: 6}
)
"""A feature is in a phase when less than so many months are left; in the first of these that holds."""


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """The cadence of a log: a level of the standard library, and the least time between two lines of a stream."""

    level: int
    interval_s: int


CADENCES: Final[Mapping[Phase, Cadence]] = MappingProxyType(
    {
        Phase.ANNOUNCED: Cadence(level=logging.INFO, interval_s=DAY_S),
        Phase.REMINDED: Cadence(level=logging.WARNING, interval_s=DAY_S),
        Phase.URGENT: Cadence(level=logging.WARNING, interval_s=HOUR_S),
        Phase.FINAL: Cadence(level=logging.ERROR, interval_s=HOUR_S),
        Phase.PAST: Cadence(level=logging.ERROR, interval_s=HOUR_S),
    }
)
"""The cadence of each phase, unless the operator says otherwise: never quieter than the one before it."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's window, which begins when the end is announced, and the sunsets of features with their own."""

    announced: date = date(2026, 7, 28)
    window_months: int = 12
    sunsets: Mapping[str, date] = msgspec.field(default_factory=dict[str, date])

    def sunset(self, feature_id: str) -> date:
        """The first day without the feature. Raises KeyError for one that is not in the registry."""
        own = self.sunsets.get(FEATURES[feature_id].id)
        return months_after(self.announced, self.window_months) if own is None else own

    def days_left(self, feature_id: str, today: date) -> int:
        """Days on which it is still served, `today` among them; zero on the sunset, less than zero after it."""
        return (self.sunset(feature_id) - today).days

    def phase(self, feature_id: str, today: date) -> Phase:
        """The phase on `today`. A month before 31 March is the last day of February."""
        sunset = self.sunset(feature_id)
        if today >= sunset:
            return Phase.PAST
        return next(
            (phase for phase, months in MONTHS_BEFORE_SUNSET.items() if today > months_after(sunset, -months)),
            Phase.ANNOUNCED,
        )

    def begins(self, feature_id: str) -> dict[Phase, date]:
        """The first day of each phase from `announced` on, in their order; a short window begins in a late one."""
        sunset = self.sunset(feature_id)
        later = {
            phase: months_after(sunset, -months) + timedelta(days=1 if months else 0)
            for phase, months in sorted(MONTHS_BEFORE_SUNSET.items(), key=lambda item: -item[1])
        }
        return {self.phase(feature_id, self.announced): self.announced} | {
            phase: day for phase, day in later.items() if day > self.announced
        }

    def advice(self) -> list[str]:
        """The sentences on features whose sunset here and whose date in the specification part."""
        return [
            said for feature in FEATURES.values() if (said := _advice(feature, self.sunset(feature.id))) is not None
        ]


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """The links that clients of the past are given: URLs, or paths on this server."""

    documentation_url: str = ""
    """A page to read; empty for what the specification says of each feature."""
    sunset_url: str = FEATURE_LIFECYCLE_URL
    replacement_url: str = "/mcp"
    """The place to go instead."""

    def documentation_of(self, feature: str) -> str:
        """The page about the end of `feature`."""
        return self.documentation_url or FEATURES[feature].spec_url


def _advice(feature: Feature, sunset: date) -> str | None:
    earliest = feature.earliest_removal
    if earliest is None or sunset == earliest:
        return None
    ends = f"{feature.id} ends here on {sunset}"
    if sunset < earliest:
        return f"{ends}, but every revision has it until {earliest} at least ({feature.source})"
    return f"{ends}, but new revisions may come without it from {earliest} on ({feature.source})"
