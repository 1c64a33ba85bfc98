"""The port to a gate, which decides on sightings. Rule: a bridge asks once for each HTTP request or message, and obeys.

What a gate knows (posture, deprecation, brownouts) is its own business; a bridge only says what it has seen.
"""

from typing import Final, Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from mcp_runtime.telemetry.labels import TransportName

HeaderFields = tuple[tuple[bytes, bytes], ...]
"""HTTP headers, names in lower case."""


class LegacyClient(Struct, frozen=True, kw_only=True, cache_hash=True):
    """A client of an older revision, as far as it shows; a part that does not show is None."""

    transport: TransportName
    name: str | None = None
    """As in the `clientInfo` of its `initialize`, and so is `version`."""
    version: str | None = None
    user_agent: str | None = None
    """Its HTTP header."""
    principal: str | None = None
    peer: str | None = None
    """Its network address."""

    def named(self, name: str, version: str) -> "LegacyClient":
        """The same client with the name and version that it gave, where it gave any."""
        return replace(self, name=name or None, version=version or None)


class Sighting(Struct, frozen=True, kw_only=True):
    """A sighting: one use of the past, as a bridge saw it."""

    client: LegacyClient
    revision: str | None
    """None before it is agreed on."""
    features: tuple[str, ...]
    """Ids, such as "transport.session_id"."""
    method: str | None = None
    """The JSON-RPC method, None for a GET, a DELETE or a response."""
    opening: bool = False
    """Whether a session would begin: an `initialize`, or a GET of HTTP+SSE."""
    preliminary: bool = False
    """Whether the client says who it is with what follows: evidence of such a use is kept only where it is refused."""


UseOutcome = Literal["served", "refused", "would_refuse"]
"""The outcome of a sighting; "would_refuse" was served, because refusing was only tried out."""

ANSWERED: Final = 200
"""The status of a refusal of one method: it is that method's answer, and the conversation goes on.

Old SDKs end the whole session, or wait for ever, at any other.
"""


class Refusal(Struct, frozen=True, kw_only=True):
    """A gate's no: an HTTP status, and the JSON-RPC error that says why and where to go instead."""

    status: int
    code: int
    message: str
    data: object = None
    retry_after_s: int | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """The gate's word on a sighting: served, or refused with `refusal`, and HTTP headers either way."""

    refusal: Refusal | None = None
    headers: HeaderFields = ()


SERVE = Verdict()
"""The verdict that serves, and says nothing."""


class Gate(Protocol):
    """The gate: decides on each sighting."""

    def admit(self, sighting: Sighting) -> Verdict:
        """The verdict on `sighting`. Called on the event loop for every use of the past: it never waits."""
        ...
