"""Mirrored headers, compared with the body. Rule: the body is the truth, a header only ever confirms it.

Spec: 2026-07-28/basic/transports/streamable-http#request-metadata
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from mcp_runtime.protocol.errors import HEADER_MISMATCH, PeerError
from mcp_runtime.protocol.json_types import is_object

PROTOCOL_VERSION: Final = b"mcp-protocol-version"
METHOD: Final = b"mcp-method"
NAME: Final = b"mcp-name"
PARAM_PREFIX: Final = b"mcp-param-"

_SENTINEL_START: Final = b"=?base64?"
_SENTINEL_END: Final = b"?="
# RFC 9110 5.5: visible ASCII, space and tab. Anything else has to come base64-encoded.
_PLAIN: Final = re.compile(rb"[\x20-\x7e\t]*")
_KEPT_NAMES: Final = 256
_KEPT_NAME_BYTES: Final = 256
"""Most requests have the same few names, and a longer one is as long as a client likes."""
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.0{1,40})?")


Headers = Mapping[bytes, bytes]
"""Headers of one HTTP request that come once each, by name (lower case); blanks around values are stripped."""


def read_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The MCP headers among ASGI `headers` (names in lower case).

    Raises PeerError -32020 for one that comes twice: which of two values an intermediary believed cannot be known.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name.startswith(b"mcp-"):
            if name in found:
                raise _mismatch(f"{name.decode('ascii', 'replace')} header comes more than once")
            found[name] = value.strip(b" \t")
    return found


def version_of(headers: Headers) -> str | None:
    """The `MCP-Protocol-Version` header as text, None where absent."""
    value = headers.get(PROTOCOL_VERSION)
    return None if value is None else value.decode("latin-1")


def is_mirrored(headers: Headers, version: str, method: str) -> bool:
    """Whether `check_version` and `check_method` have nothing to say, as is the rule."""
    return headers.get(METHOD) == method.encode() and headers.get(PROTOCOL_VERSION) == version.encode()


def check_version(headers: Headers, version: str | None) -> None:
    """Compare `MCP-Protocol-Version` with the body's version. Raises PeerError -32020.

    `version` None, for a body that has none, is the body's own error and reported elsewhere.
    Spec: 2026-07-28/basic/transports/streamable-http#protocol-version-header
    """
    raw = headers.get(PROTOCOL_VERSION)
    if raw is None:
        raise _mismatch("MCP-Protocol-Version header is missing")
    if version is not None and raw != version.encode():
        raise _differs("MCP-Protocol-Version", raw, version)


def check_method(headers: Headers, method: str) -> None:
    """Compare `Mcp-Method` with the body's method. Raises PeerError -32020.

    Spec: 2026-07-28/basic/transports/streamable-http#standard-request-headers
    """
    raw = headers.get(METHOD)
    if raw is None:
        raise _mismatch("Mcp-Method header is missing")
    if raw != method.encode():
        raise _differs("Mcp-Method", raw, method)


def check_name(headers: Headers, name: str) -> None:
    """Compare `Mcp-Name` with the body's `params.name` or `params.uri`. Raises PeerError -32020."""
    raw = headers.get(NAME)
    if raw is None:
        raise _mismatch("Mcp-Name header is missing")
    if (_name_in(raw) if len(raw) <= _KEPT_NAME_BYTES else decode_value("Mcp-Name", raw)) != name:
        raise _differs("Mcp-Name", raw, name)


@lru_cache(maxsize=_KEPT_NAMES)
def _name_in(raw: bytes) -> str:
    return decode_value("Mcp-Name", raw)


def decode_value(header: str, raw: bytes) -> str:
    """The text that a header value stands for, the base64 sentinel undone. `header` names it in errors.

    Raises PeerError -32020 for characters outside visible ASCII, bad base64, or base64 of no UTF-8.
    Spec: 2026-07-28/basic/transports/streamable-http#value-encoding
    """
    if _PLAIN.fullmatch(raw) is None:
        raise _mismatch(f"{header} header has invalid characters")
    if not (raw.startswith(_SENTINEL_START) and raw.endswith(_SENTINEL_END)):
        return raw.decode("ascii")
    payload = raw[len(_SENTINEL_START) : -len(_SENTINEL_END)]
    try:
        return base64.b64decode(payload, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise _mismatch(f"{header} header has invalid base64") from None


def encode_value(value: str) -> bytes:
    """The header value that stands for `value`: plain where it can be, base64 in the sentinel otherwise."""
    raw = value.encode("utf-8")
    plain = _PLAIN.fullmatch(raw) is not None and raw == raw.strip(b" \t")
    if plain and not (raw.startswith(_SENTINEL_START) and raw.endswith(_SENTINEL_END)):
        return raw
    return _SENTINEL_START + base64.b64encode(raw) + _SENTINEL_END


class ParamHeader(Struct, frozen=True):
    """One parameter that is mirrored: `header` in lower case with its prefix, `path` the property names to it."""

    header: bytes
    path: tuple[str, ...]


HeaderPlan = tuple[ParamHeader, ...]
"""Which parameters of one tool are mirrored into headers; built once, when the tool is registered."""


def check_params(headers: Headers, plan: HeaderPlan, arguments: dict[str, Any]) -> None:
    """Compare `Mcp-Param-*` with `arguments`. Raises PeerError -32020. Headers that the plan does not name are ignored.

    Spec: 2026-07-28/basic/transports/streamable-http#server-behavior-for-custom-headers
    """
    for entry in plan:
        _check_param(entry, headers.get(entry.header), _value_at(arguments, entry.path))


def _check_param(entry: ParamHeader, raw: bytes | None, value: object) -> None:
    shown = entry.header.decode("ascii")
    path = ".".join(entry.path)
    if value is None:
        if raw is not None:
            raise _mismatch(f"{shown} header is present, but argument '{path}' has no value")
        return
    if raw is None:
        if isinstance(value, dict | list):
            return  # No header can carry it; the tool's own schema refuses it by name.
        raise _mismatch(f"{shown} header is missing, but argument '{path}' has a value")
    if not _same(decode_value(shown, raw), value):
        raise _mismatch(f"{shown} header does not match argument '{path}'")


def _same(text: str, value: object) -> bool:
    if isinstance(value, bool):
        return text == ("true" if value else "false")
    if isinstance(value, int | float):
        # Numerically, so that 42.0 confirms 42; in integers, so that no digit is lost to a float.
        return _INTEGER.fullmatch(text) is not None and value == int(text.partition(".")[0])
    return text == value


def _value_at(arguments: dict[str, Any], path: tuple[str, ...]) -> object:
    value: Any = arguments
    for key in path:
        if not is_object(value):
            return None
        value = value.get(key)
    return value


def _differs(header: str, raw: bytes, body: str) -> PeerError:
    shown = raw.decode("latin-1")
    return _mismatch(f"{header} header value '{_clip(shown)}' does not match body value '{_clip(body)}'")


def _clip(text: str) -> str:
    return text if len(text) <= 100 else text[:100] + "..."  # An error line, not an echo service.


def _mismatch(problem: str) -> PeerError:
    return PeerError(HEADER_MISMATCH, f"Header mismatch: {problem}")
