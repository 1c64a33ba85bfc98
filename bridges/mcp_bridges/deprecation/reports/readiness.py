"""The readiness to retire a feature: who would be affected. Rule: no evidence is not evidence of nobody.

A ledger that has not watched for the whole time cannot say that nobody would miss a feature, and does not.
"""

from datetime import date

import msgspec

from mcp_bridges.deprecation.ledger.schema import MESSAGE
from mcp_bridges.deprecation.reports.evidence import Client, Evidence, Used
from mcp_bridges.deprecation.reports.prospects import Prospect, prospects_of


class AffectedClient(msgspec.Struct, frozen=True, kw_only=True):
    """A client that would be refused."""

    client: Client
    used: Used
    """Its calls that used the feature."""
    messages: int
    """All its legacy messages in that time."""
    prospect: Prospect


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """The readiness to retire `feature`, by the evidence of some days."""

    feature: str
    affected: tuple[AffectedClient, ...]
    """The most frequent first."""
    covered: bool
    """Whether enough of the time was watched, as `Evidence` has it."""
    watched_since: date | None
    watched_days: int
    days: int

    @property
    def is_ready(self) -> bool:
        """Whether nobody was seen, by somebody who was looking."""
        return self.covered and not self.affected


def readiness(evidence: Evidence, feature: str) -> Readiness:
    """The readiness to retire `feature`, by who used it in the time that `evidence` is of."""
    prospects = prospects_of(evidence)
    messages = evidence.users_of(MESSAGE)
    affected = [
        AffectedClient(
            client=evidence.clients[key],
            used=used,
            messages=max(messages[key].calls if key in messages else 0, used.calls),
            prospect=prospects[key],
        )
        for key, used in evidence.users_of(feature).items()
    ]
    return Readiness(
        feature=feature,
        affected=tuple(sorted(affected, key=lambda one: (-one.used.calls, one.client.key))),
        covered=evidence.is_covered,
        watched_since=evidence.watched_since,
        watched_days=evidence.watched_days,
        days=evidence.days,
    )
