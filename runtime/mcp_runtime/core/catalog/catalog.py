"""The catalog: entries by name, in registration order. Rule: every change is told to the subscribers of its list."""

from collections.abc import Callable
from typing import Any

from msgspec import UnsetType

from mcp_runtime.config.cache import CachePolicies
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.subscriptions import Change, ListName, list_changed
from mcp_runtime.core.catalog.entries import (
    CompletionEntry,
    Found,
    PromptEntry,
    Reference,
    ResourceEntry,
    TemplateEntry,
    ToolEntry,
)
from mcp_runtime.core.catalog.listing import Listing
from mcp_runtime.protocol.messages import (
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
)
from mcp_runtime.protocol.meta import MetaObject


class Catalog:
    """The catalog of one server. `publish` hears of each change; `meta` goes into every list result."""

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
        """The resource of just the URI `uri`, else the first template that fits it; None for neither."""
        entry = self.resources.get_entry(uri)
        if entry is not None:
            return Found(entry=entry)
        for template in self.resource_templates.values():
            variables = template.template.match(uri)
            if variables is not None:
                return Found(entry=template, variables=variables)
        return None

    def capabilities(self) -> dict[str, Any]:
        """The ServerCapabilities: what of the protocol is on offer. Spec: 2026-07-28/server/discover#discoverresult"""
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
