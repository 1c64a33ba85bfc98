"""What a client of PyPI's `mcp` 1.x shows its user when one method is refused. Rule: it goes on afterwards.

Prints the errors by method, and the tools that it is served all the same.
"""

import sys
from importlib import import_module
from typing import Any

import anyio

from tests.clients.legacy.python_sdk_1 import connect
from tests.clients.legacy.steps import printed, refusal
from tests.clients.legacy.wire_log import WireLog

_PATIENCE_S = 10


async def hold(target: dict[str, Any], _: WireLog) -> dict[str, Any]:
    mcp = import_module("mcp")
    async with connect(target) as (read, write, *_rest), mcp.ClientSession(read, write) as session:
        await session.initialize()
        with anyio.fail_after(_PATIENCE_S):  # It would wait for ever for an answer that does not come.
            return {
                "ping": await refusal(session.send_ping()),
                "logging/setLevel": await refusal(session.set_logging_level("error")),
                "tools": [tool.name for tool in (await session.list_tools()).tools],
            }


if __name__ == "__main__":
    anyio.run(printed, hold, sys.argv[1])
