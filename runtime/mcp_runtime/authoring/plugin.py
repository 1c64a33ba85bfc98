"""The author's API: a plugin declares functions, the runtime serves them.

Rule: declaring has no effect but on the plugin.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, Unpack, overload

from mcp_runtime.authoring.declarations import (
    CompletionDeclaration,
    Declaration,
    Declarations,
    DisplayOptions,
    Kind,
    Lifespan,
    PromptDeclaration,
    ResourceDeclaration,
    ResourceOptions,
    Sink,
    ToolDeclaration,
    ToolOptions,
)
from mcp_runtime.core.calls.errors import PluginError
from mcp_runtime.core.catalog.entries import Reference

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
        self, /, *, name: str | None = None, **options: Unpack[ToolOptions]
    ) -> Callable[[FunctionT], FunctionT]: ...

    def tool(
        self, fn: FunctionT | None = None, /, *, name: str | None = None, **options: Unpack[ToolOptions]
    ) -> FunctionT | Callable[[FunctionT], FunctionT]:
        """Serve a function as a tool, under its own name unless `name` says otherwise.

        Its type hints make the input schema, its return type the output schema, its docstring the descriptions. With
        `input_schema`, a raw JSON Schema 2020-12, it takes the arguments as one dict. Use as `@plugin.tool` or with
        arguments. Spec: 2026-07-28/server/tools#tool
        """

        def decorate(fn: FunctionT) -> FunctionT:
            self.add_tool(fn, name=name, **options)
            return fn

        return decorate if fn is None else decorate(fn)

    def add_tool(self, fn: Callable[..., Any], *, name: str | None = None, **options: Unpack[ToolOptions]) -> None:
        """As `tool`, at any time: clients that listen hear that the list changed. Raises PluginError once loaded."""
        self._declare(ToolDeclaration(fn=fn, name=name or _name_of(fn), **options))

    def remove_tool(self, name: str) -> None:
        """Serve the tool no longer. Raises KeyError where this plugin has none of that name."""
        self._withdraw("tool", name)

    def resource(
        self, uri: str, *, name: str | None = None, **options: Unpack[ResourceOptions]
    ) -> Callable[[FunctionT], FunctionT]:
        """Serve what a function returns as the resource `uri`, or as a template where `uri` has `{variables}`.

        Variables become keyword arguments; `{+path}` may span "/". Return str, bytes, resource contents or a list of
        them, any JSON value, or None for "no such resource". `ttl_ms` (milliseconds) and `cache_scope` override the
        configured caching. Spec: 2026-07-28/server/resources#resource
        """

        def decorate(fn: FunctionT) -> FunctionT:
            self.add_resource(uri, fn, name=name, **options)
            return fn

        return decorate

    def add_resource(
        self, uri: str, fn: Callable[..., Any], *, name: str | None = None, **options: Unpack[ResourceOptions]
    ) -> None:
        """As `resource`, at any time. Raises PluginError once loaded."""
        self._declare(ResourceDeclaration(uri=uri, fn=fn, name=name or _name_of(fn), **options))

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
        self, /, *, name: str | None = None, **options: Unpack[DisplayOptions]
    ) -> Callable[[FunctionT], FunctionT]: ...

    def prompt(
        self, fn: FunctionT | None = None, /, *, name: str | None = None, **options: Unpack[DisplayOptions]
    ) -> FunctionT | Callable[[FunctionT], FunctionT]:
        """Serve a function as a prompt; its parameters are the prompt's arguments, which arrive as text.

        Return str, PromptMessage or a list of either. Spec: 2026-07-28/server/prompts#prompt
        """

        def decorate(fn: FunctionT) -> FunctionT:
            self.add_prompt(fn, name=name, **options)
            return fn

        return decorate if fn is None else decorate(fn)

    def add_prompt(self, fn: Callable[..., Any], *, name: str | None = None, **options: Unpack[DisplayOptions]) -> None:
        """As `prompt`, at any time. Raises PluginError once loaded."""
        self._declare(PromptDeclaration(fn=fn, name=name or _name_of(fn), **options))

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
        reference: Reference = ("prompt", prompt) if prompt is not None else ("resource", resource or "")

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
