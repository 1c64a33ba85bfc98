"""The measured tools on the official Python SDK. Rule: as its documentation writes a server, and no slower than it can.

`app` is Streamable HTTP of both eras, `sse_app` is HTTP+SSE; run as a program it serves stdio. Without structured
output: so its answers carry what everybody else's do, once.
"""

import logging
import os

from mcp.server.mcpserver import Context, MCPServer

mcp = MCPServer("bench", version="1.0", log_level="ERROR")
# Both would write a line for every message.
logging.getLogger("mcp").setLevel(logging.ERROR)


@mcp.tool(structured_output=False)
async def echo(text: str) -> str:
    """Say it back."""
    return text


@mcp.tool(structured_output=False)
async def count(times: int, context: Context) -> str:
    """Report progress so many times."""
    for number in range(1, times + 1):
        await context.report_progress(number, times)
    return "done"


for extra in range(int(os.environ.get("BENCH_TOOLS", "0"))):
    mcp.tool(name=f"echo_{extra}", structured_output=False)(echo)

app = mcp.streamable_http_app(max_sessions=None, max_request_body_size=16 * 1024 * 1024)
sse_app = mcp.sse_app()

if __name__ == "__main__":
    mcp.run()
