"""The author's API: a plugin declares functions, the runtime serves them.

Rule: declaring has no effect but on the plugin.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, TypeVar, overload

from msgspec import UNSET, UnsetType

from mcp_runtime.authoring.declarations import (
    CompletionDeclaration,
    Declaration,
    Declarations,
    Kind,
    Lifespan,
    PromptDeclaration,
    ResourceDeclaration,
    Sink,
    ToolDeclaration,
)
from mcp_runtime.core.calls.errors import PluginError
from mcp_runtime.protocol.content import Annotations
from mcp_runtime.protocol.messages import CacheScope, ToolAnnotations
from mcp_runtime.protocol.meta import Icon, MetaObject

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
LifespanT = TypeVar("LifespanT", bound=Lifespan)
SettingsT = TypeVar("SettingsT")


class Plugin(Generic[SettingsT]):
    """A set of tools, resources, prompts and completions under one name.

    `name` names its table `[plugin.NAME]` in the configuration. `settings` is the type that table is converted into: a
    dataclass, msgspec Struct or pydantic model. `instructions` are added to what `server/discover` tells clients.

        plugin = Plugin("weather")

        @plugin.tool
        async def forecast(city: str, days: int = 3) -> str:
            '''Forecast for a city.'''
    """

    @overload
    def __init__(
        self: "Plugin[None]", name: str, *, version: str | None = None, instructions: str | None = None
    ) -> None: ...
    @overload
    def __init__(
        self, name: str, *, settings: type[SettingsT], version: str | None = None, instructions: str | None = None
    ) -> None: ...

    def __init__(
        self, name: str, *, settings: Any = None, version: str | None = None, instructions: str | None = None
    ) -> None:
        self.name = name
        self.version = version
        self.instructions = instructions
        self.settings_type: type[SettingsT] | None = settings
        self.declared = Declarations()
        self._settings: SettingsT | None = None
        self._when_configured: list[Callable[[], None]] = []
        self._conditional: list[Declaration] = []
        self._sinks: list[Sink] = []

    @property
    def settings(self) -> SettingsT:
        """The plugin's table of the configuration. Raises PluginError before the plugin was loaded."""
        if self._settings is None:
            raise PluginError(f"plugin {self.name!r} has no settings yet: they are there once it is loaded")
        return self._settings

    def configure(self, settings: SettingsT) -> None:
        """Set the settings. Called when the plugin is loaded; call it yourself in a test."""
        self._settings = settings
        kept = [entry for entry in self.declared.entries if entry not in self._conditional]
        self.declared.entries = list(kept)
        # What depends on settings goes to whoever attaches next: runtimes that run already have settings of their own.
        sinks, self._sinks = self._sinks, []
        for declare in self._when_configured:
            declare()
        self._sinks = sinks
        self._conditional = self.declared.entries[len(kept) :]

    def when_configured(self, fn: FunctionT) -> FunctionT:
        """Call `fn()` once the settings are known, before anything is served: it declares what depends on them."""
        self._when_configured.append(fn)
        return fn

    @overload
    def tool(self, fn: FunctionT, /) -> FunctionT: ...
    @overload
    def tool(
        self,
        *,
        name: str | None = None,
        title: str | UnsetType = UNSET,
        description: str | None = None,
        annotations: ToolAnnotations | UnsetType = UNSET,
        icons: Sequence[Icon] | None = None,
        meta: MetaObject | UnsetType = UNSET,
        input_schema: dict[str, Any] | None = None,
        output_schema: dict[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> Callable[[FunctionT], FunctionT]: ...

    def tool(self, fn: Any = None, /, **options: Any) -> Any:  # type: ignore[misc]  # add_tool checks the options
        """Serve a function as a tool, under its own name unless `name` says otherwise.

        Its type hints make the input schema, its return type the output schema, its docstring the descriptions. With
        `input_schema`, a raw JSON Schema 2020-12, it takes the arguments as one dict. Use as `@plugin.tool` or with
        arguments. Spec: 2026-07-28/server/tools#tool
        """
        return self._decorate(self.add_tool, fn, options)

    def add_tool(
        self,
        fn: Callable[..., Any],
        *,
        name: str | None = None,
        title: str | UnsetType = UNSET,
        description: str | None = None,
        annotations: ToolAnnotations | UnsetType = UNSET,
        icons: Sequence[Icon] | None = None,
        meta: MetaObject | UnsetType = UNSET,
        input_schema: dict[str, Any] | None = None,
        output_schema: dict[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """As `tool`, at any time: clients that listen hear that the list changed. Raises PluginError once loaded."""
        self._declare(
            ToolDeclaration(
                fn=fn,
                name=name or _name_of(fn),
                title=title,
                description=description,
                annotations=annotations,
                icons=_listed(icons),
                meta=meta,
                input_schema=input_schema,
                output_schema=output_schema,
                timeout_s=timeout_s,
            )
        )

    def remove_tool(self, name: str) -> None:
        """Serve the tool no longer. Raises KeyError where this plugin has none of that name."""
        self._withdraw("tool", name)

    def resource(
        self,
        uri: str,
        *,
        name: str | None = None,
        title: str | UnsetType = UNSET,
        description: str | None = None,
        mime_type: str | UnsetType = UNSET,
        annotations: Annotations | UnsetType = UNSET,
        icons: Sequence[Icon] | None = None,
        meta: MetaObject | UnsetType = UNSET,
        size: int | UnsetType = UNSET,
        ttl_ms: int | None = None,
        cache_scope: CacheScope | None = None,
    ) -> Callable[[FunctionT], FunctionT]:
        """Serve what a function returns as the resource `uri`, or as a template where `uri` has `{variables}`.

        Variables become keyword arguments; `{+path}` may span "/". Return str, bytes, resource contents or a list of
        them, any JSON value, or None for "no such resource". `ttl_ms` (milliseconds) and `cache_scope` override the
        configured caching. Spec: 2026-07-28/server/resources#resource
        """
        options = {
            "name": name,
            "title": title,
            "description": description,
            "mime_type": mime_type,
            "annotations": annotations,
            "icons": icons,
            "meta": meta,
            "size": size,
            "ttl_ms": ttl_ms,
            "cache_scope": cache_scope,
        }

        def decorate(fn: FunctionT) -> FunctionT:
            self.add_resource(uri, fn, **options)  # type: ignore[arg-type]  # the very parameters of this method
            return fn

        return decorate

    def add_resource(
        self,
        uri: str,
        fn: Callable[..., Any],
        *,
        name: str | None = None,
        title: str | UnsetType = UNSET,
        description: str | None = None,
        mime_type: str | UnsetType = UNSET,
        annotations: Annotations | UnsetType = UNSET,
        icons: Sequence[Icon] | None = None,
        meta: MetaObject | UnsetType = UNSET,
        size: int | UnsetType = UNSET,
        ttl_ms: int | None = None,
        cache_scope: CacheScope | None = None,
    ) -> None:
        """As `resource`, at any time. Raises PluginError once loaded."""
        self._declare(
            ResourceDeclaration(
                fn=fn,
                uri=uri,
                name=name or _name_of(fn),
                title=title,
                description=description,
                mime_type=mime_type,
                annotations=annotations,
                icons=_listed(icons),
                meta=meta,
                size=size,
                ttl_ms=ttl_ms,
                cache_scope=cache_scope,
            )
        )

    def remove_resource(self, uri: str) -> None:
        """Serve the resource or template no longer. Raises KeyError where this plugin has none at `uri`."""
        self._withdraw("resource", uri)

    def resource_updated(self, uri: str) -> None:
        """Tell the clients that subscribed to `uri` that it reads differently now. May be called from any thread.

        Spec: 2026-07-28/server/resources#subscriptions
        """
        for sink in self._sinks:
            sink.updated(uri)

    @overload
    def prompt(self, fn: FunctionT, /) -> FunctionT: ...
    @overload
    def prompt(
        self,
        *,
        name: str | None = None,
        title: str | UnsetType = UNSET,
        description: str | None = None,
        icons: Sequence[Icon] | None = None,
        meta: MetaObject | UnsetType = UNSET,
    ) -> Callable[[FunctionT], FunctionT]: ...

    def prompt(self, fn: Any = None, /, **options: Any) -> Any:  # type: ignore[misc]  # add_prompt checks the options
        """Serve a function as a prompt; its parameters are the prompt's arguments, which arrive as text.

        Return str, PromptMessage or a list of either. Spec: 2026-07-28/server/prompts#prompt
        """
        return self._decorate(self.add_prompt, fn, options)

    def add_prompt(
        self,
        fn: Callable[..., Any],
        *,
        name: str | None = None,
        title: str | UnsetType = UNSET,
        description: str | None = None,
        icons: Sequence[Icon] | None = None,
        meta: MetaObject | UnsetType = UNSET,
    ) -> None:
        """As `prompt`, at any time. Raises PluginError once loaded."""
        self._declare(
            PromptDeclaration(
                fn=fn, name=name or _name_of(fn), title=title, description=description, icons=_listed(icons), meta=meta
            )
        )

    def remove_prompt(self, name: str) -> None:
        """Serve the prompt no longer. Raises KeyError where this plugin has none of that name."""
        self._withdraw("prompt", name)

    def completion(
        self, *, argument: str, prompt: str | None = None, resource: str | None = None
    ) -> Callable[[FunctionT], FunctionT]:
        """Suggest values for `argument` of a prompt (by name) or of a resource template (by its URI template).

        The function takes the text typed so far, and optionally a dict of the arguments settled already; it returns
        texts, best first, or Completions. Spec: 2026-07-28/server/utilities/completion
        """
        if (prompt is None) == (resource is None):
            raise PluginError("completion: name either the prompt or the resource")
        kind: Literal["prompt", "resource"] = "prompt" if prompt is not None else "resource"
        reference = (kind, prompt or resource or "")

        def decorate(fn: FunctionT) -> FunctionT:
            self._declare(CompletionDeclaration(fn=fn, reference=reference, argument=argument))
            return fn

        return decorate

    def lifespan(self, factory: LifespanT) -> LifespanT:
        """Run an async generator, or enter what a function gives, from the start of the server to its end.

        In a task of its own. Where it fails, a background task in it too, the server drains and ends.
        """
        self.declared.lifespans.append(factory)
        return factory

    def attach(self, sink: Sink) -> None:
        """Serve everything declared, now and later, through `sink`. Called by the runtime. Raises PluginError."""
        for declaration in self.declared.entries:
            sink.declare(declaration)
        self._sinks.append(sink)

    def _decorate(self, add: Callable[..., None], fn: Any, options: dict[str, Any]) -> Any:
        if fn is not None:
            add(fn)
            return fn

        def decorate(fn: FunctionT) -> FunctionT:
            add(fn, **options)
            return fn

        return decorate

    def _declare(self, declaration: Declaration) -> None:
        for sink in self._sinks:
            sink.declare(declaration)
        self.declared.entries.append(declaration)

    def _withdraw(self, kind: Kind, key: str) -> None:
        kept = [entry for entry in self.declared.entries if _key_of(entry) != (kind, key)]
        if len(kept) == len(self.declared.entries):
            raise KeyError(key)
        self.declared.entries = kept
        for sink in self._sinks:
            sink.withdraw(kind, key)


def _name_of(fn: Callable[..., Any]) -> str:
    return getattr(fn, "__name__", type(fn).__name__)


def _listed(icons: Sequence[Icon] | None) -> list[Icon] | UnsetType:
    return UNSET if icons is None else list(icons)


def _key_of(declaration: Declaration) -> tuple[Kind, str] | None:
    match declaration:
        case ToolDeclaration():
            return ("tool", declaration.name)
        case ResourceDeclaration():
            return ("resource", declaration.uri)
        case PromptDeclaration():
            return ("prompt", declaration.name)
        case CompletionDeclaration():
            return None
