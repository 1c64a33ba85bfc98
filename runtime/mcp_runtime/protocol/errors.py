"""The error table: every code the runtime can send. Rule: codes, HTTP statuses and their sources stand here alone.

Spec: 2026-07-28/basic#error-codes
"""

from typing import Final

import msgspec

from mcp_runtime.protocol.json_types import is_object

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
HEADER_MISMATCH: Final = -32020
MISSING_REQUIRED_CLIENT_CAPABILITY: Final = -32021
UNSUPPORTED_PROTOCOL_VERSION: Final = -32022


class ErrorRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the error table: the spec's name, the HTTP status it travels with, and the section that says so."""

    name: str
    http_status: int
    spec: str


ERRORS: Final[dict[int, ErrorRow]] = {
    PARSE_ERROR: ErrorRow(name="ParseError", http_status=400, spec="basic#error-codes"),
    INVALID_REQUEST: ErrorRow(name="InvalidRequest", http_status=400, spec="basic#error-codes"),
    # 404, not 400: the JSON-RPC body tells an unknown method from an endpoint that does not exist.
    METHOD_NOT_FOUND: ErrorRow(
        name="MethodNotFound", http_status=404, spec="basic/transports/streamable-http#protocol-version-header"
    ),
    INVALID_PARAMS: ErrorRow(name="InvalidParams", http_status=400, spec="basic#meta"),
    # 200: the HTTP exchange succeeded, and clients look for the JSON-RPC error where it did. A 500 hides it from some.
    INTERNAL_ERROR: ErrorRow(name="InternalError", http_status=200, spec="basic#error-codes"),
    HEADER_MISMATCH: ErrorRow(
        name="HeaderMismatch", http_status=400, spec="basic/transports/streamable-http#server-validation"
    ),
    MISSING_REQUIRED_CLIENT_CAPABILITY: ErrorRow(
        name="MissingRequiredClientCapability", http_status=400, spec="basic#meta"
    ),
    UNSUPPORTED_PROTOCOL_VERSION: ErrorRow(
        name="UnsupportedProtocolVersion", http_status=400, spec="basic/versioning#protocol-version-negotiation"
    ),
}

APPLICATION_ERROR_STATUS: Final = 200
"""Status of a code that a plugin defined itself: the HTTP exchange succeeded, the application said no."""

# All of JSON-RPC's range: the specification assigns some of it, retired some, and allocates no more of the rest.
_RESERVED: Final = range(-32768, -31999)


class PeerError(Exception):
    """An error that the peer gets: they broke a rule, and a JSON-RPC error says which.

    - `code`: one of the codes of JSON-RPC and MCP, or an application's own outside -32768 to -32000.
    - `message`: one line for the peer.
    - `data`: any JSON value.
    - `http_status`: in place of the code's own.
    - `retry_after_s`: seconds; a `Retry-After` header where the transport has headers.

    Raises ValueError for a code that the specification reserves and does not define.
    Spec: 2026-07-28/basic#error-codes
    """

    def __init__(
        self,
        code: int,
        message: str,
        data: object = None,
        *,
        http_status: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        if code not in ERRORS and code in _RESERVED:
            raise ValueError(f"error code {code} is reserved by the specification")
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.http_status = http_status if http_status is not None else status_of(code)
        self.retry_after_s = retry_after_s


def status_of(code: int) -> int:
    """The HTTP status that an error with this JSON-RPC code travels with."""
    row = ERRORS.get(code)
    return APPLICATION_ERROR_STATUS if row is None else row.http_status


def unsupported_version(requested: str, supported: tuple[str, ...]) -> PeerError:
    """The answer to a revision that is not served. Spec: 2026-07-28/basic/versioning#protocol-version-negotiation."""
    return PeerError(
        UNSUPPORTED_PROTOCOL_VERSION,
        f"Unsupported protocol version {requested!r}; this server supports {', '.join(supported)}",
        {"supported": list(supported), "requested": requested},
    )


def missing_capability(required: dict[str, object]) -> PeerError:
    """The answer when a call needs what the client did not declare; `required` has the shape of ClientCapabilities.

    Spec: 2026-07-28/basic#meta
    """
    names = ", ".join(_capability_names(required))
    return PeerError(
        MISSING_REQUIRED_CLIENT_CAPABILITY,
        f"This request needs client capabilities that were not declared: {names}",
        {"requiredCapabilities": required},
    )


def _capability_names(required: dict[str, object]) -> list[str]:
    names: list[str] = []
    for name, parts in required.items():
        inner = sorted(parts) if is_object(parts) else []
        names.extend(f"{name}.{part}" for part in inner)
        if not inner:
            names.append(name)
    return names
