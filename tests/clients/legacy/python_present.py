"""A client of 2026-07-28 that goes on calling while the past is refused. Rule: what disturbs it ends it, loudly.

Of PyPI's `mcp` 2. It prints "calling" after its first call, calls until its standard input ends, and prints how often.
"""

import json
import sys

import anyio
import anyio.to_thread
from mcp import Client
from mcp_types import TextContent

_PAUSE_S = 0.05


async def main() -> None:
    """Call until told to stop."""
    target = json.loads(sys.argv[1])
    texts: list[str] = []
    async with Client(target["url"], mode="auto", read_timeout_seconds=10, cache=None) as client:

        async def call() -> None:
            result = await client.call_tool("test_simple_text", {})
            texts.extend(
                block.text for block in result.content if isinstance(block, TextContent) and not result.is_error
            )

        await call()
        print("calling", flush=True)
        async with anyio.create_task_group() as tasks:

            async def go_on() -> None:
                while True:
                    await call()
                    await anyio.sleep(_PAUSE_S)

            tasks.start_soon(go_on)
            await anyio.to_thread.run_sync(sys.stdin.read)
            tasks.cancel_scope.cancel()
        version = client.protocol_version
    print(json.dumps({"version": version, "calls": len(texts), "texts": sorted(set(texts))}))


anyio.run(main)
