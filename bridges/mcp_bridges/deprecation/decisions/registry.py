"""The registry of features on their way out. Rule: a row says what the specification says, and where it says it.

When an operator stops serving a feature is another matter: `policy.py`.
Spec: 2026-07-28/deprecated, 2026-07-28/changelog
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import msgspec

from mcp_bridges.gate.features import FeatureId, revision_feature

_SPEC: Final = "https://modelcontextprotocol.io/specification/"


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """A feature: one row of the registry."""

    id: str
    """The name that sightings have for it."""
    title: str
    replacement: str
    deprecated_in: str
    """The revision that deprecated it, or the first one without it."""
    source: str
    """The SEP or pull request that decided so."""
    spec_url: str
    """The page that tells."""
    earliest_removal: date | None = None
    """The day from which a new revision may come without it: None where 2026-07-28, or one before it, already has."""

    @property
    def deprecated_at(self) -> datetime:
        """The release of `deprecated_in`: the start of that day, UTC."""
        return datetime.combine(date.fromisoformat(self.deprecated_in), datetime.min.time(), tzinfo=UTC)


# Twelve months, the policy's shortest window, after 2026-07-28 first marked them.
_A_YEAR_AFTER_2026_07_28: Final = date(2027, 7, 28)
# Three months after SEP-2596 became Final on 2026-06-03: its "Transition" counts from there, not from a revision.
_THREE_MONTHS_AFTER_SEP_2596: Final = date(2026, 9, 3)


_ROWS: Final = (
    Feature(
        id=FeatureId.HTTP_SSE,
        title="the HTTP+SSE transport",
        replacement="Streamable HTTP",
        deprecated_in="2025-03-26",
        source="SEP-2596",
        spec_url=f"{_SPEC}2026-07-28/deprecated",
        earliest_removal=_THREE_MONTHS_AFTER_SEP_2596,
    ),
    Feature(
        id=FeatureId.HANDSHAKE,
        title="initialize and notifications/initialized",
        replacement="version and capabilities in the _meta of every request; server/discover",
        deprecated_in="2026-07-28",
        source="SEP-2575",
        spec_url=f"{_SPEC}2026-07-28/basic/versioning#backward-compatibility-with-initialization-based-versions",
    ),
    Feature(
        id=FeatureId.SESSION_ID,
        title="sessions and the Mcp-Session-Id header",
        replacement="requests that stand alone; handles as tool arguments where calls share state",
        deprecated_in="2026-07-28",
        source="SEP-2567",
        spec_url=f"{_SPEC}2026-07-28/basic/transports/streamable-http#earlier-streamable-http-revisions",
    ),
    Feature(
        id=FeatureId.GET_STREAM,
        title="GET of a stream for what the server sends unasked",
        replacement="subscriptions/listen",
        deprecated_in="2026-07-28",
        source="SEP-2575",
        spec_url=f"{_SPEC}2026-07-28/basic/transports/streamable-http#earlier-streamable-http-revisions",
    ),
    Feature(
        id=FeatureId.RESUMPTION,
        title="resuming a stream with Last-Event-ID",
        replacement="sending the request again, under a new id",
        deprecated_in="2026-07-28",
        source="SEP-2575",
        spec_url=f"{_SPEC}2026-07-28/basic/transports/streamable-http#earlier-streamable-http-revisions",
    ),
    Feature(
        id=FeatureId.BATCH,
        title="JSON-RPC batches",
        replacement="one message in each request",
        deprecated_in="2025-06-18",
        source="PR #416",
        spec_url=f"{_SPEC}2025-06-18/changelog#major-changes",
    ),
    Feature(
        id=FeatureId.RESOURCE_SUBSCRIPTION,
        title="resources/subscribe and resources/unsubscribe",
        replacement="subscriptions/listen with resourceSubscriptions",
        deprecated_in="2026-07-28",
        source="SEP-2575",
        spec_url=f"{_SPEC}2026-07-28/basic/patterns/subscriptions",
    ),
    Feature(
        id=FeatureId.SET_LEVEL,
        title="logging/setLevel",
        replacement="io.modelcontextprotocol/logLevel in the _meta of a request",
        deprecated_in="2026-07-28",
        source="SEP-2575",
        spec_url=f"{_SPEC}2026-07-28/server/utilities/logging#per-request-log-level",
    ),
    Feature(
        id=FeatureId.PING,
        title="ping",
        replacement="any request, or what the transport has: keep-alives, the state of the process",
        deprecated_in="2026-07-28",
        source="SEP-2575",
        spec_url=f"{_SPEC}2026-07-28/changelog#major-changes",
    ),
    Feature(
        id=FeatureId.ROOTS,
        title="Roots",
        replacement="tool parameters, resource URIs or the server's configuration",
        deprecated_in="2026-07-28",
        source="SEP-2577",
        spec_url=f"{_SPEC}2026-07-28/deprecated",
        earliest_removal=_A_YEAR_AFTER_2026_07_28,
    ),
    Feature(
        id=FeatureId.SAMPLING,
        title="Sampling",
        replacement="the API of a model provider",
        deprecated_in="2026-07-28",
        source="SEP-2577",
        spec_url=f"{_SPEC}2026-07-28/deprecated",
        earliest_removal=_A_YEAR_AFTER_2026_07_28,
    ),
    Feature(
        id=FeatureId.LOGGING,
        title="Logging",
        replacement="standard error on stdio; OpenTelemetry",
        deprecated_in="2026-07-28",
        source="SEP-2577",
        spec_url=f"{_SPEC}2026-07-28/deprecated",
        earliest_removal=_A_YEAR_AFTER_2026_07_28,
    ),
    Feature(
        id=FeatureId.INCLUDE_CONTEXT,
        title='includeContext "thisServer" and "allServers"',
        replacement='no includeContext, or "none"',
        deprecated_in="2025-11-25",
        source="SEP-2596",
        spec_url=f"{_SPEC}2026-07-28/deprecated",
        # "Follows Sampling": removed with it at the latest, on no clock of its own.
        earliest_removal=_A_YEAR_AFTER_2026_07_28,
    ),
    Feature(
        id=FeatureId.DYNAMIC_CLIENT_REGISTRATION,
        title="OAuth 2.0 Dynamic Client Registration",
        replacement="Client ID Metadata Documents",
        deprecated_in="2026-07-28",
        source="PR #2858",
        spec_url=f"{_SPEC}2026-07-28/deprecated",
        earliest_removal=_A_YEAR_AFTER_2026_07_28,
    ),
    Feature(
        id=FeatureId.EXPERIMENTAL_TASKS,
        title="the experimental tasks of 2025-11-25",
        replacement="the extension io.modelcontextprotocol/tasks",
        deprecated_in="2026-07-28",
        source="SEP-2663",
        spec_url=f"{_SPEC}2026-07-28/changelog#major-changes",
    ),
)


def _revision(revision: str, successor: str) -> Feature:
    # The specification deprecates features, not revisions: an old one is "Final", and what came after it says what
    # changed. A revision's row is for what a client speaks, whatever it uses of it.
    return Feature(
        id=revision_feature(revision),
        title=f"revision {revision}",
        replacement="revision 2026-07-28",
        deprecated_in=successor,
        source=f"superseded by {successor}",
        spec_url=f"{_SPEC}{successor}/changelog",
    )


_REVISIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")

FEATURES: Final[Mapping[str, Feature]] = MappingProxyType(
    {
        row.id: row
        for row in (
            *_ROWS,
            *(_revision(old, new) for old, new in pairwise(_REVISIONS)),
        )
    }
)
"""Every feature on its way out, by id."""
