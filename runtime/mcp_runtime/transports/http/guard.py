"""The guard: who may talk to the endpoint from a browser. Rule: Host and Origin decide, and no body is read before.

A page on the internet can make its own name point at 127.0.0.1 (DNS rebinding); its Host and Origin give it away.
Spec: 2026-07-28/basic/transports/streamable-http#security-endpoint
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from mcp_runtime.transports.http.direct import Fields
from mcp_runtime.transports.http.request import HttpRefusalError

ONCE: Final = frozenset({b"host", b"origin", b"content-type", b"authorization"})
"""Headers that decide who may do what. Of two, whoever stands in front may have looked at the other one."""
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_CORS_REQUEST_HEADERS: Final = (
    b"accept, authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id"
)
_CORS_EXPOSED_HEADERS: Final = b"mcp-session-id"
"""Beyond those that pages may read anyway: without its session id no page gets further than `initialize`."""
_CORS_MAX_AGE_S: Final = b"600"
_AUTHORITY: Final = re.compile(r"(?P<name>[a-z0-9._\-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
"""RFC 3986 3.2.2 without what no browser sends: user names, escapes, or an address of a later kind."""
_MAX_PORT: Final = 65_535
_MAX_KNOWN_HOSTS: Final = 64
"""Clients spell a host in few ways; what they make up is not worth remembering."""


class Guard:
    """The check of names and origins: those this server goes by, and those it answers to.

    `allowed_hosts` are names, with a port or without, "*.example.com" for a domain's subdomains, "*" for any; loopback
    names and `bind_hosts` are always allowed. `allowed_origins` are full origins ("https://app.example.com"), "*" for
    any, beyond those whose host is allowed. `cors` lets browsers read the answers.
    """

    def __init__(
        self, *, allowed_hosts: Sequence[str], bind_hosts: Iterable[str], allowed_origins: Sequence[str], cors: bool
    ) -> None:
        names = {host.lower() for host in allowed_hosts}
        self._any_host = "*" in names
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))
        self._hosts = {name.strip("[]") if name.endswith("]") else name for name in names - {"*"}}
        self._hosts |= LOOPBACK_HOSTS | {host.lower() for host in bind_hosts}
        self._origins = {origin.lower().rstrip("/") for origin in allowed_origins}
        self._any_origin = "*" in self._origins
        self._cors = cors
        self._known_hosts: set[bytes | None] = set()

    def check(self, host: bytes | None, origin: bytes | None) -> None:
        """Raises HttpRefusalError 403 or 421 for a request with these two headers that is not to be answered."""
        if origin is not None and not self.allows_origin(origin):
            raise HttpRefusalError(403, "Origin is not allowed; the operator can add it to http.allowed_origins")
        if host not in self._known_hosts and not self.allows_host(host):
            raise HttpRefusalError(421, "Host is not served here; the operator can add it to http.allowed_hosts")

    def allows_host(self, host: bytes | None) -> bool:
        """Whether a request with this Host header is meant for this server."""
        if self._any_host:
            return True
        if host is None or not self._allows_authority(host.decode("latin-1").lower()):
            return False
        if len(self._known_hosts) < _MAX_KNOWN_HOSTS:
            self._known_hosts.add(host)
        return True

    def allows_origin(self, origin: bytes | None) -> bool:
        """Whether a request with this Origin header may be answered; without one no browser is involved."""
        if origin is None or self._any_origin:
            return True
        text = origin.decode("latin-1").lower()
        if text in self._origins:
            return True
        scheme, separator, authority = text.partition("://")
        # "*" in allowed_hosts says nothing about origins: it is what an operator behind a proxy sets.
        return bool(separator) and scheme in ("http", "https") and self._allows_authority(authority)

    def _allows_authority(self, text: str) -> bool:
        """Whether `text`, in lower case, is a host and optional port that this server goes by."""
        found = _AUTHORITY.fullmatch(text)
        if found is None or (found["port"] and int(found["port"]) > _MAX_PORT):
            return False
        name = found["name"].strip("[]")
        return name in self._hosts or text in self._hosts or (bool(self._suffixes) and name.endswith(self._suffixes))

    def response_headers(self, origin: bytes | None) -> Fields:
        """What lets the page at `origin` read the answer; nothing unless CORS is on."""
        if not self._cors or origin is None or not self.allows_origin(origin):
            return ()
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _CORS_EXPOSED_HEADERS),
            (b"vary", b"origin"),
        )

    def preflight_headers(self, origin: bytes | None, requested: bytes) -> Fields | None:
        """The answer to a CORS preflight that asks for the headers `requested`, None where there is none to give."""
        if not self._cors or origin is None:
            return None
        names = [name.strip().lower() for name in requested.split(b",")]
        extra = b"".join(b", " + name for name in names if name.startswith(b"mcp-param-"))
        return (
            *self.response_headers(origin),
            (b"access-control-allow-methods", b"POST, GET, DELETE"),
            (b"access-control-allow-headers", _CORS_REQUEST_HEADERS + extra),
            (b"access-control-max-age", _CORS_MAX_AGE_S),
        )


def check_once(fields: Sequence[tuple[bytes, bytes]]) -> None:
    """Raises HttpRefusalError 400 where a header that decides who may do what comes twice. RFC 9112 3.2"""
    seen: set[bytes] = set()
    for name, _ in fields:
        if name in ONCE and name in seen:
            raise HttpRefusalError(400, f"The header {name.decode()} may come only once")
        seen.add(name)
