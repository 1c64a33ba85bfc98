"""Who may still use the past. Rule: a bridge asks once for each HTTP request or message, and does what it is told.

What a gate knows (posture, deprecation, brownouts) is its own business; a bridge only says what it has seen.
"""

from typing import Final, Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from mcp_runtime.telemetry.labels import TransportName

HeaderFields = tuple[tuple[bytes, bytes], ...]
"""HTTP headers, names in lower case."""


class LegacyClient(Struct, frozen=True, kw_only=True, cache_hash=True):
    """Who speaks an older revision, as far as that shows; a part that does not show is None.

    `name` and `version` are the `clientInfo` of its `initialize`; `user_agent` its HTTP header; `principal` who was
    authenticated; `peer` its network address.
    """

    transport: TransportName
    name: str | None = None
    version: str | None = None
    user_agent: str | None = None
    principal: str | None = None
    peer: str | None = None

    def named(self, name: str, version: str) -> "LegacyClient":
        """The same client with the name and version that it gave, where it gave any."""
        return replace(self, name=name or None, version=version or None)


class Sighting(Struct, frozen=True, kw_only=True):
    """One use of the past: by whom, in which revision (None before it is agreed on), and which features of it.

    `features` are ids such as "transport.session_id". `method` is the JSON-RPC method, None for a GET, a DELETE or a
    response. `opening` is True where a session would begin: an `initialize`, or a GET of HTTP+SSE. `preliminary` is
    True where the client says who it is with what follows: evidence of such a use is kept only where it is refused.
    """

    client: LegacyClient
    revision: str | None
    features: tuple[str, ...]
    method: str | None = None
    opening: bool = False
    preliminary: bool = False


UseOutcome = Literal["served", "refused", "would_refuse"]
"""What became of a sighting; "would_refuse" was served, because refusing was only tried out."""

ANSWERED: Final = 200
"""The status of a refusal of one method: it is that method's answer, and the conversation goes on.

Old SDKs end the whole session, or wait for ever, at any other.
"""


class Refusal(Struct, frozen=True, kw_only=True):
    """No: the HTTP status, and the JSON-RPC error (`code`, `message`, `data`) that says why and where to go instead."""

    status: int
    code: int
    message: str
    data: object = None
    retry_after_s: int | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """What becomes of a sighting: served, or refused where `refusal` says so, with these HTTP headers either way."""

    refusal: Refusal | None = None
    headers: HeaderFields = ()


SERVE = Verdict()
"""Serve it, and say nothing."""


class Gate(Protocol):
    """Decides on sightings."""

    def admit(self, sighting: Sighting) -> Verdict:
        """What becomes of `sighting`. Called on the event loop for every use of the past: it never waits."""
        ...
