"""mcp-runtime: one dispatcher behind stdio and stateless Streamable HTTP, tools from plugins.

What plugin authors use is exported here, each name imported when it is first asked for: so that a process that only
forwards bytes does not wait for what it does not use.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mcp_runtime.authoring.plugin import Plugin as Plugin
    from mcp_runtime.authoring.returns.completions import Completions as Completions
    from mcp_runtime.authoring.returns.results import ToolResult as ToolResult
    from mcp_runtime.config.secret import Secret as Secret
    from mcp_runtime.core.calls.errors import PluginError as PluginError
    from mcp_runtime.core.calls.errors import ToolError as ToolError
    from mcp_runtime.core.handlers.context import Context as Context
    from mcp_runtime.core.handlers.elicitation_forms import Elicitation as Elicitation
    from mcp_runtime.core.handlers.sync_context import SyncContext as SyncContext
    from mcp_runtime.platform.asyncio_thread import run_asyncio as run_asyncio
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

_HOMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "platform.asyncio_thread": ("run_asyncio",),
        "authoring.returns.completions": ("Completions",),
        "core.handlers.context": ("Context",),
        "core.handlers.elicitation_forms": ("Elicitation",),
        "core.calls.errors": ("PluginError", "ToolError"),
        "authoring.plugin": ("Plugin",),
        "protocol.content": (
            "Annotations",
            "AudioContent",
            "BlobResourceContents",
            "CreateMessageResult",
            "EmbeddedResource",
            "ImageContent",
            "PromptMessage",
            "ResourceLink",
            "Root",
            "SamplingMessage",
            "TextContent",
            "TextResourceContents",
        ),
        "protocol.errors": ("PeerError",),
        "protocol.messages": ("ToolAnnotations",),
        "protocol.meta": ("Icon",),
        "authoring.returns.results": ("ToolResult",),
        "config.secret": ("Secret",),
        "core.handlers.sync_context": ("SyncContext",),
    }
)
"""The modules of this package that have what is exported, as type checkers read it above. A test compares the two."""
_HOME: Final = {name: f"{__name__}.{module}" for module, names in _HOMES.items() for name in names}

__all__ = tuple(sorted(_HOME))  # pyright: ignore[reportUnsupportedDunderAll]  # resolved by __getattr__


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'mcp_runtime' has no attribute {name!r}")
    return getattr(import_module(home), name)
