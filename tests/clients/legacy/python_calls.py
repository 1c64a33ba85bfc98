"""A few calls of the PyPI package `mcp` 1.x over Streamable HTTP, with a pause. Rule: see `steps`.

It prints "opened" after its first calls, waits for a line on standard input, and does them again in the same session.
"""

import sys
from importlib import import_module
from typing import Any

import anyio
import anyio.to_thread

from tests.clients.legacy.python_sdk_1 import connect
from tests.clients.legacy.steps import outcome, printed, refusal
from tests.clients.legacy.wire_log import WireLog


async def calls(session: Any) -> dict[str, Any]:
    return {
        "tools": [tool.name for tool in (await session.list_tools()).tools],
        "text": outcome(await session.call_tool("test_simple_text", {})),
        "tool_error": outcome(await session.call_tool("test_error_handling", {})),
        "unknown_tool": await refusal(session.call_tool("no_such_tool", {})),
    }


async def hold(target: dict[str, Any], _: WireLog) -> dict[str, Any]:
    async with (
        connect(target) as (read, write, session_id),
        import_module("mcp").ClientSession(read, write) as session,
    ):
        await session.initialize()
        first, opened_as = await calls(session), session_id()
        print("opened", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)
        again = await calls(session)
        return {"first": first, "again": again, "same_session": session_id() == opened_as}


if __name__ == "__main__":
    anyio.run(printed, hold, sys.argv[1])
