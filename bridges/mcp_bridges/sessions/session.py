"""An old session as a value, and the step that each of its requests comes to. Rule: no I/O; a session is a few facts.

Under those facts a request is a stateless call, a change of the few things a session can change, or nothing at all.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, assert_never

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from mcp_bridges.revisions.translation import (
    at_least,
    capabilities_for,
    client_capabilities,
    implementation_for,
    negotiate,
)
from mcp_runtime.protocol.errors import INVALID_PARAMS, METHOD_NOT_FOUND, PeerError
from mcp_runtime.protocol.json_types import is_object
from mcp_runtime.protocol.jsonrpc import Notification, Request, RequestId
from mcp_runtime.protocol.legacy import InitializeParams
from mcp_runtime.protocol.messages import REQUESTS, CancelledNotificationParams, decode_params
from mcp_runtime.protocol.meta import (
    SERVER_INFO_KEY,
    ClientCapabilities,
    Implementation,
    LoggingLevel,
    MetaProbe,
    RequestMetaObject,
)
from mcp_runtime.protocol.revisions import LATEST

MAX_NAME_CHARS: Final = 128
"""Of a client's name and version: longer ones are cut, so that a session id stays short enough for proxies."""


class Session(Struct, frozen=True, array_like=True):
    """The facts of an old session. `id` names it, `capabilities` are what the client can do, as 2026-07-28 says it.

    `issued_s` and `expires_s` are Unix seconds. The principal is not in here: it is what the session is sealed for.
    """

    id: str
    revision: str
    client_name: str
    client_version: str
    capabilities: dict[str, Any]
    issued_s: int
    expires_s: int


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an `initialize`: the revision agreed on, and who the client says it is."""

    revision: str
    client_name: str
    client_version: str
    capabilities: dict[str, Any]

    def in_process(self) -> Session:
        """The session of a wire that is the session itself: without an id, and without an end of its own."""
        return Session("", self.revision, self.client_name, self.client_version, self.capabilities, 0, 0)


class Forward(msgspec.Struct, frozen=True):
    """Hand the request to the dispatcher."""


class Pong(msgspec.Struct, frozen=True):
    """Answer with an empty result."""


class SetLevel(msgspec.Struct, frozen=True):
    """Keep the least severe level of log messages to send from now on."""

    level: LoggingLevel


class Subscribe(msgspec.Struct, frozen=True):
    """Keep that updates of this resource are wanted."""

    uri: str


class Unsubscribe(msgspec.Struct, frozen=True):
    """Keep that updates of this resource are not wanted any more."""

    uri: str


Change = SetLevel | Subscribe | Unsubscribe
Step = Forward | Pong | Change


class _LevelParams(Struct):
    level: LoggingLevel


class _UriParams(Struct):
    uri: str


_MODERN_ONLY: Final = frozenset({"server/discover", "subscriptions/listen"})

_REQUESTS: Final[Mapping[str, Literal["forward", "pong", "level", "subscribe", "unsubscribe"]]] = MappingProxyType(
    {
        "ping": "pong",
        "logging/setLevel": "level",
        "resources/subscribe": "subscribe",
        "resources/unsubscribe": "unsubscribe",
        **{method: "forward" for method in REQUESTS if method not in _MODERN_ONLY},
    }
)
"""The requests of a client in an old session, the same in all of its revisions."""


def read_initialize(request: Request) -> Opening:
    """The opening agreed on: in the client's revision where that is an old one, else in the newest of the old ones.

    Raises PeerError -32602. Spec: 2025-11-25/basic/lifecycle#version-negotiation
    """
    params = _decode(request.params, InitializeParams)
    revision = negotiate(params.protocol_version)
    return Opening(
        revision=revision,
        client_name=_text(params.client_info, "name"),
        client_version=_text(params.client_info, "version"),
        capabilities=client_capabilities(params.capabilities, revision),
    )


def _text(info: object, key: str) -> str:
    value = info.get(key) if is_object(info) else None
    return value[:MAX_NAME_CHARS] if isinstance(value, str) else ""


def initialize_result(discovered: dict[str, Any], revision: str, server: dict[str, Any]) -> dict[str, Any]:
    """The answer to `initialize`, from a DiscoverResult.

    `server` is who to be where that does not say: an Implementation. Spec: 2025-11-25/basic/lifecycle#initialization
    """
    meta = discovered.get("_meta")
    info = meta.get(SERVER_INFO_KEY, server) if is_object(meta) else server
    result = {
        "protocolVersion": revision,
        "capabilities": capabilities_for(discovered["capabilities"], revision),
        "serverInfo": implementation_for(info, revision),
    }
    if "instructions" in discovered:
        result["instructions"] = discovered["instructions"]
    return result


def plan(request: Request) -> Step:
    """The step that a request within a session comes to. Raises PeerError -32601 or -32602."""
    kind = _REQUESTS.get(request.method)
    match kind:
        case "forward":
            return Forward()
        case "pong":
            return Pong()
        case "level":
            return SetLevel(_decode(request.params, _LevelParams).level)
        case "subscribe":
            return Subscribe(_decode(request.params, _UriParams).uri)
        case "unsubscribe":
            return Unsubscribe(_decode(request.params, _UriParams).uri)
        case None:
            raise PeerError(METHOD_NOT_FOUND, f"Method not found: {request.method}")
        case _:
            assert_never(kind)


def cancelled_request(notification: Notification) -> RequestId | None:
    """The request that a `notifications/cancelled` is about, None where it is another notification or malformed."""
    if notification.method != "notifications/cancelled":
        return None
    try:
        return decode_params(notification.params, CancelledNotificationParams).request_id
    except PeerError:
        return None  # Malformed cancellations are ignored.


def stateless(request: Request, session: Session, log_level: LoggingLevel) -> Request:
    """`request` with the `_meta` that it would carry in 2026-07-28: its own, and what the session was opened with."""
    found = request.probe
    own = RequestMetaObject() if found.meta is None else found.meta
    meta = RequestMetaObject(
        progress_token=own.progress_token,
        protocol_version=LATEST,
        client_info=_client_info(session),
        client_capabilities=msgspec.convert(session.capabilities, ClientCapabilities),
        log_level=log_level,
        traceparent=own.traceparent,
        tracestate=own.tracestate,
        baggage=own.baggage,
    )
    probe = MetaProbe(meta, found.problem, LATEST)
    return Request(request.id, request.method, request.source, probe, request.typed)


def _client_info(session: Session) -> Implementation | UnsetType:
    if not session.client_name:
        return UNSET
    return Implementation(name=session.client_name, version=session.client_version)


def with_answers(params: Raw, answers: Mapping[str, Any], state: str | None) -> Raw:
    """The params of the next round of a call: as before, with the client's answers and the state to resume from."""
    members: dict[str, Any] = msgspec.json.decode(params, type=dict[str, Raw])
    members["inputResponses"] = answers
    if state is not None:
        members["requestState"] = state
    return Raw(msgspec.json.encode(members))


def speaks_polling(revision: str) -> bool:
    """Whether a client comes back to a stream that the server let go. Spec: 2025-11-25/changelog"""
    return at_least(revision, "2025-11-25")


def has_batches(revision: str) -> bool:
    """Whether several messages may come in one body: in 2025-03-26 alone. Spec: 2025-06-18/changelog"""
    return revision == "2025-03-26"


def _decode(params: Raw, into: type[Any]) -> Any:
    try:
        return msgspec.json.decode(params, type=into)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise PeerError(INVALID_PARAMS, f"Invalid params: {error}".replace("`$.", "`params.")) from None
