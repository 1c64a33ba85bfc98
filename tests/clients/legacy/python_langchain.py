"""The client of the PyPI package `langchain-mcp-adapters`, as a process. Rule: see `steps`.

An agent calls tools that LangChain makes of MCP's; the rest goes through the `ClientSession` below them.
"""

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

import anyio

from tests.clients.legacy.heard import Heard
from tests.clients.legacy.python_sdk_1 import Sdk1Steps, callbacks
from tests.clients.legacy.steps import Answers, printed
from tests.clients.legacy.wire_log import WireLog

ADAPTERS = "langchain_mcp_adapters"


class LangChainSteps(Sdk1Steps):
    """Calls tools, reads resources and gets prompts as an agent does."""

    def __init__(self, *arguments: Any, callbacks: Any) -> None:
        super().__init__(*arguments)
        self._callbacks = callbacks
        self._tools: dict[str, Any] = {}

    async def tools(self) -> list[str]:
        load = import_module(f"{ADAPTERS}.tools").load_mcp_tools
        self._tools = {tool.name: tool for tool in await load(self.session, callbacks=self._callbacks)}
        return list(self._tools)

    async def call(self, name: str, arguments: dict[str, Any] | None = None) -> tuple[bool, str]:
        request = {"type": "tool_call", "id": "1", "name": name, "args": arguments or {}}
        message = await self._tools[name].ainvoke(request)
        blocks = [{"text": message.content}] if isinstance(message.content, str) else message.content
        return message.status == "error", "".join(block["text"] for block in blocks)

    async def call_with_progress(self, name: str) -> None:
        await self.call(name)

    async def read(self, uri: str) -> str:
        (blob,) = await import_module(f"{ADAPTERS}.resources").load_mcp_resources(self.session, uris=uri)
        return str(blob.as_string())

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        load = import_module(f"{ADAPTERS}.prompts").load_mcp_prompt
        return str((await load(self.session, name, arguments=arguments))[0].content)


async def hold(target: dict[str, Any], wire: WireLog) -> dict[str, Any]:
    session_class = import_module("mcp").ClientSession
    answers, heard = Answers(import_module("mcp.types")), Heard()
    adapters: Any = import_module(f"{ADAPTERS}.callbacks")

    # LangChain's own callbacks have one argument more, which says what server and tool they are about.
    async def on_log(params: Any, context: Any) -> None:
        await heard.on_log(params)

    async def on_progress(progress: float, total: float | None, message: str | None, context: Any) -> None:
        await heard.on_progress(progress, total, message)

    async def on_elicit(asked: Any, params: Any, context: Any) -> Any:
        return await answers.elicit(asked, params)

    told = adapters.Callbacks(on_logging_message=on_log, on_progress=on_progress, on_elicitation=on_elicit)
    ours = callbacks(session_class, answers, heard)
    rest = {name: ours[name] for name in ("sampling_callback", "list_roots_callback", "message_handler")}
    connection = {**_connection(target), "session_kwargs": rest}
    client = import_module(f"{ADAPTERS}.client").MultiServerMCPClient({"everything": connection}, callbacks=told)
    async with client.session("everything", auto_initialize=False) as session:
        opened = await session.initialize()
        steps = LangChainSteps(session, answers, heard, wire, target["transport"], callbacks=told)
        await steps.all()
    # Without a session of the caller's, it opens one for the list and one for each call.
    tool = next(tool for tool in await client.get_tools() if tool.name == "test_simple_text")
    blocks = await tool.ainvoke({})
    identity = {"version": opened.protocolVersion, "server": opened.serverInfo.name, "client": version(ADAPTERS)}
    return {**identity, **steps.seen, "sessionless": "".join(block["text"] for block in blocks)}


def _connection(target: dict[str, Any]) -> dict[str, Any]:
    match target["transport"]:
        case "http":
            return {"transport": "streamable_http", "url": target["url"]}
        case "sse":
            return {"transport": "sse", "url": target["url"]}
        case _:
            command = {"command": target["command"], "args": target["arguments"], "env": target["environment"]}
            return {"transport": "stdio", **command}


if __name__ == "__main__":
    anyio.run(printed, hold, sys.argv[1])
