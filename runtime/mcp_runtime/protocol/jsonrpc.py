"""JSON-RPC messages, decoded from bytes and encoded. Rule: one typed decode a message; a failure is a PeerError.

Spec: 2026-07-28/basic#messages
"""

from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from mcp_runtime.protocol.errors import INVALID_REQUEST, PARSE_ERROR, PeerError
from mcp_runtime.protocol.meta import NO_META, MetaProbe

RequestId = int | str
JSONValue = Any
"""Any JSON value as Python: None, bool, int, float, str, list, dict. Narrowed once, where it is used."""


class Request(Struct, frozen=True):
    """A JSON-RPC request, with what was found in it when it was read.

    `source` has its params: they alone, undecoded, or the whole message (bytes). `probe` is what their `_meta` says.
    `typed` are the params as the struct of `method`, None where they do not fit it, or nobody has looked.
    """

    id: RequestId
    method: str
    source: Raw | bytes
    probe: MetaProbe = NO_META
    typed: Struct | None = None

    @property
    def params(self) -> Raw:
        """The undecoded JSON object (`{}` when absent)."""
        return self.source if isinstance(self.source, Raw) else _request_decoder.decode(self.source).params


class Notification(Struct, frozen=True):
    """A JSON-RPC notification. `params` is undecoded JSON, by rights an object (`{}` when absent)."""

    method: str
    params: Raw


class Response(Struct, frozen=True):
    """A JSON-RPC response sent by the client. 2026-07-28 has none; bridges for older revisions do.

    Exactly one of `result` and `error` is set, undecoded. `id` is None when the client could not tell it.
    """

    id: RequestId | None
    result: Raw | None
    error: Raw | None


Message = Request | Notification | Response


class _Envelope(Struct):
    jsonrpc: Literal["2.0"]
    id: int | str | UnsetType = UNSET
    method: str | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class _IdOnly(Struct):
    id: Any = None


NO_PARAMS: Final = Raw(b"{}")
OPENING_BRACE: Final = ord("{")


class _Received(Struct):
    """A request on the wire. Not a Request itself: of that a peer may say no more than this."""

    jsonrpc: Literal["2.0"]
    id: RequestId
    method: str
    params: Raw = NO_PARAMS


_request_decoder: Final = msgspec.json.Decoder(_Received)
_decoder: Final = msgspec.json.Decoder(_Envelope)
_id_decoder: Final = msgspec.json.Decoder(_IdOnly)
_encoder: Final = msgspec.json.Encoder()


class MalformedMessageError(PeerError):
    """A message that is no JSON-RPC. `id` is the request id where one could still be read, else None."""

    def __init__(
        self, code: int, message: str, request_id: RequestId | None, *, http_status: int | None = None
    ) -> None:
        super().__init__(code, message, http_status=http_status)
        self.id = request_id


def decode(data: bytes) -> Message:
    """One JSON-RPC message from UTF-8 JSON `data`.

    Raises MalformedMessageError: -32700 for bytes that are no JSON, -32600 for JSON that is no JSON-RPC message.
    """
    try:
        if not data.isascii():
            data.decode()  # msgspec skips over params undecoded, so over what is no UTF-8 in them too
        try:
            found = _request_decoder.decode(data)
        except msgspec.ValidationError:
            return _read_other(data)
    except msgspec.ValidationError as error:
        raise _invalid(data, _explain(data, error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessageError(PARSE_ERROR, f"Parse error: {error}", None) from None
    except RecursionError:
        raise MalformedMessageError(PARSE_ERROR, "Parse error: nested too deeply", None) from None
    if memoryview(found.params)[0] != OPENING_BRACE:
        raise _invalid(data, "Invalid request: params must be an object")
    return Request(found.id, found.method, found.params)


def _read_other(data: bytes) -> Notification | Response:
    envelope = _decoder.decode(data)
    if envelope.method is UNSET:
        return _response(data, envelope)
    # Whatever its params are: a notification is never answered, so who wants them finds out what they are.
    return Notification(envelope.method, NO_PARAMS if envelope.params is UNSET else envelope.params)


def _response(data: bytes, envelope: _Envelope) -> Response:
    result = None if envelope.result is UNSET else envelope.result
    error = None if envelope.error is UNSET else envelope.error
    if result is not None and error is not None and bytes(error) == b"null":
        error = None  # As JSON-RPC 1.0 had it, and some still write it.
    if (result is None) == (error is None):
        raise _invalid(data, "Invalid request: no method")
    return Response(None if envelope.id is UNSET else envelope.id, result, error)


def _explain(data: bytes, error: msgspec.ValidationError) -> str:
    if data.lstrip()[:1] == b"[":
        return "Invalid request: batches are not supported, send one message at a time"
    return f"Invalid request: {error}"


def _invalid(data: bytes, message: str) -> MalformedMessageError:
    return MalformedMessageError(INVALID_REQUEST, message, salvage_id(data))


def salvage_id(data: bytes) -> RequestId | None:
    """The id of a message that failed to decode, so that its sender can correlate the error."""
    try:
        found = _id_decoder.decode(data).id
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, int | str) and not isinstance(found, bool) else None


class _ResultMessage(Struct):
    jsonrpc: Literal["2.0"]
    id: RequestId
    result: object


class _ErrorBody(Struct, omit_defaults=True):
    code: int
    message: str
    data: object = None


class _ErrorMessage(Struct):
    jsonrpc: Literal["2.0"]
    id: RequestId
    error: _ErrorBody


class _AnonymousErrorMessage(Struct):
    jsonrpc: Literal["2.0"]
    error: _ErrorBody


class _NotificationMessage(Struct):
    jsonrpc: Literal["2.0"]
    method: str
    params: object


def encode_result(request_id: RequestId, result: object) -> bytes:
    """The response that carries `result` (a struct, a dict or Raw JSON)."""
    return _encoder.encode(_ResultMessage("2.0", request_id, result))


def encode_error(request_id: RequestId | None, error: PeerError) -> bytes:
    """The response that carries `error`; without an id where the request's could not be read.

    Spec: 2026-07-28/basic#error-responses
    """
    body = _ErrorBody(error.code, error.message, error.data)
    if request_id is None:
        return _encoder.encode(_AnonymousErrorMessage("2.0", body))
    return _encoder.encode(_ErrorMessage("2.0", request_id, body))


def encode_notification(method: str, params: object) -> bytes:
    """A notification with `params` (a struct, a dict or Raw JSON)."""
    return _encoder.encode(_NotificationMessage("2.0", method, params))


def on_one_line(message: bytes) -> bytes:
    """What was encoded here, without line ends: raw JSON in it travels as it was written, maybe over several lines.

    Inside JSON they are blanks. Spec: 2026-07-28/basic/transports/stdio
    """
    # `find`, because `in` tries each time whether what it is to look for is a number.
    if message.find(b"\n") < 0 and message.find(b"\r") < 0:
        return message
    return message.replace(b"\r", b" ").replace(b"\n", b" ")


def encode_json(value: object) -> bytes:
    """`value` as compact UTF-8 JSON. Raises TypeError for what JSON cannot carry."""
    return _encoder.encode(value)
