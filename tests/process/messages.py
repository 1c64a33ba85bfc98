"""Messages of revision 2026-07-28 as a client writes them. Rule: plain dicts; nothing of the runtime is used here."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tests.support.messages import CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION, VERSION, Message


def request(method: str, request_id: int | str = 1, *, meta: Message | None = None, **params: Any) -> Message:
    """A request with a complete `_meta`; `meta` adds to it (progressToken, logLevel)."""
    own: Message = {
        PROTOCOL_VERSION: VERSION,
        CLIENT_INFO: {"name": "process-test", "version": "1"},
        CLIENT_CAPABILITIES: {"elicitation": {}, "sampling": {}, "roots": {}},
    }
    return {
        "jsonrpc": "2.0",
        "id": request_id,
        "method": method,
        "params": {**params, "_meta": {**own, **(meta or {})}},
    }


def call(tool: str, request_id: int | str = 1, *, meta: Message | None = None, **arguments: Any) -> Message:
    """A tools/call."""
    return request("tools/call", request_id, meta=meta, name=tool, arguments=arguments)


def listen(request_id: int | str = "listening", **wanted: Any) -> Message:
    """A subscriptions/listen; by default for changes of the tool list."""
    return request("subscriptions/listen", request_id, notifications=wanted or {"toolsListChanged": True})


def events(lines: Iterable[str]) -> Iterator[Message]:
    """The messages in the lines of an event stream; comments are left out."""
    for line in lines:
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


def text(response: Message) -> str:
    """The text of a tool's result."""
    return "".join(block["text"] for block in response["result"]["content"] if block["type"] == "text")
