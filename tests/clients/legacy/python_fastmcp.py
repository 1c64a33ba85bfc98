"""The client of the PyPI package `fastmcp` 2.x, as a process. Rule: see `steps`."""

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

import anyio

from tests.clients.legacy.heard import Heard
from tests.clients.legacy.python_sdk_1 import Sdk1Steps
from tests.clients.legacy.steps import Answers, outcome, printed
from tests.clients.legacy.wire_log import WireLog


class FastMCPSteps(Sdk1Steps):
    """Calls and reads through the `Client`; what it does not wrap goes through the `ClientSession` below it."""

    def __init__(self, client: Any, *arguments: Any) -> None:
        super().__init__(client.session, *arguments)
        self.client = client

    async def tools(self) -> list[str]:
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, name: str, arguments: dict[str, Any] | None = None) -> tuple[bool, str]:
        return outcome(await self.client.call_tool_mcp(name, arguments or {}))

    async def call_with_progress(self, name: str) -> None:
        await self.client.call_tool(name, {}, progress_handler=self.heard.on_progress)

    async def read(self, uri: str) -> str:
        return str((await self.client.read_resource(uri))[0].text)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return str((await self.client.get_prompt(name, arguments)).messages[0].content.text)


async def hold(target: dict[str, Any], wire: WireLog) -> dict[str, Any]:
    answers, heard = Answers(import_module("mcp.types")), Heard()

    async def on_elicit(message: str, response_type: Any, params: Any, context: Any) -> Any:
        given = await answers.elicit(context, params)
        return import_module("fastmcp.client.elicitation").ElicitResult(action=given.action, content=given.content)

    async def on_sample(messages: Any, params: Any, context: Any) -> str:
        return str((await answers.sample(context, params)).content.text)

    client = import_module("fastmcp").Client(
        _transport(target),
        roots=["file:///work"],
        elicitation_handler=on_elicit,
        sampling_handler=on_sample,
        log_handler=heard.on_log,
        message_handler=heard.on_message,
    )
    async with client:
        opened = client.initialize_result
        steps = FastMCPSteps(client, answers, heard, wire, target["transport"])
        await steps.all()
    identity = {"version": opened.protocolVersion, "server": opened.serverInfo.name, "client": version("fastmcp")}
    return {**identity, **steps.seen}


def _transport(target: dict[str, Any]) -> Any:
    transports: Any = import_module("fastmcp.client.transports")
    match target["transport"]:
        case "http":
            return transports.StreamableHttpTransport(target["url"])
        case "sse":
            return transports.SSETransport(target["url"])
        case _:
            return transports.StdioTransport(
                target["command"], target["arguments"], env=target["environment"], keep_alive=False
            )


if __name__ == "__main__":
    anyio.run(printed, hold, sys.argv[1])
