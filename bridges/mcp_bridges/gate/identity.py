"""The identity of a client: the facts that make two sightings the same client, for evidence and for refusals alike.

Rule: whoever counts, logs or refuses by client does so by this one identity, and an address never leaves here whole
unless the operator allows it.

Most SDKs announce the same name and version whatever program they are in, so those alone name nobody: the principal,
the user agent and the transport belong to it. An address may change with every request and may be personal data, so it
stands beside. Only of an anonymous client, which has nothing better to be told by, its network is a part.
"""

import hashlib
import ipaddress
from typing import Final, Literal, NamedTuple

from mcp_bridges.gate.port import LegacyClient
from mcp_runtime.platform.addresses import address_of
from mcp_runtime.telemetry.labels import TransportName

Addresses = Literal["full", "truncated", "hashed", "none"]
"""How much of a network address is kept: all, its network, a keyed hash of it, or nothing."""

SDK_DEFAULTS: Final = frozenset({("mcp", "0.1.0")})
"""Names and versions that an SDK announces for every program that sets none of its own.

"mcp", "0.1.0": the Python SDK, in its versions 1 and 2 alike. python-sdk `src/mcp/client/session.py`, 2026-08-20
"""

UNKNOWN_NETWORK: Final = "unknown"
"""The network of a peer that is no IP address: a Unix socket, or a name that a proxy made up."""

_MAX_CHARS: Final = 200
"""Of each fact that a client states: real ones are far shorter, and a made-up one must not fill the file."""
_PREFIX_BITS: Final = {4: 24, 6: 48}
"""An access network hands about so much to one household or office (RFC 6177 for IPv6); less is close to one person."""
_HASH_BYTES: Final = 8
_MIN_KEY_BYTES: Final = 16


class Identity(NamedTuple):
    """The identity of one client: a row of the ledger. A fact that does not show is an empty text."""

    principal: str
    name: str
    version: str
    user_agent: str
    transport: TransportName
    network: str = ""
    """Empty unless the client is anonymous."""

    @property
    def key(self) -> str:
        """The id of this identity: 32 hexadecimal digits, the same in every process and at every time."""
        # No fact holds a NUL, so no two identities run together.
        shown = self if self.network else self[:-1]
        return hashlib.blake2b("\0".join(shown).encode(), digest_size=16).hexdigest()

    @property
    def label(self) -> str:
        """A name for people, never empty."""
        announced = f"{self.name}/{self.version}" if self.name and self.version else self.name
        return announced or self.user_agent or self.principal or f"a client on {self.transport}"

    @property
    def is_anonymous(self) -> bool:
        """Whether many programs may look like this: nobody was authenticated, the name is an SDK's or none at all."""
        return not self.principal and (not self.name or (self.name, self.version) in SDK_DEFAULTS)


def identity_of(client: LegacyClient) -> Identity:
    """The identity of `client`, with every fact printable and of bounded length."""
    found = Identity(
        principal=_plain(client.principal),
        name=_plain(client.name),
        version=_plain(client.version),
        user_agent=_plain(client.user_agent),
        transport=client.transport,
    )
    return found._replace(network=network_of(client.peer)) if found.is_anonymous else found


def overflow(transport: TransportName) -> Identity:
    """The identity of every client past the number that the ledger keeps apart in a day."""
    return Identity(principal="", name="(more clients)", version="", user_agent="", transport=transport)


def network_of(peer: str | None) -> str:
    """The network that an address is in, such as 192.0.2.0/24; empty where there is no peer."""
    if not peer:
        return ""
    found = address_of(peer)
    if found is None:
        return UNKNOWN_NETWORK  # Nothing in it can be cut off safely.
    return str(ipaddress.ip_network((found, _PREFIX_BITS[found.version]), strict=False))


class AddressPrivacy:
    """A rule for what of a peer's address may be kept. `key` is for "hashed": 16 to 64 secret bytes.

    Without the key a hash cannot be undone by trying all addresses, which for IPv4 would take a minute. The same
    address has the same hash as long as the key is the same.
    """

    def __init__(self, addresses: Addresses, *, key: bytes = b"") -> None:
        if addresses == "hashed" and len(key) < _MIN_KEY_BYTES:
            raise ValueError(f"hashed addresses need a key of {_MIN_KEY_BYTES} bytes or more")
        self._addresses: Addresses = addresses
        self._key = key

    def network(self, peer: str | None) -> str:
        """The part of `peer` that is kept; empty where nothing is. Never fails, whatever a proxy has put there."""
        if peer is None or self._addresses == "none":
            return ""
        if self._addresses == "full":
            return _plain(peer)
        return network_of(peer) if self._addresses == "truncated" else self._hash(_canonical(peer))

    def identity(self, client: LegacyClient) -> Identity:
        """The identity of `client` with no more in it than may be kept."""
        found = identity_of(client)
        if not found.network or self._addresses in {"full", "truncated"}:
            return found
        return found._replace(network="" if self._addresses == "none" else self._hash(found.network))

    def _hash(self, text: str) -> str:
        digest = hashlib.blake2b(text.encode(), key=self._key, digest_size=_HASH_BYTES, person=b"ledger address")
        return digest.hexdigest()


def _plain(text: str | None) -> str:
    if not text:
        return ""
    short = text[:_MAX_CHARS]
    # Lone surrogates are not printable either, and could not be stored.
    return (
        short
        if short.isprintable()
        else "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in short)
    )


def _canonical(peer: str) -> str:
    found = address_of(peer)
    return _plain(peer) if found is None else str(found)
