"""Tools that return content of every kind. Rule: return the value; the runtime makes the result of it.

Spec: 2026-07-28/server/tools#tool-result
"""

from mcp_runtime import AudioContent, EmbeddedResource, ImageContent, TextContent, TextResourceContents, ToolError

from .plugin import plugin
from .samples import PNG, WAV


@plugin.tool
async def test_simple_text() -> str:
    """Return a line of text."""
    return "This is a simple text response for testing."


@plugin.tool
async def test_image_content() -> ImageContent:
    """Return a PNG image of one pixel."""
    return ImageContent(PNG, "image/png")


@plugin.tool
async def test_audio_content() -> AudioContent:
    """Return a WAV sound of one sample."""
    return AudioContent(WAV, "audio/wav")


@plugin.tool
async def test_embedded_resource() -> EmbeddedResource:
    """Return the contents of a resource as part of the result."""
    return EmbeddedResource(
        TextResourceContents("test://embedded-resource", "This is an embedded resource content.", "text/plain")
    )


@plugin.tool
async def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    """Return text, an image and a resource in one result."""
    resource = TextResourceContents("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
    return [TextContent("Multiple content types test:"), ImageContent(PNG, "image/png"), EmbeddedResource(resource)]


@plugin.tool
def test_error_handling() -> str:
    """Fail with a text that the model can act on."""
    raise ToolError("This tool intentionally returns an error for testing")
