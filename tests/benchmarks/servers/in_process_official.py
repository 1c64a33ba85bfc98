"""The official SDK's cost of a call, as an ASGI server would see it. Rule: the same request, the same ends.

Takes seconds; reads the body and headers of the request, as JSON, from stdin.
"""

import asyncio
import json
import sys

from in_process import (  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]  # beside this program
    asgi,
    measure,
)
from official_sdk import (  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]  # beside this program
    app,
)


async def main() -> None:
    """Measure."""
    given = json.load(sys.stdin)
    async with app.router.lifespan_context(app):
        await measure(asgi(app, given["body"].encode(), given["headers"]), float(sys.argv[1]))


asyncio.run(main())
