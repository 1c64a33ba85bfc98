"""Messages as a client of 2026-07-28 writes them, and the HTTP headers that mirror them.

Rule: plain dicts, written from the specification; nothing of the runtime is used here.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

Message = dict[str, Any]

VERSION: Final = "2026-07-28"
PREFIX: Final = "io.modelcontextprotocol/"
PROTOCOL_VERSION: Final = f"{PREFIX}protocolVersion"
CLIENT_INFO: Final = f"{PREFIX}clientInfo"
CLIENT_CAPABILITIES: Final = f"{PREFIX}clientCapabilities"
LOG_LEVEL: Final = f"{PREFIX}logLevel"
SUBSCRIPTION_ID: Final = f"{PREFIX}subscriptionId"
SERVER_INFO: Final = f"{PREFIX}serverInfo"

ABLE: Final[Message] = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}}
"""The capabilities of a client that can do everything."""
UNABLE: Final[Message] = {}
"""The capabilities of a client that can do nothing."""

_NAMED_BY: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_SENTINEL: Final = ("=?base64?", "?=")


def meta(*, capabilities: Message | None = None, version: str = VERSION, **more: Any) -> Message:
    """A complete `_meta`. `more` is added under the prefix of the specification: `logLevel="info"`."""
    own = {
        PROTOCOL_VERSION: version,
        CLIENT_INFO: {"name": "test-client", "version": "1.0"},
        CLIENT_CAPABILITIES: ABLE if capabilities is None else capabilities,
    }
    return own | {f"{PREFIX}{key}": value for key, value in more.items()}


def request(
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    id: Any = 1,
    capabilities: Message | None = None,
    extra_meta: Message | None = None,
) -> Message:
    """A request with everything it needs. `extra_meta` goes into `_meta` as it is: `{"progressToken": 1}`."""
    own = {**(params or {}), "_meta": {**meta(capabilities=capabilities), **(extra_meta or {})}}
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": own}


def call(tool: str, request_id: Any = 1, *, meta: Message | None = None, **arguments: Any) -> Message:
    """A tools/call; `meta` adds to its `_meta`, as it is."""
    return request("tools/call", {"name": tool, "arguments": arguments}, id=request_id, extra_meta=meta)


def listen(request_id: Any = "listening", **wanted: Any) -> Message:
    """A subscriptions/listen; by default for changes of the tool list."""
    return request("subscriptions/listen", {"notifications": wanted or {"toolsListChanged": True}}, id=request_id)


def notification(method: str, params: Mapping[str, Any] | None = None) -> Message:
    """A notification."""
    return {"jsonrpc": "2.0", "method": method, "params": dict(params or {})}


def encode(message: object) -> bytes:
    """A message as one line of JSON."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def accepted(**content: Any) -> Message:
    """An ElicitResult: the user filled in the form."""
    return {"action": "accept", "content": content}


def sampled(text: str) -> Message:
    """A CreateMessageResult: what the client's model said."""
    return {"role": "assistant", "content": {"type": "text", "text": text}, "model": "test", "stopReason": "endTurn"}


def rooted(*uris: str) -> Message:
    """A ListRootsResult."""
    return {"roots": [{"uri": uri, "name": uri.rpartition("/")[2]} for uri in uris]}


def text(response: Message) -> str:
    """The text of a tool's result."""
    return "".join(block["text"] for block in response["result"]["content"] if block["type"] == "text")


def header_value(value: str) -> str:
    """`value` as a header carries it: plain, or in base64 where it would not survive."""
    plain = all(" " <= char <= "~" for char in value) and value == value.strip()
    if plain and not (value.startswith(_SENTINEL[0]) and value.endswith(_SENTINEL[1])):
        return value
    return base64.b64encode(value.encode()).decode().join(_SENTINEL)


def headers_for(message: object, mirrored: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, str]:
    """The headers that a client of this revision sends with `message`.

    `mirrored` has, by tool and by argument ("place.city" for a nested one), the name that an `x-mcp-header` gave it.
    """
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if not isinstance(message, dict):
        return headers | {"mcp-protocol-version": VERSION}
    body: Message = message  # pyright: ignore[reportUnknownVariableType]  # JSON
    params = body.get("params")
    own = params if isinstance(params, dict) else Message()
    found = own.get("_meta")
    version = found.get(PROTOCOL_VERSION) if isinstance(found, dict) else None
    headers["mcp-protocol-version"] = version if isinstance(version, str) else VERSION
    method = body.get("method")
    if isinstance(method, str):
        headers["mcp-method"] = method
        name = own.get(_NAMED_BY.get(method, ""))
        if isinstance(name, str):
            headers["mcp-name"] = header_value(name)
            if method == "tools/call":
                headers |= _param_headers(own.get("arguments"), (mirrored or {}).get(name, {}))
    return headers


def _param_headers(arguments: object, mirrored: Mapping[str, str]) -> dict[str, str]:
    values = {header: _value_at(arguments, path.split(".")) for path, header in mirrored.items()}
    texts = {header: json.dumps(value) for header, value in values.items() if isinstance(value, bool | int)}
    texts |= {header: header_value(value) for header, value in values.items() if isinstance(value, str)}
    return {f"mcp-param-{header.lower()}": text for header, text in texts.items()}


def _value_at(value: object, path: list[str]) -> object:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType,reportUnknownMemberType]  # JSON
    return value  # pyright: ignore[reportUnknownVariableType]  # JSON
