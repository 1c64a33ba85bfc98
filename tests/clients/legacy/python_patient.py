"""A client of HTTP+SSE that is told to come back later, and does. Rule: it waits as long as it was told, no longer.

Of PyPI's `mcp` 1.x. Prints what refused it, and what it was served in the end.
"""

import json
import sys
from typing import Any

import anyio
import httpx
from mcp import ClientSession
from mcp.client.sse import sse_client

_ATTEMPTS = 5


def refusal_in(error: BaseException) -> httpx.Response | None:
    """The HTTP response that `error` is about."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response
    parts: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return next(filter(None, map(refusal_in, parts)), None)


async def served(url: str) -> list[str]:
    """The tools."""
    async with sse_client(url) as (reader, writer), ClientSession(reader, writer) as session:
        await session.initialize()
        return [tool.name for tool in (await session.list_tools()).tools]


async def main() -> None:
    """Try until it is served."""
    target = json.loads(sys.argv[1])
    refusals: list[tuple[int, str | None]] = []
    tools: list[str] = []
    for _ in range(_ATTEMPTS):
        try:
            tools = await served(target["url"])
            break
        except BaseException as error:
            refused: Any = refusal_in(error)
            if refused is None:
                raise
            refusals.append((refused.status_code, refused.headers.get("retry-after")))
            print("refused", flush=True)
        await anyio.sleep(float(refusals[-1][1] or 0))
    print(json.dumps({"refusals": refusals, "tools": tools}))


anyio.run(main)
