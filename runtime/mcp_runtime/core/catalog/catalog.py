"""What is served: entries by name, in registration order. Rule: this file knows entries, not the functions behind them.

Every change is told to the subscribers of its list.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
from msgspec import Raw, UnsetType

from mcp_runtime.config.cache import CachePolicies
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.subscriptions import Change, ListName, list_changed
from mcp_runtime.core.catalog.listing import Listing
from mcp_runtime.core.catalog.uri_templates import UriTemplate
from mcp_runtime.core.handlers.context import Context
from mcp_runtime.protocol.content import ResourceContents
from mcp_runtime.protocol.headers import HeaderPlan
from mcp_runtime.protocol.messages import (
    CallToolResult,
    Completion,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    Prompt,
    Resource,
    ResourceTemplate,
    Tool,
)
from mcp_runtime.protocol.meta import MetaObject

Reference = tuple[Literal["prompt", "resource"], str]


class ToolEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A tool: what clients see, and how it is called.

    Its arguments are parsed, it is invoked with what comes of that and a Context, or None where it takes none, and what
    it returns is converted.
    """

    definition: Tool
    plugin: str
    parse: Callable[[Raw], Any]
    invoke: Callable[[Any, Any], Awaitable[Any]]
    convert: Callable[[Any], CallToolResult]
    takes_context: bool
    header_plan: HeaderPlan
    timeout_s: float


class ResourceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A resource: what clients see, and how it is read, None meaning that there is no such resource after all."""

    definition: Resource
    plugin: str
    read: Callable[[str, dict[str, str], Context], Awaitable[list[ResourceContents] | None]]
    ttl_ms: int
    cache_scope: Literal["public", "private"]


class TemplateEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A family of resources: as ResourceEntry, the variables of the URI going into `read`."""

    definition: ResourceTemplate
    plugin: str
    template: UriTemplate
    read: Callable[[str, dict[str, str], Context], Awaitable[list[ResourceContents] | None]]
    ttl_ms: int
    cache_scope: Literal["public", "private"]


class PromptEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt: what clients see, and how it is filled in."""

    definition: Prompt
    plugin: str
    get: Callable[[dict[str, str], Context], Awaitable[GetPromptResult]]


class CompletionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Suggestions for one argument: from what was typed and what is settled already."""

    plugin: str
    complete: Callable[[str, dict[str, str], Context], Awaitable[Completion]]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The resource that a URI stands for, and the variables of its template (none for a plain resource)."""

    entry: ResourceEntry | TemplateEntry
    variables: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class Catalog:
    """Everything the server offers. `publish` hears of each change; `meta` goes into every list result."""

    def __init__(
        self,
        *,
        limits: Limits,
        cache: CachePolicies,
        publish: Callable[[Change], None],
        meta: MetaObject | UnsetType,
    ) -> None:
        def listing(kind: str, name: ListName, make_page: Any) -> Listing[Any]:
            return Listing(kind, limits.page_size, make_page, lambda: publish(list_changed(name)))

        self._cache = cache
        self._meta = meta
        self.tools: Listing[ToolEntry] = listing("tools", "tools", self._tools_page)
        self.resources: Listing[ResourceEntry] = listing("resources", "resources", self._resources_page)
        self.resource_templates: Listing[TemplateEntry] = listing("templates", "resources", self._templates_page)
        self.prompts: Listing[PromptEntry] = listing("prompts", "prompts", self._prompts_page)
        self.completions: dict[tuple[Reference, str], CompletionEntry] = {}

    def find_resource(self, uri: str) -> Found | None:
        """What `uri` stands for: a resource of just that URI, else the first template that fits; None for neither."""
        entry = self.resources.get_entry(uri)
        if entry is not None:
            return Found(entry=entry)
        for template in self.resource_templates.values():
            variables = template.template.match(uri)
            if variables is not None:
                return Found(entry=template, variables=variables)
        return None

    def capabilities(self) -> dict[str, Any]:
        """What of the protocol is on offer, as ServerCapabilities. Spec: 2026-07-28/server/discover#discoverresult"""
        # Lists are always there, if empty: a plugin may add the first entry at any time, and any handler may log.
        offered: dict[str, Any] = {
            "logging": {},
            "prompts": {"listChanged": True},
            "resources": {"listChanged": True, "subscribe": True},
            "tools": {"listChanged": True},
        }
        if self.completions:
            offered["completions"] = {}
        return offered

    def _tools_page(self, entries: list[ToolEntry], next_cursor: str | UnsetType) -> ListToolsResult:
        policy = self._cache.tools
        return ListToolsResult(
            tools=[entry.definition for entry in entries],
            next_cursor=next_cursor,
            ttl_ms=policy.ttl_ms,
            cache_scope=policy.scope,
            meta=self._meta,
        )

    def _resources_page(self, entries: list[ResourceEntry], next_cursor: str | UnsetType) -> ListResourcesResult:
        policy = self._cache.resources
        return ListResourcesResult(
            resources=[entry.definition for entry in entries],
            next_cursor=next_cursor,
            ttl_ms=policy.ttl_ms,
            cache_scope=policy.scope,
            meta=self._meta,
        )

    def _templates_page(
        self, entries: list[TemplateEntry], next_cursor: str | UnsetType
    ) -> ListResourceTemplatesResult:
        policy = self._cache.resource_templates
        return ListResourceTemplatesResult(
            resource_templates=[entry.definition for entry in entries],
            next_cursor=next_cursor,
            ttl_ms=policy.ttl_ms,
            cache_scope=policy.scope,
            meta=self._meta,
        )

    def _prompts_page(self, entries: list[PromptEntry], next_cursor: str | UnsetType) -> ListPromptsResult:
        policy = self._cache.prompts
        return ListPromptsResult(
            prompts=[entry.definition for entry in entries],
            next_cursor=next_cursor,
            ttl_ms=policy.ttl_ms,
            cache_scope=policy.scope,
            meta=self._meta,
        )
