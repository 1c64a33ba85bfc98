"""A conversation with one plugin, in process, without a wire. Rule: every result is checked against the official models."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from mcp_runtime import Plugin
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.config import load_config
from mcp_runtime.core.calls.call import Answer, Stream
from tests.support import official
from tests.support.dispatcher_client import Client, meta

_EVERYTHING: dict[str, Any] = {"elicitation": {}, "sampling": {}, "roots": {}}


class Conversation:
    """Requests to one runtime. `capabilities` are what the client says it can do."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.capabilities = dict(_EVERYTHING)
        self._client = Client.of(runtime)
        self._ids = count(1)

    @property
    def notifications(self) -> list[dict[str, Any]]:
        """Those of the last request, in order."""
        return self._client.notifications

    def _params(self, own: dict[str, Any] | None, params: dict[str, Any]) -> dict[str, Any]:
        self._client.notifications = []
        return {**params, "_meta": {**meta(clientCapabilities=self.capabilities), **(own or {})}}

    async def send(self, method: str, meta: dict[str, Any] | None = None, **params: Any) -> Answer | None:
        call = self._client.call(method, self._params(meta, params), id=next(self._ids))
        return await self._client.dispatch(call)

    async def request(self, method: str, meta: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
        """The result of a request. Raises RpcError."""
        result = await self._client.request(method, self._params(meta, params), id=next(self._ids))
        official.check_result(method, result)
        return result

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
