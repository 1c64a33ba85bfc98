"""What a plugin declared, as it declared it. Rule: plain data; turned into catalog entries by registration.py."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from msgspec import UNSET, UnsetType

from mcp_runtime.protocol.content import Annotations
from mcp_runtime.protocol.messages import CacheScope, ToolAnnotations
from mcp_runtime.protocol.meta import Icon, MetaObject

Function = Callable[..., Any]
Lifespan = Callable[[], AbstractAsyncContextManager[Any] | AsyncIterator[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What tools, resources and prompts have in common for the eyes of a client."""

    title: str | UnsetType = UNSET
    description: str | None = None
    icons: list[Icon] | UnsetType = UNSET
    meta: MetaObject | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDeclaration(Described):
    """A tool. `timeout_s` None takes `limits.handler_timeout_s`."""

    fn: Function
    name: str
    annotations: ToolAnnotations | UnsetType = UNSET
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDeclaration(Described):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptDeclaration(Described):
    """A prompt."""

    fn: Function
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionDeclaration:
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


@dataclass(slots=True, kw_only=True)
class Declarations:
    """All that a plugin declared, in order."""

    entries: list[Declaration] = field(default_factory=list[Declaration])
    lifespans: list[Lifespan] = field(default_factory=list[Lifespan])
