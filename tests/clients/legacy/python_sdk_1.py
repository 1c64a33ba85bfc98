"""The client of the PyPI package `mcp` 1.x, as a process. Rule: see `steps`.

Run in an environment of its own, where nothing but the package is: imported by name, since the project's own
environment has version 2, and type checkers look there.
"""

import inspect
import sys
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from importlib.metadata import version
from typing import Any

import anyio

from tests.clients.legacy.heard import Heard
from tests.clients.legacy.steps import Answers, Steps, printed
from tests.clients.legacy.wire_log import WireLog


class Sdk1Steps(Steps):
    """URIs are pydantic's here."""

    def uri(self, uri: str) -> Any:
        return import_module("pydantic").AnyUrl(uri)


def connect(target: dict[str, Any]) -> AbstractAsyncContextManager[Any]:
    """The transport's streams to read from and write to, the first two of what it yields."""
    streams: AbstractAsyncContextManager[Any]
    match target["transport"]:
        case "http":
            streams = import_module("mcp.client.streamable_http").streamablehttp_client(target["url"])
        case "sse":
            streams = import_module("mcp.client.sse").sse_client(target["url"])
        case _:
            stdio = import_module("mcp.client.stdio")
            streams = stdio.stdio_client(
                stdio.StdioServerParameters(
                    command=target["command"], args=target["arguments"], env=target["environment"]
                )
            )
    return streams


def callbacks(session: Any, answers: Answers, heard: Heard) -> dict[str, Any]:
    """What this version of `ClientSession` can be told: elicitation came with 1.10."""
    offered = {
        "elicitation_callback": answers.elicit,
        "sampling_callback": answers.sample,
        "list_roots_callback": answers.roots,
        "logging_callback": heard.on_log,
        "message_handler": heard.on_message,
    }
    known = inspect.signature(session.__init__).parameters
    return {name: callback for name, callback in offered.items() if name in known}


async def hold(target: dict[str, Any], wire: WireLog) -> dict[str, Any]:
    mcp = import_module("mcp")
    answers, heard = Answers(import_module("mcp.types")), Heard()
    async with (
        connect(target) as (read, write, *_),
        mcp.ClientSession(read, write, **callbacks(mcp.ClientSession, answers, heard)) as session,
    ):
        opened = await session.initialize()
        steps = Sdk1Steps(session, answers, heard, wire, target["transport"])
        await steps.all()
    identity = {"version": opened.protocolVersion, "server": opened.serverInfo.name, "client": version("mcp")}
    return {**identity, **steps.seen}


if __name__ == "__main__":
    anyio.run(printed, hold, sys.argv[1])
