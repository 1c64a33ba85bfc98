"""The client of the PyPI package `mcp` 2.x that is told to speak as before, as a process. Rule: see `steps`."""

import sys
from importlib.metadata import version
from typing import Any

import anyio
import mcp_types
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client

from tests.clients.legacy.heard import Heard
from tests.clients.legacy.steps import Answers, Steps, printed
from tests.clients.legacy.wire_log import WireLog


def server(target: dict[str, Any]) -> Any:
    match target["transport"]:
        case "http":
            return target["url"]
        case "sse":
            return sse_client(target["url"])
        case _:
            return StdioServerParameters(command=target["command"], args=target["arguments"], env=target["environment"])


async def hold(target: dict[str, Any], wire: WireLog) -> dict[str, Any]:
    answers, heard = Answers(mcp_types), Heard()
    async with Client(
        server(target),
        mode="legacy",
        elicitation_callback=answers.elicit,
        sampling_callback=answers.sample,
        list_roots_callback=answers.roots,
        logging_callback=heard.on_log,
        message_handler=heard.on_message,
        cache=None,
    ) as client:
        assert client.server_info is not None
        identity = {"version": client.protocol_version, "server": client.server_info.name, "client": version("mcp")}
        steps = Steps(client, answers, heard, wire, target["transport"])
        await steps.all()
    return {**identity, **steps.seen}


if __name__ == "__main__":
    anyio.run(printed, hold, sys.argv[1])
