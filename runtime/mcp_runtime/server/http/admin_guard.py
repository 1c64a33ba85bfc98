"""The guard of the admin endpoints: who may see what. Rule: health is for all, what names clients for the operator.

A page on the internet can make its own name point here (DNS rebinding), so Host and Origin are checked as at the MCP
endpoint. Health says nothing about anybody, and whoever probes it seldom knows the name it goes by.
"""

import hmac
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_runtime.config.secret import Secret
from mcp_runtime.config.sections import AdminConfig
from mcp_runtime.platform.addresses import address_of
from mcp_runtime.transports.http.guard import Guard, check_once
from mcp_runtime.transports.http.request import HttpRefusalError, headers_of

HEALTH: Final = frozenset({"/healthz", "/readyz"})
_ANONYMOUS: Final = frozenset({"/metrics"})
"""Paths that name no client: numbers only."""
_SCHEME: Final = b"bearer "


class AdminGuard:
    """The admin application `app` with its guard in front."""

    def __init__(self, app: ASGIApp, config: AdminConfig) -> None:
        self._app = app
        self._token = config.token
        self._guard = Guard(
            allowed_hosts=config.allowed_hosts,
            bind_hosts=[bind.rpartition(":")[0].strip("[]") for bind in config.bind if not bind.startswith("unix:")],
            allowed_origins=(),
            cors=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            try:
                self._check(scope)
            except HttpRefusalError as error:
                headers = {name.decode(): value.decode() for name, value in error.headers}
                await PlainTextResponse(f"{error.text}\n", error.status, headers)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        path = scope["path"]
        if path in HEALTH:
            return
        headers = headers_of(scope)
        host = headers.get(b"host")
        if host is not None and _is_of(scope, host):
            headers[b"host"] = b"localhost"  # It names the address that was connected to: no name, so none that moved.
        try:
            check_once(scope["headers"])
            self._guard.check(headers.get(b"host"), headers.get(b"origin"))
        except HttpRefusalError as error:
            raise HttpRefusalError(error.status, error.text.replace("http.", "admin.")) from None
        if self._token is not None:
            _check_token(headers.get(b"authorization"), self._token)
        elif path not in _ANONYMOUS and not _is_local(scope):
            raise HttpRefusalError(403, "This names clients, and is for this machine alone; set admin.token for others")


def _is_of(scope: Scope, host: bytes) -> bool:
    """Whether `host` is the address of this end of the connection, with a port or without."""
    server = scope.get("server")
    if not server or server[1] is None:
        return False
    address = f"[{server[0]}]" if ":" in server[0] else server[0]
    text = host.decode("latin-1").lower()
    return text in {address, f"{address}:{server[1]}"}


def _is_local(scope: Scope) -> bool:
    """Whether the peer is on this machine: on loopback, or on a Unix socket, which has no address."""
    client = scope.get("client")
    if not client or not client[0]:
        return True
    found = address_of(client[0])
    return found is not None and found.is_loopback


def _check_token(given: bytes | None, token: Secret) -> None:
    """Raises HttpRefusalError 401 where an Authorization header is not the one with this token. RFC 6750"""
    wanted = token.reveal().encode()
    if given is not None and given[: len(_SCHEME)].lower() == _SCHEME:
        if hmac.compare_digest(given[len(_SCHEME) :].strip(b" "), wanted):
            return
        raise HttpRefusalError(
            401, "The token is not admin.token", ((b"www-authenticate", b'Bearer error="invalid_token"'),)
        )
    raise HttpRefusalError(401, "Send admin.token as a bearer token", ((b"www-authenticate", b"Bearer"),))
