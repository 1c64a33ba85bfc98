"""The audit observer: a line of the audit file for each call of a tool, resource or prompt.

Rule: who called what, what came of it and what the user allowed; what was said is left out unless asked for.
"""

import hmac
from collections.abc import Callable
from functools import cache
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct

from mcp_runtime.core.calls.call import Answer, Call
from mcp_runtime.core.calls.observers import outcome_of
from mcp_runtime.protocol.errors import PeerError
from mcp_runtime.protocol.jsonrpc import encode_json
from mcp_runtime.protocol.messages import (
    REQUESTS,
    CallToolRequestParams,
    CompleteRequestParams,
    GetPromptRequestParams,
    PromptReference,
    ReadResourceRequestParams,
    ResourceTemplateReference,
    decode_params,
)
from mcp_runtime.telemetry.log.redaction import redacted

AUDITED: Final = frozenset({"tools/call", "resources/read", "prompts/get", "completion/complete"})
_MAX_CHARS: Final = 200
"""Of each fact that a client states, and of a name; a URI may be longer, and its beginning says enough."""
_HASH_BYTES: Final = 16

WriteLine = Callable[[dict[str, Any]], None]


Arguments = Literal["none", "hashed", "full"]


class _Subject(Struct):
    """The part of params that says what is called: a name or a URI, and the arguments."""

    name: str = ""
    uri: str = ""
    arguments: Raw = Raw(b"{}")


_lenient_decoder: Final = msgspec.json.Decoder(_Subject)


class AuditObserver:
    """An `Observer` that hands a line for each audited call to `write`.

    `key` gives the secret bytes that arguments are hashed with, so that nobody finds them by trying; asked for once.
    Arguments of more than `max_arguments_bytes` are hashed as they came, and kept by that hash alone.
    """

    def __init__(
        self, write: WriteLine, *, arguments: Arguments, max_arguments_bytes: int, key: Callable[[], bytes]
    ) -> None:
        self._write = write
        self._arguments: Arguments = arguments
        self._max_arguments_bytes = max_arguments_bytes
        self._key = cache(key)

    def served(self, call: Call, answer: Answer | None, since: float) -> None:
        """As the port says."""
        method = call.request.method
        if method not in AUDITED:
            return
        info = call.meta.client_info
        subject, request_id = _subject(call), call.request.id
        line: dict[str, Any] = {
            "event": method,
            "name": _short(subject.name or subject.uri),
            "outcome": outcome_of(answer),
            "duration_ms": round((call.time.now() - since) * 1000, 3),
            "principal": call.principal,
            "peer": call.peer,
            "client": None if info is UNSET else _short(f"{info.name}/{info.version}"),
            "transport": call.transport,
            "revision": call.spoken or call.request.probe.version,
            "request_id": _short(request_id) if isinstance(request_id, str) else request_id,
        }
        if call.asked:
            line["asked"] = call.asked
        if call.answered:
            line["answered"] = call.answered
        if self._arguments != "none":
            line.update(self._kept(subject.arguments))
        self._write(line)

    def _kept(self, arguments: Raw) -> dict[str, Any]:
        if len(arguments) > self._max_arguments_bytes:
            return {"arguments_hash": self._hash(bytes(arguments)), "arguments_bytes": len(arguments)}
        if self._arguments == "full":
            return {"arguments": _without_secrets(arguments)}
        try:
            canonical = msgspec.json.encode(msgspec.json.decode(arguments), order="deterministic")
        except (msgspec.DecodeError, RecursionError, ValueError):
            canonical = bytes(arguments)
        return {"arguments_hash": self._hash(canonical)}

    def _hash(self, canonical: bytes) -> str:
        return hmac.digest(self._key(), b"audit\0" + canonical, "sha256")[:_HASH_BYTES].hex()


def _subject(call: Call) -> _Subject:
    """The subject as the dispatcher reads it: members that nobody looks at neither hide nor rename what was served."""
    request = call.request
    try:
        params = decode_params(request.params, REQUESTS[request.method].params)
    except PeerError:
        return _claimed(call)
    match params:
        case CallToolRequestParams(name=name, arguments=Raw() as arguments):
            return _Subject(name=name, arguments=arguments)
        case GetPromptRequestParams(name=name, arguments=texts):
            return _Subject(name=name, arguments=Raw(encode_json(texts)))
        case CompleteRequestParams(ref=PromptReference(name=name)) | CallToolRequestParams(name=name):
            return _Subject(name=name)
        case CompleteRequestParams(ref=ResourceTemplateReference(uri=uri)) | ReadResourceRequestParams(uri=uri):
            return _Subject(uri=uri)
        case _:
            return _Subject()


def _claimed(call: Call) -> _Subject:
    """The subject of a request that was refused for its params, as far as they say."""
    try:
        return _lenient_decoder.decode(call.request.params)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _Subject()


def _short(text: str) -> str:
    return text[:_MAX_CHARS]


def _without_secrets(arguments: Raw) -> object:
    try:
        return redacted("", msgspec.json.decode(arguments))
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None  # No JSON, or nested so deeply that no line can hold it; the call is noted all the same.
