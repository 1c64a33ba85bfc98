"""The `_meta` of a request: who asks, in which revision, able to do what. Rule: read once, before the params.

Spec: 2026-07-28/basic#meta
"""

import re
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from mcp_runtime.protocol.errors import INVALID_PARAMS, PeerError
from mcp_runtime.protocol.json_types import is_object

PROTOCOL_VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO_KEY: Final = "io.modelcontextprotocol/clientInfo"
CLIENT_CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL_KEY: Final = "io.modelcontextprotocol/logLevel"
SUBSCRIPTION_ID_KEY: Final = "io.modelcontextprotocol/subscriptionId"
SERVER_INFO_KEY: Final = "io.modelcontextprotocol/serverInfo"

MetaObject = dict[str, Any]
"""A `_meta` object: any JSON under prefixed keys."""

LoggingLevel = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
LOGGING_LEVELS: Final[tuple[LoggingLevel, ...]] = (
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
)
"""RFC 5424 severities from the least to the most severe. Spec: 2026-07-28/server/utilities/logging#log-levels"""


class Icon(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A picture for user interfaces. `src` is an https: or data: URI, `sizes` are like "48x48" or "any".

    Spec: 2026-07-28/basic#icons
    """

    src: str
    mime_type: str | UnsetType = UNSET
    sizes: list[str] | UnsetType = UNSET
    theme: Literal["light", "dark"] | UnsetType = UNSET


class Implementation(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Name and version of a client or server; self-reported, for display and logs only."""

    name: str
    version: str
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    website_url: str | UnsetType = UNSET
    icons: list[Icon] | UnsetType = UNSET


class SamplingCapability(Struct, frozen=True, omit_defaults=True):
    """The parts of sampling that a client can do."""

    context: dict[str, Any] | UnsetType = UNSET
    tools: dict[str, Any] | UnsetType = UNSET


class ElicitationCapability(Struct, frozen=True, omit_defaults=True):
    """The modes of elicitation that a client can do; neither named means form only."""

    form: dict[str, Any] | UnsetType = UNSET
    url: dict[str, Any] | UnsetType = UNSET


class ClientCapabilities(Struct, frozen=True, omit_defaults=True):
    """The capabilities that a client declares for one request."""

    experimental: dict[str, dict[str, Any]] | UnsetType = UNSET
    roots: dict[str, Any] | UnsetType = UNSET
    sampling: SamplingCapability | UnsetType = UNSET
    elicitation: ElicitationCapability | UnsetType = UNSET
    extensions: dict[str, dict[str, Any]] | UnsetType = UNSET


class RequestMetaObject(Struct, frozen=True):
    """The keys of a request's `_meta` that the protocol defines; the others stay in the raw request."""

    progress_token: int | str | UnsetType = field(name="progressToken", default=UNSET)
    protocol_version: str | UnsetType = field(name=PROTOCOL_VERSION_KEY, default=UNSET)
    client_info: Implementation | UnsetType = field(name=CLIENT_INFO_KEY, default=UNSET)
    client_capabilities: ClientCapabilities | UnsetType = field(name=CLIENT_CAPABILITIES_KEY, default=UNSET)
    log_level: LoggingLevel | UnsetType = field(name=LOG_LEVEL_KEY, default=UNSET)
    # Not typed as strings: a malformed trace context is dropped, it never fails a request (W3C Trace Context 3.2).
    traceparent: Any = None
    tracestate: Any = None
    baggage: Any = None


class TraceContext(Struct, frozen=True):
    """W3C trace context of a request: each part as it came, or None where it was absent or malformed."""

    traceparent: str | None = None
    tracestate: str | None = None
    baggage: str | None = None


META_FIELD: Final = ("meta", RequestMetaObject | UnsetType, field(name="_meta", default=UNSET))
"""The field of params that has their `_meta`, for msgspec to add to a struct."""


class _RawHolder(Struct):
    meta: Any = field(name="_meta", default=None)


_holder_decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(msgspec.defstruct("Holder", [META_FIELD]))
_raw_decoder: Final = msgspec.json.Decoder(_RawHolder)
_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_MAX_TRACE_FIELD_CHARS: Final = 8192
"""W3C Baggage asks for at least 8,192 bytes to be propagated; longer ones are dropped."""


class MetaProbe(Struct, frozen=True):
    """A reading of a request's `_meta`: the object, or None and why, and the version in either case."""

    meta: RequestMetaObject | None
    problem: str | None
    version: str | None


NO_META: Final = MetaProbe(None, None, None)
"""What is found where there is no `_meta`, or nobody has looked for it."""


def probe(params: Raw) -> MetaProbe:
    """Read `_meta` without judging it: the era has to be known even where the object is malformed.

    `params` is a JSON object; what is malformed beyond `_meta` does not show here.
    """
    try:
        meta = _holder_decoder.decode(params).meta
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return MetaProbe(None, str(error).replace("$._meta", "_meta"), _salvage_version(params))
    return found_in(meta)


def found_in(meta: RequestMetaObject | UnsetType) -> MetaProbe:
    """What `probe` finds where it finds this."""
    if meta is UNSET:
        return NO_META
    return MetaProbe(meta, None, None if meta.protocol_version is UNSET else meta.protocol_version)


def _salvage_version(params: Raw) -> str | None:
    meta = raw_meta(params)
    version = meta.get(PROTOCOL_VERSION_KEY)
    return version if isinstance(version, str) else None


def raw_meta(params: Raw) -> MetaObject:
    """The whole `_meta` object of `params`; empty where there is none that can be read."""
    try:
        meta = _raw_decoder.decode(params).meta
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return meta if is_object(meta) else {}


def require(found: MetaProbe) -> RequestMetaObject:
    """The request's `_meta`, complete. Raises PeerError -32602 that names what is missing or malformed.

    Spec: 2026-07-28/basic#meta
    """
    if found.problem is not None:
        raise PeerError(INVALID_PARAMS, f"Invalid params: {found.problem}")
    meta = found.meta
    if meta is None:
        raise PeerError(
            INVALID_PARAMS,
            f"Invalid params: _meta is missing; it must carry {PROTOCOL_VERSION_KEY} and {CLIENT_CAPABILITIES_KEY}",
        )
    if meta.protocol_version is UNSET:
        raise PeerError(INVALID_PARAMS, f"Invalid params: _meta lacks {PROTOCOL_VERSION_KEY}")
    if meta.client_capabilities is UNSET:
        raise PeerError(INVALID_PARAMS, f"Invalid params: _meta lacks {CLIENT_CAPABILITIES_KEY}")
    return meta


def trace_context(meta: RequestMetaObject) -> TraceContext:
    """The trace context in `meta`, what is malformed left out. Spec: 2026-07-28/basic#meta"""
    return read_trace(meta.traceparent, meta.tracestate, meta.baggage)


def read_trace(parent: object, state: object, baggage: object) -> TraceContext:
    """The trace context that these are the parts of, what is malformed left out."""
    traceparent = _trace_field(parent)
    if traceparent is None or not _is_traceparent(traceparent):
        # tracestate means nothing without the traceparent it belongs to.
        return TraceContext(None, None, _trace_field(baggage))
    return TraceContext(traceparent, _trace_field(state), _trace_field(baggage))


def _is_traceparent(text: str) -> bool:
    """W3C Trace Context 3.2: version ff is none, and version 00 has no more than its four parts."""
    found = _TRACEPARENT.fullmatch(text)
    return found is not None and found[1] != "ff" and not (found[1] == "00" and found[2])


def _trace_field(value: object) -> str | None:
    if isinstance(value, str) and value.isascii() and value.isprintable() and len(value) <= _MAX_TRACE_FIELD_CHARS:
        return value
    return None
