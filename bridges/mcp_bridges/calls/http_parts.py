"""The parts of a bridge over HTTP. Rule: such bridges differ in how messages travel, and in nothing else."""

from functools import lru_cache
from typing import Final

import msgspec

from mcp_bridges.calls.services import LegacyServices
from mcp_bridges.gate.port import LegacyClient, Sighting
from mcp_bridges.gate.refusals import RefusedError, raise_refusal
from mcp_runtime.protocol.errors import PeerError
from mcp_runtime.protocol.jsonrpc import RequestId, encode_error
from mcp_runtime.state.engines import State
from mcp_runtime.telemetry.labels import TransportName
from mcp_runtime.transports.http.body_budget import BodyBudget
from mcp_runtime.transports.http.bridge_port import LegacyExchange
from mcp_runtime.transports.http.direct import Fields
from mcp_runtime.transports.http.patience import Patience

_CLIENTS: Final = 1024
"""Clients seen lately, made once each."""
_JSON: Final = (b"content-type", b"application/json")


class HttpParts(msgspec.Struct, frozen=True, kw_only=True):
    """The services of a bridge over HTTP, with what processes share, room for bodies, and who is patient."""

    services: LegacyServices
    state: State
    patience: Patience
    bodies: BodyBudget


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


def admit(exchange: LegacyExchange, services: LegacyServices, sighting: Sighting) -> None:
    """Ask the gate. Raises RefusedError; what it wants said in headers is in the answer either way."""
    verdict = services.admit(sighting)
    exchange.answer_headers += verdict.headers
    raise_refusal(verdict)


async def accept(exchange: LegacyExchange) -> None:
    """Say that the message was taken, and nothing else."""
    await exchange.answer(202, b"")


async def refuse(exchange: LegacyExchange, request_id: RequestId | None, error: PeerError) -> None:
    """Answer with the error and its status; what no answer is due to is taken and dropped."""
    status = error.http_status
    if request_id is None and isinstance(error, RefusedError) and error.is_answer:
        await accept(exchange)
        return
    headers: Fields = (_JSON,)
    if error.retry_after_s is not None:
        headers = (*headers, (b"retry-after", str(error.retry_after_s).encode()))
    if status == 400 and exchange.scope["method"] == "GET":
        # A GET may be declined with 405 alone; some clients take 400 for a reason to ask again at once.
        status = 405
    if status == 405:
        headers = (*headers, (b"allow", b"POST"))
    await exchange.answer(status, encode_error(request_id, error), headers)
