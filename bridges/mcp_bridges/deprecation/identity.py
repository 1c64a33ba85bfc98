"""Who a client is to the ledger. Rule: five facts make an identity; a network address stands beside it, never in it.

Most SDKs announce the same name and version whatever program they are in, so those alone name nobody: the principal,
the user agent and the transport belong to it. An address may change with every request and may be personal data, so it
is kept apart, and only as exactly as the operator allows.
"""

import hashlib
import ipaddress
from typing import Final, Literal, NamedTuple

from mcp_bridges.gate import LegacyClient
from mcp_runtime.labels import TransportName

Addresses = Literal["full", "truncated", "hashed", "none"]
"""How much of a network address is kept: all, its network, a keyed hash of it, or nothing."""

_MAX_CHARS: Final = 200
"""Of each fact that a client states: real ones are far shorter, and a made-up one must not fill the file."""
_PREFIX_BITS: Final = {4: 24, 6: 48}
"""What an operator of a network is usually given; narrower than that is close to one person."""
_HASH_BYTES: Final = 8
_MIN_KEY_BYTES: Final = 16


class Identity(NamedTuple):
    """One client, as one row of the ledger. What does not show is an empty text."""

    principal: str
    name: str
    version: str
    user_agent: str
    transport: TransportName

    @property
    def key(self) -> str:
        """The same in every process and at every time: 32 hexadecimal digits."""
        # No fact holds a NUL, so no two identities run together.
        return hashlib.blake2b("\0".join(self).encode(), digest_size=16).hexdigest()

    @property
    def label(self) -> str:
        """A name for people, never empty."""
        announced = f"{self.name}/{self.version}" if self.name and self.version else self.name
        return announced or self.user_agent or self.principal or f"a client on {self.transport}"


def identity_of(client: LegacyClient) -> Identity:
    """The identity of `client`, with every fact printable and of bounded length."""
    return Identity(
        principal=_plain(client.principal),
        name=_plain(client.name),
        version=_plain(client.version),
        user_agent=_plain(client.user_agent),
        transport=client.transport,
    )


def overflow(transport: TransportName) -> Identity:
    """Stands for every client past the number that the ledger keeps apart in a day."""
    return Identity(principal="", name="(more clients)", version="", user_agent="", transport=transport)


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


class AddressPrivacy:
    """Turns a peer's address into what may be kept of it. `key` is for "hashed": 16 to 64 secret bytes.

    Without the key a hash cannot be undone by trying all addresses, which for IPv4 would take a minute. The same
    address has the same hash as long as the key is the same.
    """

    def __init__(self, addresses: Addresses, *, key: bytes = b"") -> None:
        if addresses == "hashed" and len(key) < _MIN_KEY_BYTES:
            raise ValueError(f"hashed addresses need a key of {_MIN_KEY_BYTES} bytes or more")
        self._addresses: Addresses = addresses
        self._key = key

    def network(self, peer: str | None) -> str:
        """What is kept of `peer`; empty where nothing is. Never fails, whatever a proxy has put there."""
        if peer is None or self._addresses == "none":
            return ""
        if self._addresses == "full":
            return _plain(peer)
        if self._addresses == "truncated":
            return _truncated(peer)
        digest = hashlib.blake2b(
            _canonical(peer).encode(), key=self._key, digest_size=_HASH_BYTES, person=b"ledger address"
        )
        return digest.hexdigest()


def _address(peer: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        # A scope ("%eth0") names an interface of this machine.
        found = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _canonical(peer: str) -> str:
    found = _address(peer)
    return _plain(peer) if found is None else str(found)


def _truncated(peer: str) -> str:
    found = _address(peer)
    if found is None:
        # A Unix socket or a name that a proxy made up: nothing in it can be cut off safely.
        return "unknown"
    bare = found.packed[: _PREFIX_BITS[found.version] // 8].ljust(len(found.packed), b"\0")
    return f"{ipaddress.ip_address(bare)}/{_PREFIX_BITS[found.version]}"
