"""mcp-runtime: one dispatcher behind stdio and stateless Streamable HTTP, tools from plugins.

What plugin authors use is exported here, each name imported when it is first asked for: so that a process that only
forwards bytes does not wait for what it does not use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mcp_runtime.asyncio_thread import run_asyncio as run_asyncio
    from mcp_runtime.completions import Completions as Completions
    from mcp_runtime.context import Context as Context
    from mcp_runtime.elicitation_forms import Elicitation as Elicitation
    from mcp_runtime.errors import PluginError as PluginError
    from mcp_runtime.errors import ToolError as ToolError
    from mcp_runtime.plugin import Plugin as Plugin
    from mcp_runtime.protocol.content import Annotations as Annotations
    from mcp_runtime.protocol.content import AudioContent as AudioContent
    from mcp_runtime.protocol.content import BlobResourceContents as BlobResourceContents
    from mcp_runtime.protocol.content import CreateMessageResult as CreateMessageResult
    from mcp_runtime.protocol.content import EmbeddedResource as EmbeddedResource
    from mcp_runtime.protocol.content import ImageContent as ImageContent
    from mcp_runtime.protocol.content import PromptMessage as PromptMessage
    from mcp_runtime.protocol.content import ResourceLink as ResourceLink
    from mcp_runtime.protocol.content import Root as Root
    from mcp_runtime.protocol.content import SamplingMessage as SamplingMessage
    from mcp_runtime.protocol.content import TextContent as TextContent
    from mcp_runtime.protocol.content import TextResourceContents as TextResourceContents
    from mcp_runtime.protocol.errors import PeerError as PeerError
    from mcp_runtime.protocol.messages import ToolAnnotations as ToolAnnotations
    from mcp_runtime.protocol.meta import Icon as Icon
    from mcp_runtime.results import ToolResult as ToolResult
    from mcp_runtime.sync_context import SyncContext as SyncContext

_CONTENT: Final = "mcp_runtime.protocol.content"
_HOME: Final = {
    "Annotations": _CONTENT,
    "AudioContent": _CONTENT,
    "BlobResourceContents": _CONTENT,
    "Completions": "mcp_runtime.completions",
    "Context": "mcp_runtime.context",
    "CreateMessageResult": _CONTENT,
    "Elicitation": "mcp_runtime.elicitation_forms",
    "EmbeddedResource": _CONTENT,
    "Icon": "mcp_runtime.protocol.meta",
    "ImageContent": _CONTENT,
    "PeerError": "mcp_runtime.protocol.errors",
    "Plugin": "mcp_runtime.plugin",
    "PluginError": "mcp_runtime.errors",
    "PromptMessage": _CONTENT,
    "ResourceLink": _CONTENT,
    "Root": _CONTENT,
    "SamplingMessage": _CONTENT,
    "SyncContext": "mcp_runtime.sync_context",
    "TextContent": _CONTENT,
    "TextResourceContents": _CONTENT,
    "ToolAnnotations": "mcp_runtime.protocol.messages",
    "ToolError": "mcp_runtime.errors",
    "ToolResult": "mcp_runtime.results",
    "run_asyncio": "mcp_runtime.asyncio_thread",
}

__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]  # resolved by __getattr__
    "Annotations",
    "AudioContent",
    "BlobResourceContents",
    "Completions",
    "Context",
    "CreateMessageResult",
    "Elicitation",
    "EmbeddedResource",
    "Icon",
    "ImageContent",
    "PeerError",
    "Plugin",
    "PluginError",
    "PromptMessage",
    "ResourceLink",
    "Root",
    "SamplingMessage",
    "SyncContext",
    "TextContent",
    "TextResourceContents",
    "ToolAnnotations",
    "ToolError",
    "ToolResult",
    "run_asyncio",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'mcp_runtime' has no attribute {name!r}")
    return getattr(import_module(home), name)
