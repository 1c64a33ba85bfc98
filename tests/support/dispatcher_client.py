"""A client that speaks to the dispatcher of a real runtime. Rule: a request says all that the test leaves out."""

import json
from typing import Any, Self, cast

import anyio

from mcp_runtime import Plugin
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.config import Config, SealConfig
from mcp_runtime.config.secret import Secret
from mcp_runtime.core.calls.call import Answer, Call, Reply
from mcp_runtime.core.calls.time_limit import TimeLimit
from mcp_runtime.platform.loops import loop_at_hand
from mcp_runtime.protocol.headers import METHOD, NAME, PARAM_PREFIX, PROTOCOL_VERSION, Headers, encode_value
from mcp_runtime.protocol.jsonrpc import Request, RequestId
from mcp_runtime.protocol.messages import read_message
from tests.support.messages import CLIENT_CAPABILITIES, PREFIX, VERSION
from tests.support.messages import PROTOCOL_VERSION as VERSION_KEY

META: dict[str, Any] = {VERSION_KEY: VERSION, CLIENT_CAPABILITIES: {}}


def meta(**changes: Any) -> dict[str, Any]:
    """A complete `_meta`; `changes` are keys without their prefix, None for those to leave out."""
    changed = {**META, **{PREFIX + key: value for key, value in changes.items()}}
    return {key: value for key, value in changed.items() if value is not None}


def headers(version: bytes | None, method: bytes | None, name: bytes | None = None, **params: bytes) -> Headers:
    """The MCP headers of a request, None for one that it does not have."""
    found = {PROTOCOL_VERSION: version, METHOD: method, NAME: name}
    found |= {PARAM_PREFIX + key.encode(): value for key, value in params.items()}
    return {key: value for key, value in found.items() if value is not None}


def mirrored(method: str, name: str | None = None, **params: bytes) -> Headers:
    """The headers of a request that does everything right."""
    return headers(VERSION.encode(), method.encode(), None if name is None else encode_value(name), **params)


class RpcError(Exception):
    """The server answered with a JSON-RPC error."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        error = json.loads(reply.body)["error"]
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: Any = error.get("data")
        self.status = reply.status


class Client:
    """Requests to a runtime of these plugins; `sections` are those of its configuration."""

    def __init__(self, *plugins: Plugin[Any], **sections: Any) -> None:
        seal = SealConfig(keys=(Secret("a key that is long enough for a test"),))
        self.runtime = build_runtime(Config(seal=seal, **sections), plugins)
        self.notifications: list[dict[str, Any]] = []

    @classmethod
    def of(cls, runtime: Runtime) -> Self:
        """A client of a runtime that is there already."""
        client = cls.__new__(cls)
        client.runtime, client.notifications = runtime, []
        return client

    async def _notify(self, message: bytes) -> None:
        self.notifications.append(json.loads(message))

    def call(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        id: RequestId = 1,
        headers: Headers | None = None,
        principal: str | None = None,
        peer: str | None = None,
    ) -> Call:
        """A request, over HTTP where it has headers; `params` get a complete `_meta` unless they have one."""
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": {"_meta": META, **(params or {})}}
        request = read_message(json.dumps(message).encode())
        assert isinstance(request, Request)
        loop = loop_at_hand()
        return Call(
            request=request,
            transport="stdio" if headers is None else "streamable_http",
            notify=self._notify,
            headers=headers,
            principal=principal,
            peer=peer,
            time=TimeLimit(cutter=loop.new_scope(), began=loop.now(), now=loop.now),
        )

    async def dispatch(self, call: Call) -> Answer | None:
        """What the dispatcher makes of `call`."""
        return await self.runtime.dispatcher.dispatch_within(cast("anyio.CancelScope", call.time.cutter), call)

    async def reply(self, method: str, params: dict[str, Any] | None = None, **options: Any) -> Reply:
        """The reply to a request."""
        answer = await self.dispatch(self.call(method, params, **options))
        assert isinstance(answer, Reply)
        return answer

    async def request(self, method: str, params: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """The result of a request. Raises RpcError."""
        reply = await self.reply(method, params, **options)
        message = json.loads(reply.body)
        assert message["jsonrpc"] == "2.0"
        if "error" in message:
            raise RpcError(reply)
        assert reply.status == 200
        return dict(message["result"])

    async def tool(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """The result of a tool call. Raises RpcError."""
        return await self.request("tools/call", {"name": name, "arguments": arguments})


def text_of(result: dict[str, Any]) -> str:
    """The text of a tool's result."""
    return "".join(block["text"] for block in result["content"] if block["type"] == "text")
