"""The registrar: turns what a plugin declares into entries of the catalog. Rule: all is checked before it is served."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypedDict, assert_never

import msgspec
from msgspec import UNSET, Raw, UnsetType

from mcp_runtime.authoring.declarations import (
    CompletionDeclaration,
    Declaration,
    Described,
    Kind,
    PromptDeclaration,
    ResourceDeclaration,
    ToolDeclaration,
)
from mcp_runtime.authoring.registration.arguments import Arguments, prompt_arguments
from mcp_runtime.authoring.registration.invocation import Invoke, invoker, positional_invoker
from mcp_runtime.authoring.registration.signatures import Signature, read_signature
from mcp_runtime.authoring.registration.threads import Threads
from mcp_runtime.authoring.returns.completions import read_completions
from mcp_runtime.authoring.returns.prompts import prompt_result
from mcp_runtime.authoring.returns.resources import read_contents
from mcp_runtime.authoring.returns.results import output_of
from mcp_runtime.config.cache import CachePolicies
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import ArgumentsError, PluginError
from mcp_runtime.core.calls.subscriptions import Change, resource_updated
from mcp_runtime.core.catalog.catalog import Catalog
from mcp_runtime.core.catalog.entries import (
    CompletionEntry,
    PromptEntry,
    Reference,
    ResourceEntry,
    TemplateEntry,
    ToolEntry,
)
from mcp_runtime.core.catalog.uri_templates import UriTemplate, UriTemplateError
from mcp_runtime.core.handlers.context import Context
from mcp_runtime.core.schemas.validator import SchemaError, SchemaValidator
from mcp_runtime.protocol.content import ResourceContents
from mcp_runtime.protocol.errors import INVALID_PARAMS, PeerError
from mcp_runtime.protocol.header_plans import HeaderPlanError, build_plan
from mcp_runtime.protocol.messages import (
    CacheScope,
    Completion,
    GetPromptResult,
    Prompt,
    Resource,
    ResourceTemplate,
    Tool,
)
from mcp_runtime.protocol.meta import Icon, MetaObject

# Spec: 2026-07-28/server/tools#tool-names
_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]{1,128}")
# RFC 3986, and braces for the variables of templates.
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;={}]|%[0-9A-Fa-f]{2})*")

Parse = Callable[[Raw], Any]
"""Reads the JSON object of arguments, into what a function is invoked with."""


class _Displayed(TypedDict):
    """The fields of a tool, resource, template or prompt that say how a client shows it."""

    title: str | UnsetType
    description: str | UnsetType
    icons: list[Icon] | UnsetType
    meta: MetaObject | UnsetType


class _Common(TypedDict):
    """The fields that the entries of resources and of templates share."""

    plugin: str
    ttl_ms: int
    cache_scope: CacheScope
    unasked_answers: bool


class Registrar:
    """The registrar of one plugin: the sink that turns what it declares into entries of `catalog`.

    `prefix` is put before the names of tools and prompts, "" for none. `threads` bounds plain functions at work.
    """

    def __init__(
        self,
        *,
        plugin: str,
        prefix: str,
        catalog: Catalog,
        limits: Limits,
        cache: CachePolicies,
        threads: Threads,
        publish: Callable[[Change], None],
    ) -> None:
        self._plugin = plugin
        self._prefix = prefix
        self._catalog = catalog
        self._limits = limits
        self._cache = cache
        self._threads = threads
        self._publish = publish

    def declare(self, declaration: Declaration) -> None:
        """Serve `declaration`. Raises PluginError naming the plugin and what to change."""
        try:
            match declaration:
                case ToolDeclaration():
                    self._add_tool(declaration)
                case ResourceDeclaration():
                    self._add_resource(declaration)
                case PromptDeclaration():
                    self._add_prompt(declaration)
                case CompletionDeclaration():
                    self._add_completion(declaration)
                case _:
                    assert_never(declaration)
        except (SchemaError, HeaderPlanError, UriTemplateError) as error:
            raise PluginError(f"plugin {self._plugin!r}: {_label(declaration)}: {error}") from None
        except PluginError as error:
            raise PluginError(f"plugin {self._plugin!r}: {error}") from None

    def withdraw(self, kind: Kind, key: str) -> None:
        """Serve it no longer. Raises KeyError where it is not served."""
        catalog = self._catalog
        match kind:
            case "tool":
                catalog.tools.remove(self._prefix + key)
            case "prompt":
                catalog.prompts.remove(self._prefix + key)
            case "resource" if "{" in key:
                catalog.resource_templates.remove(key)
            case "resource":
                catalog.resources.remove(key)
            case _:
                assert_never(kind)

    def updated(self, uri: str) -> None:
        """Tell the subscribers of `uri`."""
        self._publish(resource_updated(uri))

    def _free(self, what: str, key: str, taken: Any) -> None:
        if taken is not None:
            raise PluginError(
                f"plugins {taken.plugin!r} and {self._plugin!r} both offer the {what} {key!r}; rename one, "
                "or set plugins.prefix_names = true"
            )

    def _invoker(self, fn: Callable[..., Any], signature: Signature) -> Invoke:
        return invoker(
            fn, is_async=signature.is_async, context_parameter=signature.context_parameter, threads=self._threads
        )

    def _add_tool(self, declared: ToolDeclaration) -> None:
        name = self._prefix + declared.name
        if _TOOL_NAME.fullmatch(name) is None:
            raise PluginError(f"tool name {name!r} must be 1 to 128 of A-Z a-z 0-9 _ - . characters")
        self._free("tool", name, self._catalog.tools.get_entry(name))
        signature = read_signature(declared.fn)
        parse, invoke, schema = self._arguments(declared, signature)
        output = output_of(signature.name, signature.returns, declared.output_schema, self._limits)
        definition = Tool(
            name=name,
            input_schema=schema,
            output_schema=UNSET if output.schema is None else output.schema,
            annotations=declared.annotations,
            **_displayed(declared, signature),
        )
        self._catalog.tools.add(
            name,
            ToolEntry(
                definition=definition,
                plugin=self._plugin,
                parse=parse,
                invoke=invoke,
                convert=output.convert,
                takes_context=signature.context_parameter is not None,
                header_plan=build_plan(schema),
                timeout_s=declared.timeout_s or self._limits.handler_timeout_s,
                unasked_answers=declared.unasked_answers,
            ),
        )

    def _arguments(self, declared: ToolDeclaration, signature: Signature) -> tuple[Parse, Invoke, dict[str, Any]]:
        invoke = self._invoker(declared.fn, signature)
        if declared.input_schema is None:
            typed = Arguments(signature, self._limits)
            if signature.is_positional:
                invoke = positional_invoker(declared.fn, is_async=signature.is_async, threads=self._threads)
                return typed.parse_values, invoke, typed.schema
            return typed.parse, invoke, typed.schema
        schema = declared.input_schema
        if schema.get("type") != "object":
            raise PluginError(f"tool {declared.name!r}: input_schema needs type = 'object'")
        if len(signature.parameters) != 1:
            raise PluginError(
                f"tool {declared.name!r} has a raw input_schema, so it must take exactly one "
                "parameter: the dict of arguments"
            )
        (parameter,) = signature.parameters
        return _raw_parser(SchemaValidator(schema, self._limits), parameter), invoke, schema

    def _add_resource(self, declared: ResourceDeclaration) -> None:
        if _URI.fullmatch(declared.uri) is None:
            raise PluginError(
                f"{declared.uri!r} is no URI: it needs a scheme, 'name://...', and %HH for special characters"
            )
        signature = read_signature(declared.fn)
        policy = self._cache.resource_contents
        common: _Common = {
            "plugin": self._plugin,
            "ttl_ms": policy.ttl_ms if declared.ttl_ms is None else declared.ttl_ms,
            "cache_scope": declared.cache_scope or policy.scope,
            "unasked_answers": declared.unasked_answers,
        }
        if common["ttl_ms"] < 0:
            raise PluginError(f"{declared.uri!r}: ttl_ms must be 0 or more")
        if declared.is_template:
            self._add_template(declared, signature, common)
            return
        self._free("resource", declared.uri, self._catalog.resources.get_entry(declared.uri))
        definition = Resource(
            uri=declared.uri,
            name=declared.name,
            mime_type=declared.mime_type,
            annotations=declared.annotations,
            size=declared.size,
            **_displayed(declared, signature),
        )
        read = self._reader(declared, signature, ())
        self._catalog.resources.add(declared.uri, ResourceEntry(definition=definition, read=read, **common))

    def _add_template(self, declared: ResourceDeclaration, signature: Signature, common: _Common) -> None:
        uri = declared.uri
        self._free("resource template", uri, self._catalog.resource_templates.get_entry(uri))
        template = UriTemplate(uri)
        definition = ResourceTemplate(
            uri_template=uri,
            name=declared.name,
            mime_type=declared.mime_type,
            annotations=declared.annotations,
            **_displayed(declared, signature),
        )
        read = self._reader(declared, signature, template.variables)
        self._catalog.resource_templates.add(
            uri, TemplateEntry(definition=definition, template=template, read=read, **common)
        )

    def _reader(
        self, declared: ResourceDeclaration, signature: Signature, variables: tuple[str, ...]
    ) -> Callable[[str, dict[str, str], Context], Awaitable[list[ResourceContents] | None]]:
        needed = {name for name, item in signature.parameters.items() if item.default is item.empty}
        if not needed <= set(variables) <= set(signature.parameters):
            raise PluginError(
                f"{signature.name} takes {sorted(signature.parameters)}, but {declared.uri!r} "
                f"has the variables {sorted(variables)}"
            )
        arguments = Arguments(signature, self._limits)
        invoke = self._invoker(declared.fn, signature)

        async def read(uri: str, values: dict[str, str], context: Context) -> list[ResourceContents] | None:
            try:
                parsed = arguments.parse_texts(values)
            except ArgumentsError:
                return None  # A variable that does not fit its type names no resource.
            return read_contents(uri, await invoke(parsed, context), declared.mime_type)

        return read

    def _add_prompt(self, declared: PromptDeclaration) -> None:
        name = self._prefix + declared.name
        self._free("prompt", name, self._catalog.prompts.get_entry(name))
        signature = read_signature(declared.fn)
        arguments = Arguments(signature, self._limits)
        listed = prompt_arguments(signature, arguments.schema)
        displayed = _displayed(declared, signature)
        definition = Prompt(name=name, arguments=listed or UNSET, **displayed)
        invoke = self._invoker(declared.fn, signature)

        async def get(texts: dict[str, str], context: Context) -> GetPromptResult:
            try:
                parsed = arguments.parse_texts(texts)
            except ArgumentsError as error:
                raise PeerError(INVALID_PARAMS, f"Invalid params: prompt {name!r}: {error}") from None
            return prompt_result(await invoke(parsed, context), displayed["description"])

        entry = PromptEntry(
            definition=definition, plugin=self._plugin, get=get, unasked_answers=declared.unasked_answers
        )
        self._catalog.prompts.add(name, entry)

    def _add_completion(self, declared: CompletionDeclaration) -> None:
        kind, target = declared.reference
        reference: Reference = (kind, self._prefix + target if kind == "prompt" else target)
        key = (reference, declared.argument)
        self._free("completion of", f"{target} {declared.argument}", self._catalog.completions.get(key))
        signature = read_signature(declared.fn)
        names = list(signature.parameters)
        if not 1 <= len(names) <= 2:
            raise PluginError(
                f"completion {signature.name} takes the typed text, and optionally a dict of "
                f"settled arguments, not {names}"
            )
        invoke = self._invoker(declared.fn, signature)

        async def complete(value: str, resolved: dict[str, str], context: Context) -> Completion:
            given: dict[str, Any] = dict(zip(names, (value, resolved), strict=False))
            return read_completions(await invoke(given, context))

        self._catalog.completions[key] = CompletionEntry(plugin=self._plugin, complete=complete)


def _raw_parser(validator: SchemaValidator, parameter: str) -> Parse:
    def parse(arguments: Raw) -> dict[str, Any]:
        try:
            value = msgspec.json.decode(arguments)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise ArgumentsError([str(error)]) from None
        if not validator.accepts(value):
            raise validator.refusal(value)
        return {parameter: value}

    return parse


def _displayed(declared: Described, signature: Signature) -> _Displayed:
    return {
        "title": declared.title,
        "description": declared.description or signature.summary or UNSET,
        "icons": UNSET if declared.icons is None else list(declared.icons),
        "meta": declared.meta,
    }


def _label(declaration: Declaration) -> str:
    match declaration:
        case ToolDeclaration():
            return f"tool {declaration.name!r}"
        case ResourceDeclaration():
            return f"resource {declaration.uri!r}"
        case PromptDeclaration():
            return f"prompt {declaration.name!r}"
        case CompletionDeclaration():
            return f"completion of {declaration.argument!r}"
