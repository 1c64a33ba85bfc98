"""Shares: what one client may hold of something that all clients use. Rule: half of what the others leave, and no more.

So a client alone gets half, and whoever comes next still finds something. A client without a key has no share: for it
the total alone holds. That is so of peers that stand for many, such as a proxy on this machine.
"""

from functools import lru_cache
from typing import Final

_CLIENT_PREFIX_BITS: Final = 64
"""Of an IPv6 address: one household has at least so much to itself (RFC 6177), and may change the rest at will."""


@lru_cache(maxsize=4096)
def address_key(peer: str | None) -> str | None:
    """The key of the client at a network address: an IPv4 address, or the /64 of an IPv6 one.

    None for peers that may stand for many clients, or for none: loopback, Unix sockets, names.
    """
    if not peer:
        return None
    import ipaddress  # a server on stdio reads this file too, and has no addresses

    try:
        # A scope ("%eth0") names an interface of this machine.
        found = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return None
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, _CLIENT_PREFIX_BITS), strict=False))


@lru_cache(maxsize=4096)
def share_key(principal: str | None, peer: str | None) -> str | None:
    """The key of a client: who it has proven to be, else where it comes from; None where it has no share."""
    # No address looks like this, whatever a principal calls itself.
    return address_key(peer) if principal is None else f"principal {principal}"


def share_of(total: int, *, by_others: int) -> int:
    """How many of `total` places one client may hold while the others hold so many."""
    # The last place may be taken whole: half of it is nothing.
    return max(1, (total - by_others) // 2)


class Shares:
    """The places of one kind, `total` of them, and which clients hold how many. Clients are told apart by key."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.held = 0
        """Places held by all clients together."""
        self._by_client: dict[str, int] = {}
        self._held_by_key = 0

    @property
    def is_full(self) -> bool:
        """Whether no place is left for anybody."""
        return self.held >= self.total

    def held_by(self, client: str | None) -> int:
        """How many places this client holds; 0 for one without a key, which is not counted for itself."""
        return 0 if client is None else self._by_client.get(client, 0)

    def most_for(self, client: str | None) -> int:
        """How many places this client may hold, those included that it holds now."""
        if client is None:
            return self.total - self._held_by_key
        by_others = self.held - self.held_by(client)
        return min(share_of(self.total, by_others=by_others), self.total - by_others)

    def has_room(self, client: str | None) -> bool:
        """Whether `take` would find a place for this client."""
        return self.held < self.total and (client is None or self.held_by(client) < self.most_for(client))

    def take(self, client: str | None, places: int = 1) -> bool:
        """Hold `places` more for this client, if its share and the total allow; whether they do."""
        if self.held + places > self.total:
            return False
        if client is not None:
            own = self._by_client.get(client, 0)
            if own + places > share_of(self.total, by_others=self.held - own):
                return False
            self._by_client[client] = own + places
            self._held_by_key += places
        self.held += places
        return True

    def give_back(self, client: str | None, places: int = 1) -> None:
        """Let go of `places` that this client has taken."""
        self.held -= places
        if client is None:
            return
        self._held_by_key -= places
        left = self._by_client[client] - places
        if left:
            self._by_client[client] = left
        else:
            del self._by_client[client]
