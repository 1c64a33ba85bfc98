"""Network addresses as values. Rule: one address has one value, however a socket or a proxy writes it."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_of(text: str) -> Address | None:
    """The IP address in `text`, None where it is a name, a Unix socket, or nothing of the kind.

    A scope ("%eth0") names an interface of this machine, and is left out. IPv4 that a socket for both families shows
    as ::ffff:192.0.2.7 is IPv4.
    """
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
