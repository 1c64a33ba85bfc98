"""Tools that tell the client how the work goes. Rule: say what happens; whether to send it is not our decision.

Spec: 2026-07-28/basic/patterns/progress, 2026-07-28/server/utilities/logging
"""

from typing import Final

import anyio

from mcp_runtime import Context

from .plugin import plugin

# The pause that the suite's description asks for, so that notifications cannot arrive in one piece.
PAUSE_S: Final = 0.05


@plugin.tool
async def test_tool_with_logging(ctx: Context) -> str:
    """Send three log messages while working."""
    await ctx.message("info", "Tool execution started")
    await anyio.sleep(PAUSE_S)
    await ctx.message("info", "Tool processing data")
    await anyio.sleep(PAUSE_S)
    await ctx.message("info", "Tool execution completed")
    return "Tool with logging executed successfully"


@plugin.tool
async def test_tool_with_progress(ctx: Context) -> str:
    """Report progress three times while working."""
    for done in (0, 50, 100):
        if done:
            await anyio.sleep(PAUSE_S)
        await ctx.progress(done, total=100, message=f"Completed step {done} of 100")
    return "Tool with progress executed successfully"


@plugin.tool
async def test_logging_tool(ctx: Context) -> str:
    """Send a log message, which only clients that asked for logs with this request receive."""
    await ctx.message("info", {"event": "working", "tool": "test_logging_tool"}, logger="everything")
    return "Logged, for those who listen"


@plugin.tool
async def test_reconnection(ctx: Context) -> str:
    """Let go of the connection in the middle of the work; the client comes back for the result."""
    await ctx.close_stream()
    await anyio.sleep(PAUSE_S * 3)
    return "Reconnection test completed successfully"
