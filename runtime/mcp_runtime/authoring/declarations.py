"""What a plugin declared, as it declared it. Rule: plain data; turned into catalog entries by registration.py."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from mcp_runtime.protocol.content import Annotations
from mcp_runtime.protocol.messages import CacheScope, ToolAnnotations
from mcp_runtime.protocol.meta import Icon, MetaObject

Function = Callable[..., Any]
Lifespan = Callable[[], AbstractAsyncContextManager[Any] | AsyncIterator[Any]]


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What tools, resources and prompts have in common for the eyes of a client."""

    title: str | UnsetType = UNSET
    description: str | None = None
    icons: list[Icon] | UnsetType = UNSET
    meta: MetaObject | UnsetType = UNSET


class ToolDeclaration(Described, frozen=True, kw_only=True):
    """A tool. `timeout_s` None takes `limits.handler_timeout_s`."""

    fn: Function
    name: str
    annotations: ToolAnnotations | UnsetType = UNSET
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    timeout_s: float | None = None


class ResourceDeclaration(Described, frozen=True, kw_only=True):
    """A resource, or where `uri` has variables a template."""

    fn: Function
    uri: str
    name: str
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
    """A prompt."""

    fn: Function
    name: str


class CompletionDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """Suggestions for one argument of a prompt or of a resource template."""

    fn: Function
    reference: tuple[Literal["prompt", "resource"], str]
    argument: str


Declaration = ToolDeclaration | ResourceDeclaration | PromptDeclaration | CompletionDeclaration
Kind = Literal["tool", "resource", "prompt"]


class Sink(Protocol):
    """Where a plugin's declarations go once it is loaded."""

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
    """All that a plugin declared, in order."""

    entries: list[Declaration] = msgspec.field(default_factory=list[Declaration])
    lifespans: list[Lifespan] = msgspec.field(default_factory=list[Lifespan])
