"""Handlers in tests: one tool, called by a client that declares everything."""

from collections.abc import Callable
from typing import Any

import pytest

from mcp_runtime import Plugin
from tests.support.dispatcher_client import Client, RpcError, meta

FORM: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}}
EVERYTHING: dict[str, Any] = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}},
    "roots": {},
}


def serving(fn: Callable[..., Any], **sections: Any) -> Client:
    plugin = Plugin("demo")
    plugin.add_tool(fn, name="tool")
    return Client(plugin, **sections)


def params(own_meta: dict[str, Any] | None = None, capabilities: Any = None, **more: Any) -> dict[str, Any]:
    declared = meta(clientCapabilities=EVERYTHING if capabilities is None else capabilities)
    return {"name": "tool", "_meta": declared | (own_meta or {}), **more}


async def refused(fn: Callable[..., Any], **options: Any) -> RpcError:
    with pytest.raises(RpcError) as error:
        await serving(fn).request("tools/call", params(**options))
    return error.value


def sent(client: Client) -> list[Any]:
    return [message["params"] for message in client.notifications]
