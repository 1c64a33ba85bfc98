"""What the specification's own models say of a message. Rule: everything a server sends in a test passes through here.

The models of `mcp-types` ignore what they do not know and are lenient about `resultType`; what they let through is
asserted here. With MCP_SCHEMA_FILE naming the published `schema.json`, that is asked too.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
from mcp_types import methods

from tests.support.messages import SERVER_INFO, SUBSCRIPTION_ID, VERSION, Message
from tests.support.result_types import RESULT_TYPES

_KINDS_OF_RESULT: Final = frozenset({"complete", "input_required"})
CACHEABLE: Final = frozenset(
    {"server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"}
)
ASKING: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""The requests that a server may answer with questions."""
INPUT_REQUESTS: Final = frozenset({"elicitation/create", "sampling/createMessage", "roots/list"})
_JSONRPC_CODES: Final = range(-32768, -31999)
_DEFINED_CODES: Final = frozenset({-32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022})
_SCHEMA_NAMES: Final = {
    **RESULT_TYPES,
    "notifications/progress": "ProgressNotification",
    "notifications/message": "LoggingMessageNotification",
    "notifications/cancelled": "CancelledNotification",
    "notifications/tools/list_changed": "ToolListChangedNotification",
    "notifications/prompts/list_changed": "PromptListChangedNotification",
    "notifications/resources/list_changed": "ResourceListChangedNotification",
    "notifications/resources/updated": "ResourceUpdatedNotification",
    "notifications/subscriptions/acknowledged": "SubscriptionsAcknowledgedNotification",
}
_ERROR_NAMES: Final = {
    -32020: "HeaderMismatchError",
    -32021: "MissingRequiredClientCapabilityError",
    -32022: "UnsupportedProtocolVersionError",
}


def check_message(message: Message) -> None:
    """A message of a server: a response or a notification, and nothing besides."""
    assert message.get("jsonrpc") == "2.0", message
    if "method" in message:
        check_notification(message)
    elif "error" in message:
        check_error(message)
    else:
        assert set(message) == {"jsonrpc", "id", "result"}, message
        assert isinstance(message["id"], int | str), message


def check_notification(message: Message) -> None:
    """A notification of this revision, with no id to be answered."""
    assert set(message) <= {"jsonrpc", "method", "params"}, message
    assert (message["method"], VERSION) in methods.SERVER_NOTIFICATIONS, message
    methods.parse_server_notification(message["method"], VERSION, message.get("params"))
    _no_nulls({key: value for key, value in message.items() if message["method"] != "notifications/message"})
    _published(_SCHEMA_NAMES[message["method"]], message)


def check_error(message: Message) -> None:
    """An error response: a code that may be sent, a message, and no id that is null."""
    assert set(message) <= {"jsonrpc", "id", "error"}, message
    assert isinstance(message.get("id", 0), int | str), message
    error = message["error"]
    assert set(error) <= {"code", "message", "data"}, message
    assert isinstance(error["code"], int), message
    assert isinstance(error["message"], str), message
    assert error["code"] in _DEFINED_CODES or error["code"] not in _JSONRPC_CODES, message
    _published(_ERROR_NAMES.get(error["code"], "JSONRPCErrorResponse"), message)


def check_result(method: str, result: Message) -> None:
    """The result of `method`, by the official models and by what they overlook."""
    methods.validate_server_result(method, VERSION, result)
    assert result["resultType"] in _KINDS_OF_RESULT, result
    if result["resultType"] == "input_required":
        _check_input_required(method, result)
        return
    if method in CACHEABLE:
        assert type(result["ttlMs"]) is int, result
        assert result["ttlMs"] >= 0, result
        assert result["cacheScope"] in {"public", "private"}, result
    else:
        assert "ttlMs" not in result, result
        assert "cacheScope" not in result, result
    # The official serializer drops what it does not know: nothing may be lost. It drops structured content that is
    # null as well, though the specification allows any JSON value there.
    kept = methods.serialize_server_result(method, VERSION, result)
    structured = {"structuredContent": result["structuredContent"]} if "structuredContent" in result else {}
    assert {**json.loads(json.dumps(kept)), **structured} == result, (kept, result)
    _no_nulls({key: value for key, value in result.items() if key != "structuredContent"})
    _published(_SCHEMA_NAMES[method], result)


def _check_input_required(method: str, result: Message) -> None:
    assert method in ASKING, result
    assert set(result) <= {"resultType", "inputRequests", "requestState", "_meta"}, result
    assert "inputRequests" in result or "requestState" in result, result
    assert isinstance(result.get("requestState", ""), str), result
    for asked in result.get("inputRequests", {}).values():
        assert asked["method"] in INPUT_REQUESTS, result
        assert set(asked) <= {"method", "params"}, result
    _published("InputRequiredResult", result)


def server_info(result: Message) -> Message:
    """Who a result says it is from."""
    return dict(result["_meta"][SERVER_INFO])


def subscription_id(message: Message) -> Any:
    """The subscription that a notification or a final result belongs to, None where it belongs to none."""
    body = message.get("params") or message.get("result") or {}
    return body.get("_meta", {}).get(SUBSCRIPTION_ID)


def _no_nulls(value: object) -> None:
    """An absent member is left out. The schema knows no nulls."""
    assert value is not None
    if isinstance(value, dict):
        for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType]  # JSON
            if key not in {"inputSchema", "outputSchema", "default", "_meta"}:
                _no_nulls(inner)  # pyright: ignore[reportUnknownArgumentType]  # JSON
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]  # JSON
            _no_nulls(inner)  # pyright: ignore[reportUnknownArgumentType]  # JSON


@cache
def _validator(name: str) -> Any:
    file = os.environ.get("MCP_SCHEMA_FILE")
    if not file:
        return None
    definitions = json.loads(Path(file).read_text(encoding="utf-8"))["$defs"]
    return jsonschema_rs.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions}, offline=True)


def _published(name: str, value: object) -> None:
    validator = _validator(name)
    if validator is not None:
        validator.validate(value)
