"""The refusals of a deprecation gate. Rule: each says what ended, what takes its place, and where that is."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import msgspec

from mcp_bridges.deprecation.decisions.enforcement import Enforcement, Objection, Reason
from mcp_bridges.deprecation.decisions.policy import Links, Policy
from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.decisions.schedule import Window
from mcp_bridges.gate.features import FeatureId, revision_feature
from mcp_bridges.gate.port import ANSWERED, Refusal, Sighting
from mcp_runtime.protocol.errors import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    UNSUPPORTED_PROTOCOL_VERSION,
)
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS, MODERN_REVISIONS

CODES: Final[Mapping[str, int]] = MappingProxyType(
    {
        FeatureId.BATCH: INVALID_REQUEST,
        FeatureId.INCLUDE_CONTEXT: INVALID_PARAMS,
        FeatureId.DYNAMIC_CLIENT_REGISTRATION: INVALID_REQUEST,
        FeatureId.RESOURCE_SUBSCRIPTION: METHOD_NOT_FOUND,
        FeatureId.SET_LEVEL: METHOD_NOT_FOUND,
        FeatureId.PING: METHOD_NOT_FOUND,
        FeatureId.ROOTS: METHOD_NOT_FOUND,
        FeatureId.SAMPLING: METHOD_NOT_FOUND,
        FeatureId.LOGGING: METHOD_NOT_FOUND,
        FeatureId.EXPERIMENTAL_TASKS: METHOD_NOT_FOUND,
    }
)
"""JSON-RPC codes of features that are less than a way to speak; for those, -32022 makes a client of both eras move."""

_SAYS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.DENIED: "No longer served to this client: {title}",
        Reason.GONE: "No longer served here: {title}",
        Reason.REFUSE_NEW: "No longer served to new sessions: {title}",
        Reason.BROWNOUT: "Refused until {until}, because it ends on {sunset}: {title}",
    }
)


class Refusals(msgspec.Struct, frozen=True, kw_only=True):
    """A maker of refusals. `message` is the operator's own text, which follows ours; empty for none."""

    policy: Policy
    enforcement: Enforcement
    links: Links
    message: str = ""

    def refusal(self, objection: Objection, sighting: Sighting, at: float) -> Refusal:
        """The refusal of `sighting` for the sake of `objection`, at `at` in Unix seconds."""
        feature = FEATURES[objection.feature]
        sunset = self.policy.sunset(feature.id).isoformat()
        window = objection.window
        said = _SAYS[objection.reason].format(title=feature.title, sunset=sunset, until=_time(window))
        instead = f"Instead: {feature.replacement}, at {self.links.replacement_url}"
        code = CODES.get(feature.id, UNSUPPORTED_PROTOCOL_VERSION)
        status = ANSWERED if code == METHOD_NOT_FOUND else objection.status
        is_for_now = window is not None and status == _UNAVAILABLE
        return Refusal(
            status=status,
            code=code,
            message=". ".join(part for part in (said, instead, self.message) if part),
            data={
                "supported": self._supported(objection, sighting),
                "requested": sighting.revision or "",
                "feature": feature.id,
                "reason": objection.reason.name.lower(),
                "replacement": feature.replacement,
                "replacementUrl": self.links.replacement_url,
                "documentationUrl": self.links.documentation_of(feature.id),
                "sunset": sunset,
            },
            retry_after_s=max(1, math.ceil(window.ends_s - at)) if window is not None and is_for_now else None,
        )

    def _supported(self, objection: Objection, sighting: Sighting) -> list[str]:
        """The revisions that this client can still open a conversation in."""
        enforcement = self.enforcement
        shut = {f for f in FEATURES if enforcement.is_closed(f)} | {objection.feature}
        if objection.reason is Reason.DENIED:
            shut |= set(sighting.features)
        if FeatureId.HANDSHAKE in shut:
            return list(MODERN_REVISIONS)
        return [*MODERN_REVISIONS, *(old for old in LEGACY_REVISIONS if revision_feature(old) not in shut)]


_UNAVAILABLE: Final = 503


def _time(window: Window | None) -> str:
    return "" if window is None else f"{datetime.fromtimestamp(window.ends_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
