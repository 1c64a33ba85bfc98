"""A FastAPI application that serves MCP below /tools. Rule: as docs tell users to do it."""

import os

from fastapi import FastAPI

from mcp_runtime.asgi import create_app

mcp = create_app()
app = FastAPI(lifespan=None if os.environ.get("FORGET_THE_LIFESPAN") else mcp.lifespan)
app.mount("/tools", mcp)


@app.get("/about")
async def about() -> dict[str, str]:
    """Be a route of the host's own."""
    return {"about": "a host"}
