"""The measured tools on FastMCP. Rule: as its documentation writes a server, and no slower than it can.

`app` is Streamable HTTP of both eras; run as a program it serves stdio.
"""

import logging
import os

from fastmcp import Context, FastMCP  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]  # it has an environment of its own

mcp = FastMCP("bench", version="1.0")
logging.getLogger("fastmcp").setLevel(logging.ERROR)
logging.getLogger("mcp").setLevel(logging.ERROR)


@mcp.tool(output_schema=None)  # type: ignore[untyped-decorator]  # see the import
async def echo(text: str) -> str:
    """Say it back."""
    return text


@mcp.tool(output_schema=None)  # type: ignore[untyped-decorator]  # see the import
async def count(times: int, context: Context) -> str:  # pyright: ignore[reportUnknownParameterType]  # see the import
    """Report progress so many times."""
    for number in range(1, times + 1):
        await context.report_progress(number, times)
    return "done"


for extra in range(int(os.environ.get("BENCH_TOOLS", "0"))):
    mcp.tool(echo, name=f"echo_{extra}", output_schema=None)

app = mcp.http_app()

if __name__ == "__main__":
    mcp.run(show_banner=False)
