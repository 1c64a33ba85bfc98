"""The entries of the catalog: what clients see of each thing on offer, and the functions that serve it.

Rule: an entry never changes; what replaces it is another one.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
from msgspec import Raw

from mcp_runtime.core.catalog.uri_templates import UriTemplate
from mcp_runtime.core.handlers.context import Context
from mcp_runtime.protocol.content import ResourceContents
from mcp_runtime.protocol.headers import HeaderPlan
from mcp_runtime.protocol.messages import (
    CacheScope,
    CallToolResult,
    Completion,
    GetPromptResult,
    Prompt,
    Resource,
    ResourceTemplate,
    Tool,
)

Reference = tuple[Literal["prompt", "resource"], str]
"""What a completion is for: a prompt by name, or a resource template by its URI template."""


class ToolEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A tool: what clients see, and how it is called: `parse`, `invoke`, `convert`."""

    definition: Tool
    plugin: str
    parse: Callable[[Raw], Any]
    """Reads the JSON object of arguments."""
    invoke: Callable[[Any, Any], Awaitable[Any]]
    """Called with what `parse` gave and a Context, None where it takes none."""
    convert: Callable[[Any], CallToolResult]
    """Makes the result of what `invoke` returned."""
    takes_context: bool
    header_plan: HeaderPlan
    timeout_s: float
    unasked_answers: bool = False
    """Whether answers count that come without the state of a call that asked for them."""


class ResourceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A resource: what clients see, and how it is read, None meaning that there is no such resource after all."""

    definition: Resource
    plugin: str
    read: Callable[[str, dict[str, str], Context], Awaitable[list[ResourceContents] | None]]
    ttl_ms: int
    cache_scope: CacheScope
    unasked_answers: bool = False


class TemplateEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A family of resources: as ResourceEntry, the variables of the URI going into `read`."""

    definition: ResourceTemplate
    plugin: str
    template: UriTemplate
    read: Callable[[str, dict[str, str], Context], Awaitable[list[ResourceContents] | None]]
    ttl_ms: int
    cache_scope: CacheScope
    unasked_answers: bool = False


class PromptEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt: what clients see, and how it is filled in."""

    definition: Prompt
    plugin: str
    get: Callable[[dict[str, str], Context], Awaitable[GetPromptResult]]
    unasked_answers: bool = False


class CompletionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A completion: suggests values for one argument, from what was typed and what is settled already."""

    plugin: str
    complete: Callable[[str, dict[str, str], Context], Awaitable[Completion]]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The resource that a URI stands for, and the variables of its template (none for a plain resource)."""

    entry: ResourceEntry | TemplateEntry
    variables: dict[str, str] = msgspec.field(default_factory=dict[str, str])
