"""What an idle event stream of sse-starlette costs. Rule: every request gets one, and nothing is ever sent on it."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
from bare import lifespan  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]  # beside this program
from sse_starlette import EventSourceResponse


async def silence() -> AsyncGenerator[dict[str, str], None]:
    """One event, so that whoever opened it knows that it is open; then nothing."""
    yield {"data": "{}"}
    await anyio.sleep_forever()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Open a stream."""
    if scope["type"] == "http":
        await EventSourceResponse(silence())(scope, receive, send)
    else:
        await lifespan(receive, send)
