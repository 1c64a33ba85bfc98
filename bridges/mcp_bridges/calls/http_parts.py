"""The parts of a bridge over HTTP. Rule: such bridges differ in how messages travel, and in nothing else."""

from functools import lru_cache
from typing import Final

import msgspec

from mcp_bridges.calls.services import LegacyServices
from mcp_bridges.gate.port import SERVE, LegacyClient, Sighting
from mcp_bridges.gate.refusals import RefusedError, raise_refusal
from mcp_runtime.protocol.errors import PeerError
from mcp_runtime.protocol.jsonrpc import RequestId, encode_error
from mcp_runtime.state.engines import State
from mcp_runtime.telemetry.labels import TransportName
from mcp_runtime.transports.http.bridge_port import LegacyExchange
from mcp_runtime.transports.http.direct import Fields
from mcp_runtime.transports.http.patience import Patience
from mcp_runtime.transports.http.response import PostResponse

_CLIENTS: Final = 1024
"""Clients seen lately, made once each."""
_JSON: Final = (b"content-type", b"application/json")


class HttpParts(msgspec.Struct, frozen=True, kw_only=True):
    """The services of a bridge over HTTP, with what processes share, and who looks after what takes long."""

    services: LegacyServices
    state: State
    patience: Patience


def client_of(exchange: LegacyExchange, transport: TransportName) -> LegacyClient:
    """The client that sent the request, as far as HTTP shows."""
    peer = exchange.scope.get("client")
    return _client(transport, exchange.request_headers.get(b"user-agent"), peer[0] if peer else None)


@lru_cache(maxsize=_CLIENTS)
def _client(transport: TransportName, agent: bytes | None, peer: str | None) -> LegacyClient:
    return LegacyClient(transport=transport, user_agent=None if agent is None else agent.decode("latin-1"), peer=peer)


@lru_cache(maxsize=_CLIENTS)
def named(client: LegacyClient, name: str, version: str) -> LegacyClient:
    """As `LegacyClient.named`, made once for those seen lately."""
    return client.named(name, version)


class LegacyResponse:
    """The response to `exchange`, one HTTP request of an old client; its headers say what the gate has to say."""

    def __init__(self, exchange: LegacyExchange, services: LegacyServices) -> None:
        self.exchange = exchange
        self._services = services
        self._verdict = SERVE

    def admit(self, sighting: Sighting) -> None:
        """Ask the gate. Raises RefusedError; what it wants said in headers is kept for the response."""
        self._verdict = self._services.admit(sighting)
        raise_refusal(self._verdict)

    def open(self, *more: tuple[bytes, bytes]) -> PostResponse:
        """The response itself, with these headers too."""
        extra = [*self.exchange.headers, *self._verdict.headers, *more]
        return PostResponse(self.exchange.send, extra, self.exchange.direct)

    async def accepted(self) -> None:
        """Say that the message was taken, and nothing else."""
        await self.open().send(202, b"")

    async def refuse(self, request_id: RequestId | None, error: PeerError) -> None:
        """Answer with the error and its status; what no answer is due to is taken and dropped."""
        status = error.http_status
        if request_id is None and isinstance(error, RefusedError) and error.is_answer:
            await self.accepted()
            return
        headers: Fields = (_JSON,)
        if error.retry_after_s is not None:
            headers = (*headers, (b"retry-after", str(error.retry_after_s).encode()))
        if status == 400 and self.exchange.scope["method"] == "GET":
            # A GET may be declined with 405 alone; some clients take 400 for a reason to ask again at once.
            status = 405
        if status == 405:
            headers = (*headers, (b"allow", b"POST"))
        await self.open().send(status, encode_error(request_id, error), headers)
