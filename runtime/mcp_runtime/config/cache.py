"""The cache policies: how long clients may keep a result, and who may share it. Rule: one policy for all its pages.

Spec: 2026-07-28/server/utilities/caching
"""

from typing import Annotated

from msgspec import Meta, Struct

from mcp_runtime.protocol.messages import CacheScope


class CachePolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `ttlMs` and `cacheScope` of one kind of result."""

    ttl_ms: Annotated[int, Meta(ge=0, description="How long a client may keep it; 0 means: ask again every time.")] = 0
    scope: Annotated[
        CacheScope,
        Meta(description='"public": the same for every user, proxies may share it. "private": one user only.'),
    ] = "private"


# An hour: what a server is changes only when it is deployed anew.
_DISCOVER = CachePolicy(ttl_ms=3_600_000, scope="public")
# Five minutes: list_changed tells subscribers at once, the others wait no longer than this.
_LIST = CachePolicy(ttl_ms=300_000, scope="public")
# Never: the runtime cannot know whether a resource's text depends on the user or the moment. Its plugin can say.
_CONTENTS = CachePolicy(ttl_ms=0, scope="private")


class CachePolicies(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One policy for each cacheable result. A resource may override `resource_contents` for itself."""

    discover: Annotated[CachePolicy, Meta(description="server/discover: what this server is and can do.")] = _DISCOVER
    tools: Annotated[CachePolicy, Meta(description="tools/list.")] = _LIST
    resources: Annotated[CachePolicy, Meta(description="resources/list.")] = _LIST
    resource_templates: Annotated[CachePolicy, Meta(description="resources/templates/list.")] = _LIST
    prompts: Annotated[CachePolicy, Meta(description="prompts/list.")] = _LIST
    resource_contents: Annotated[
        CachePolicy, Meta(description="resources/read, unless the plugin says otherwise for that resource.")
    ] = _CONTENTS
