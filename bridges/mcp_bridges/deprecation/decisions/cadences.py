"""The cadences of the log about the past: how loud and how often it is in each phase.

Rule: a phase is never quieter than the one before it, unless the operator says so.
"""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from mcp_bridges.deprecation.decisions.days import DAY_S, HOUR_S
from mcp_bridges.deprecation.decisions.policy import Phase


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """How loud and how often: a level of the standard library, and the least time between two lines of a stream."""

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
"""What each phase has, unless the operator says otherwise."""
