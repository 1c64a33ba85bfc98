"""A plugin beside `mcp_plugins.everything`. Rule: a resource changes when a client says so, so each has one to itself."""

import anyio

from mcp_runtime import Context, Plugin

plugin = Plugin("touching")


@plugin.resource("touch://{name}", name="touched", mime_type="text/plain")
async def touched(name: str) -> str:
    """Read a text that never changes."""
    return name


@plugin.tool
async def touch(uri: str) -> str:
    """Tell those who subscribed to a resource that it has changed."""
    plugin.resource_updated(uri)
    return f"Touched {uri}"


@plugin.tool
async def touch_when_cancelled(uri: str, ctx: Context) -> str:
    """Report progress, and do nothing until the client cancels the call; then tell those who subscribed."""
    try:
        # A client may be fast enough to cancel what is still being sent to it.
        await ctx.progress(1)
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        plugin.resource_updated(uri)
        raise
    return "never"
