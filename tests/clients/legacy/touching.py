"""A plugin beside `mcp_plugins.everything`. Rule: a resource changes when a client says so, so each has one to itself."""

from mcp_runtime import Plugin

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
