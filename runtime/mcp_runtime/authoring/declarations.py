"""Declarations: what a plugin offers, as its author wrote it. Rule: plain data; the registrar makes entries of it.

An option stands here alone: in `...Options` with the type that authors see, beside it in the declaration with its
default. Decorators and adders of `Plugin` take all of them as `**options`.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, TypedDict

import msgspec
from msgspec import UNSET, UnsetType

from mcp_runtime.core.catalog.entries import Reference
from mcp_runtime.protocol.content import Annotations
from mcp_runtime.protocol.messages import CacheScope, ToolAnnotations
from mcp_runtime.protocol.meta import Icon, MetaObject

Function = Callable[..., Any]
Lifespan = Callable[[], AbstractAsyncContextManager[Any] | AsyncIterator[Any]]


class DisplayOptions(TypedDict, total=False):
    """The options that tools, resources and prompts share: how a client shows them, and what answers count.

    With `unasked_answers` the first request of a call may bring answers along to questions that were not asked yet.
    """

    title: str | UnsetType
    description: str | None
    icons: Sequence[Icon] | None
    meta: MetaObject | UnsetType
    unasked_answers: bool


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """The base of tools, resources and prompts: a function under a name, and what clients show of it."""

    fn: Function
    name: str
    title: str | UnsetType = UNSET
    description: str | None = None
    icons: Sequence[Icon] | None = None
    meta: MetaObject | UnsetType = UNSET
    unasked_answers: bool = False


class ToolOptions(DisplayOptions, total=False):
    """The options of a tool. `timeout_s` None takes `limits.handler_timeout_s`."""

    annotations: ToolAnnotations | UnsetType
    input_schema: dict[str, Any] | None
    output_schema: dict[str, Any] | None
    timeout_s: float | None


class ToolDeclaration(Described, frozen=True, kw_only=True):
    """A tool."""

    annotations: ToolAnnotations | UnsetType = UNSET
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    timeout_s: float | None = None


class ResourceOptions(DisplayOptions, total=False):
    """The options of a resource or template. `ttl_ms` and `cache_scope` None take the configured caching."""

    mime_type: str | UnsetType
    annotations: Annotations | UnsetType
    size: int | UnsetType
    ttl_ms: int | None
    cache_scope: CacheScope | None


class ResourceDeclaration(Described, frozen=True, kw_only=True):
    """A resource, or where `uri` has variables a template."""

    uri: str
    mime_type: str | UnsetType = UNSET
    annotations: Annotations | UnsetType = UNSET
    size: int | UnsetType = UNSET
    ttl_ms: int | None = None
    cache_scope: CacheScope | None = None

    @property
    def is_template(self) -> bool:
        """Whether `uri` has variables."""
        return "{" in self.uri


class PromptDeclaration(Described, frozen=True, kw_only=True):
    """A prompt. Its options are those that all three share."""


class CompletionDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """A completion: the function that suggests values for one argument of a prompt or of a resource template."""

    fn: Function
    reference: Reference
    argument: str


Declaration = ToolDeclaration | ResourceDeclaration | PromptDeclaration | CompletionDeclaration
Kind = Literal["tool", "resource", "prompt"]


class Sink(Protocol):
    """The port of a runtime to a loaded plugin: takes what it declares, then and later."""

    def declare(self, declaration: Declaration) -> None:
        """Serve this from now on. Raises PluginError."""
        ...

    def withdraw(self, kind: Kind, key: str) -> None:
        """Serve this no longer. Raises KeyError where it is not served."""
        ...

    def updated(self, uri: str) -> None:
        """The resource at `uri` reads differently now."""
        ...


class Declarations(msgspec.Struct, kw_only=True):
    """The declarations of one plugin, and its lifespans, in order."""

    entries: list[Declaration] = msgspec.field(default_factory=list[Declaration])
    lifespans: list[Lifespan] = msgspec.field(default_factory=list[Lifespan])
