"""Who is one client, and how much of it may be written down. Rule: an address never leaves here whole."""

from ipaddress import ip_address, ip_network
from typing import Final

from mcp_bridges.gate import LegacyClient

Identity = tuple[str, str | None, str | None, str | None, str | None]
"""What makes two sightings the same client: transport, principal, name, version, user agent."""

# What an access network hands to one household or office at most: RFC 6177 for IPv6, a common subnet for IPv4.
_NETWORK_BITS: Final = {4: 24, 6: 48}


def identity_of(client: LegacyClient) -> Identity:
    """All of it together: most SDKs call themselves `mcp/0.1.0`, so that a name alone names nobody.

    The address is no part of it: it changes as a laptop moves.
    """
    return (client.transport, client.principal, client.name, client.version, client.user_agent)


def network_of(peer: str | None) -> str | None:
    """The network that an address is in, such as 192.0.2.0/24; None where `peer` is no address."""
    try:
        # A scope ("%eth0") names an interface of this machine.
        address = ip_address((peer or "").partition("%")[0])
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    return str(ip_network((address, _NETWORK_BITS[address.version]), strict=False))
