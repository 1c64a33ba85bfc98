"""The trusted proxies, and the client that they speak for. Rule: of what a header lists, only what they added counts.

Each proxy puts the address that it heard from at the end. So the list is read from there, and the first address that is
no trusted proxy is the client's: what stands before it, the client may have written. It is read by commas alone, quoted
or not: a quote that a client opens cannot swallow what a proxy puts after it. RFC 7239
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from mcp_runtime.platform.addresses import address_of
from mcp_runtime.platform.shares import address_key

UNIX: Final = "unix"
"""What the configuration calls the peers of Unix sockets."""
_FORWARDED: Final = b"forwarded"
_MAX_HOPS: Final = 32
"""Entries that are looked at; nobody has so many proxies."""
_MAX_ENTRY_BYTES: Final = 512
"""A longer entry names nobody."""
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE: Final = rb'(?:[^\s";,]+|"(?:[^"\\]|\\.)*")'  # Some proxies write [IPV6]:PORT without quotes.
_PAIR: Final = re.compile(rb"\s*(" + _TOKEN + rb")=(" + _VALUE + rb")\s*(?:;|$)")
_PORT: Final = re.compile(r"(?::(?:\d{1,5}|_[\w.-]+))?")


class TrustedProxies:
    """The proxies at `places` (addresses, networks, "unix"), which name the client in the field `header`."""

    def __init__(self, places: Iterable[str], header: str) -> None:
        self._trusts_unix = UNIX in places
        self._networks = [ipaddress.ip_network(place, strict=False) for place in places if place != UNIX]
        self._header = header.lower().encode()
        self._is_trusted = lru_cache(maxsize=4096)(self._is_in_networks)

    def seen_through(self, scope: Any) -> Any:
        """The ASGI `scope`, its "client" the one that a trusted proxy speaks for; None where that names nobody."""
        client = scope.get("client")
        if not self._trusts(client[0] if client else None):
            return scope
        found = self._named(scope["headers"])
        return {**scope, "client": None if found is None else (found, 0)}

    def socket_key(self, peer: str | None) -> str | None:
        """The key of whoever is at the other end of a socket, as `address_key`: a proxy stands for many."""
        return None if self._trusts(peer) else address_key(peer)

    def _trusts(self, peer: str | None) -> bool:
        # Servers say of a Unix socket that there is no client, or one without an address.
        is_unix = not peer or peer.startswith(("/", "unix:"))
        return self._trusts_unix if is_unix else self._is_trusted(peer)

    def _named(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        read = _node if self._header == _FORWARDED else bytes.strip
        for number, entry in enumerate(self._entries(headers)):
            if number >= _MAX_HOPS or len(entry) > _MAX_ENTRY_BYTES:
                return None
            address = _address(read(entry))
            if address is None or not self._is_trusted(address):
                return address
        return None

    def _entries(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
        """The entries of all fields, the last one first. One that is longer than the bound is the rest."""
        values = [value for name, value in headers if name == self._header]
        for value in reversed(values):
            yield from reversed(value.rsplit(b",", _MAX_HOPS))

    def _is_in_networks(self, address: str) -> bool:
        found = address_of(address)
        return found is not None and any(found in network for network in self._networks)


def _node(entry: bytes) -> bytes:
    """The node that is "for" in an entry of `Forwarded`; empty where there is none, or more than one, or a mistake."""
    found, at = b"", 0
    while at < len(entry):
        pair = _PAIR.match(entry, at)
        if pair is None:
            return b""
        if pair[1].lower() == b"for":
            if found:
                return b""
            found = pair[2]
        at = pair.end()
    return re.sub(rb"\\(.)", rb"\1", found[1:-1]) if found[:1] == b'"' else found


def _address(node: bytes) -> str | None:
    """The address of a node: IPv4 or IPv6, with a port or without; None for all else, such as "unknown"."""
    text = node.decode("latin-1")
    host, port = text, ""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket:
            return None
    elif text.count(":") == 1:
        host, colon, port = text.partition(":")
        port = colon + port
    if _PORT.fullmatch(port) is None or "%" in host:  # A scope is of the proxy's own links, and may be any text.
        return None
    found = address_of(host)
    return None if found is None else str(found)
