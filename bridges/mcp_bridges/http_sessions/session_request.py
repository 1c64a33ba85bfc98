"""A request in an old session, over HTTP. Rule: whose it is and what it may use is settled before its body is.

Spec: 2025-11-25/basic/transports#session-management
"""

from typing import Final

from msgspec import Struct

from mcp_bridges.gate.features import FeatureId, revision_feature
from mcp_bridges.gate.port import LegacyClient, Sighting
from mcp_bridges.sessions.session import Session
from mcp_bridges.sessions.session_state import SessionState
from mcp_runtime.transports.http.bridge_port import LegacyExchange

SESSION_ID: Final = b"mcp-session-id"


class SessionRequest(Struct, frozen=True, kw_only=True):
    """One HTTP request in `session`, which stands at `state`, from `client`."""

    exchange: LegacyExchange
    session: Session
    client: LegacyClient
    state: SessionState

    def sighting(self, *features: str, method: str | None = None) -> Sighting:
        """This use of the session, and of `features` beside."""
        return Sighting(
            client=self.client,
            revision=self.session.revision,
            features=(FeatureId.SESSION_ID, *features, revision_feature(self.session.revision)),
            method=method,
        )
