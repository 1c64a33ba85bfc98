"""A client that speaks to a dispatcher in process. Rule: every result is checked against the official models."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from mcp_types import methods

from mcp_runtime import Plugin
from mcp_runtime.call import Answer, Call, Reply, Stream
from mcp_runtime.compose import build_runtime
from mcp_runtime.config import load_config
from mcp_runtime.protocol.jsonrpc import Request
from mcp_runtime.protocol.messages import read_message
from mcp_runtime.runtime import Runtime

VERSION = "2026-07-28"
FULL: dict[str, Any] = {"elicitation": {}, "sampling": {}, "roots": {}}


class RpcError(Exception):
    """The server answered with a JSON-RPC error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.data: Any = error.get("data")


@dataclass
class Conversation:
    """Requests to one runtime. `notifications` are those of the last request, in order."""

    runtime: Runtime
    capabilities: dict[str, Any] = field(default_factory=lambda: dict(FULL))
    notifications: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    ids: "count[int]" = field(default_factory=lambda: count(1))

    async def send(self, method: str, meta: dict[str, Any] | None = None, **params: Any) -> Answer | None:
        own = {"protocolVersion": VERSION, "clientCapabilities": self.capabilities}
        namespaced = {f"io.modelcontextprotocol/{key}": value for key, value in own.items()}
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": next(self.ids), "method": method}
        message["params"] = {**params, "_meta": {**namespaced, **(meta or {})}}
        request = read_message(json.dumps(message).encode())
        assert isinstance(request, Request)
        self.notifications = []

        async def notify(encoded: bytes) -> None:
            self.notifications.append(json.loads(encoded))

        call = Call(request=request, transport="stdio", notify=notify)
        return await self.runtime.dispatcher.dispatch(call)

    async def request(self, method: str, meta: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
        answer = await self.send(method, meta, **params)
        assert isinstance(answer, Reply)
        response = json.loads(answer.body)
        if "error" in response:
            raise RpcError(response["error"])
        methods.validate_server_result(method, VERSION, response["result"])
        return dict(response["result"])

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        return await self.request("tools/call", name=tool, arguments=arguments)

    async def answer(self, tool: str, asked: dict[str, Any], answers: dict[str, Any], /, **arguments: Any) -> Any:
        """Retry a call that ended with questions, with answers to them."""
        retry = {"requestState": asked["requestState"], "inputResponses": answers}
        return await self.request("tools/call", name=tool, arguments=arguments, **retry)

    @asynccontextmanager
    async def listen(self, **wanted: Any) -> AsyncGenerator[Callable[[], Awaitable[dict[str, Any]]]]:
        """Subscribe, and get a function that waits for the next notification; the acknowledgment was the first."""
        answer = await self.send("subscriptions/listen", notifications=wanted)
        assert isinstance(answer, Stream)
        async with aclosing(answer.subscription.notifications()) as heard:

            async def hear() -> dict[str, Any]:
                return dict(json.loads(await anext(heard)))

            assert (await hear())["method"] == "notifications/subscriptions/acknowledged"
            yield hear
        answer.subscription.leave()


def text(result: dict[str, Any]) -> str:
    """The text of a tool's result."""
    return "".join(block["text"] for block in result["content"] if block["type"] == "text")


@asynccontextmanager
async def conversation(
    plugin: Plugin[Any], tmp_path: Path, settings: dict[str, Any] | None = None
) -> AsyncGenerator[Conversation]:
    """Serve the plugin, with settings as in its table of the configuration, and talk to it."""
    file = tmp_path / "config.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in (settings or {}).items()]
    file.write_text("\n".join([f"[plugin.{plugin.name}]", *lines]))
    runtime = build_runtime(load_config(file, environ={"XDG_STATE_HOME": str(tmp_path)}), plugins=(plugin,))
    async with runtime.running():
        yield Conversation(runtime)
