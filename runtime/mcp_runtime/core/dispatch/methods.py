"""The method table. Rule: a function a method; it takes typed params and returns a typed result or raises PeerError.

Spec: 2026-07-28/schema
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct

from mcp_runtime.config.cache import CachePolicies
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.call import Call
from mcp_runtime.core.calls.call_rate import CallRate
from mcp_runtime.core.calls.errors import ToolError
from mcp_runtime.core.calls.rounds import Rounds, bind
from mcp_runtime.core.calls.subscriptions import Subscription, Subscriptions
from mcp_runtime.core.calls.uris import check_uri
from mcp_runtime.core.catalog.catalog import Catalog
from mcp_runtime.core.catalog.entries import Reference
from mcp_runtime.core.handlers.context import Context
from mcp_runtime.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, PeerError
from mcp_runtime.protocol.headers import check_params
from mcp_runtime.protocol.jsonrpc import NO_PARAMS, OPENING_BRACE
from mcp_runtime.protocol.messages import (
    CallToolRequestParams,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    DiscoverResult,
    GetPromptRequestParams,
    GetPromptResult,
    PaginatedRequestParams,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    RequestParams,
    ResourceTemplateReference,
    Result,
    SubscriptionsListenRequestParams,
)
from mcp_runtime.protocol.revisions import MODERN_REVISIONS

if TYPE_CHECKING:
    from mcp_runtime.state.seal.sealer import Sealer

MethodResult = Result | Raw | Subscription
"""What a method gives back: Raw is a result that is encoded already, a Subscription a stream that is open now."""


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that methods work with. `versions` are the revisions this server names as supported."""

    catalog: Catalog
    subscriptions: Subscriptions
    limits: Limits
    cache: CachePolicies
    sealer: "Callable[[], Sealer]"
    call_rate: CallRate
    completion_rate: CallRate
    instructions: str
    versions: tuple[str, ...] = MODERN_REVISIONS


class Work(Struct, eq=False):
    """One call being served: the request, the services, and the rounds and context once its handler has started."""

    services: Services
    call: Call
    client: str | None = None
    """The key of the call's client, looked up once."""
    rounds: Rounds | None = None
    context: Context | None = None

    def begin(self, params: Any, subject: Callable[[], object], timeout_s: float, *, unasked_answers: bool) -> Context:
        """Set the deadline and make the context of a handler that may ask for input. Raises PeerError."""
        call = self.call
        call.time.set(timeout_s)
        inputs: dict[str, Raw] = {} if params.input_responses is UNSET else params.input_responses
        self.rounds = rounds = self._new_rounds(inputs, lambda: bind(call.request.method, subject()))
        rounds.unasked_answers = unasked_answers
        if params.request_state is not UNSET:
            rounds.resume(params.request_state)
        self.context = Context(call, rounds)
        return self.context

    def begin_single(self, timeout_s: float) -> Context:
        """As `begin`, for a method whose handlers cannot ask: it has no second round.

        Spec: 2026-07-28/basic/patterns/mrtr#supported-requests
        """
        self.call.time.set(timeout_s)
        self.context = Context(self.call, self._new_rounds({}, lambda: b""))
        return self.context

    def _new_rounds(self, inputs: dict[str, Raw], binding: Callable[[], bytes]) -> Rounds:
        services = self.services
        return Rounds(
            sealer=services.sealer,
            limits=services.limits,
            principal=self.call.principal,
            binding=binding,
            inputs=inputs,
        )


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the method table: the function, and what `Mcp-Name` mirrors, if anything."""

    serve: Callable[[Work, Any], Awaitable[MethodResult]]
    mirrored_name: Callable[[Any], str] | None = None


async def discover(work: Work, _: RequestParams) -> DiscoverResult:
    """Spec: 2026-07-28/server/discover"""
    services = work.services
    policy = services.cache.discover
    return DiscoverResult(
        supported_versions=list(services.versions),
        capabilities=services.catalog.capabilities(),
        instructions=services.instructions or UNSET,
        ttl_ms=policy.ttl_ms,
        cache_scope=policy.scope,
    )


async def list_tools(work: Work, params: PaginatedRequestParams) -> Raw:
    """Spec: 2026-07-28/server/tools#listing-tools"""
    return work.services.catalog.tools.page(params.cursor)


async def list_resources(work: Work, params: PaginatedRequestParams) -> Raw:
    """Spec: 2026-07-28/server/resources#listing-resources"""
    return work.services.catalog.resources.page(params.cursor)


async def list_resource_templates(work: Work, params: PaginatedRequestParams) -> Raw:
    """Spec: 2026-07-28/server/resources#resource-templates"""
    return work.services.catalog.resource_templates.page(params.cursor)


async def list_prompts(work: Work, params: PaginatedRequestParams) -> Raw:
    """Spec: 2026-07-28/server/prompts#listing-prompts"""
    return work.services.catalog.prompts.page(params.cursor)


async def call_tool(work: Work, params: CallToolRequestParams) -> Result:
    """Spec: 2026-07-28/server/tools#calling-tools"""
    call, services = work.call, work.services
    entry = services.catalog.tools.get_entry(params.name)
    if entry is None:
        raise PeerError(INVALID_PARAMS, f"Unknown tool: {params.name}")
    arguments = NO_PARAMS if params.arguments is UNSET else params.arguments
    if memoryview(arguments)[0] != OPENING_BRACE:
        raise PeerError(INVALID_PARAMS, "Invalid params: params.arguments must be an object")
    if call.headers is not None and entry.header_plan:
        check_params(call.headers, entry.header_plan, decode_arguments(arguments))
    wait_s = services.call_rate.wait_s(work.client)
    if wait_s:
        raise ToolError(f"Too many tool calls; try again in {wait_s} s")
    if not entry.takes_context and params.request_state is UNSET:
        call.time.set(entry.timeout_s)  # It cannot ask for anything, and nothing was asked before.
        return entry.convert(await entry.invoke(entry.parse(arguments), call))
    context = work.begin(
        params,
        lambda: (params.name, decode_arguments(arguments)),
        entry.timeout_s,
        unasked_answers=entry.unasked_answers,
    )
    try:
        return entry.convert(await entry.invoke(entry.parse(arguments), context))
    finally:
        context.finish()


def decode_arguments(arguments: Raw) -> dict[str, Any]:
    """The arguments of a tool call as Python. Raises PeerError where they are no JSON after all."""
    try:
        return msgspec.json.decode(arguments, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise PeerError(INVALID_PARAMS, f"Invalid params: params.arguments: {error}") from None


async def read_resource(work: Work, params: ReadResourceRequestParams) -> ReadResourceResult:
    """Spec: 2026-07-28/server/resources#reading-resources"""
    services = work.services
    check_uri(params.uri, services.limits)
    found = services.catalog.find_resource(params.uri)
    contents = None
    if found is not None:
        context = work.begin(
            params,
            lambda: params.uri,
            services.limits.handler_timeout_s,
            unasked_answers=found.entry.unasked_answers,
        )
        try:
            contents = await found.entry.read(params.uri, found.variables, context)
        finally:
            context.finish()
    if found is None or contents is None:
        raise PeerError(INVALID_PARAMS, "Resource not found", {"uri": params.uri})
    return ReadResourceResult(contents=contents, ttl_ms=found.entry.ttl_ms, cache_scope=found.entry.cache_scope)


async def get_prompt(work: Work, params: GetPromptRequestParams) -> GetPromptResult:
    """Spec: 2026-07-28/server/prompts#getting-a-prompt"""
    services = work.services
    entry = services.catalog.prompts.get_entry(params.name)
    if entry is None:
        raise PeerError(INVALID_PARAMS, f"Unknown prompt: {params.name}")
    context = work.begin(
        params,
        lambda: (params.name, params.arguments),
        services.limits.handler_timeout_s,
        unasked_answers=entry.unasked_answers,
    )
    try:
        return await entry.get(params.arguments, context)
    finally:
        context.finish()


async def complete(work: Work, params: CompleteRequestParams) -> CompleteResult:
    """Spec: 2026-07-28/server/utilities/completion"""
    services = work.services
    if not services.catalog.completions:
        raise PeerError(METHOD_NOT_FOUND, "Method not found: this server offers no completions")
    if isinstance(params.ref, ResourceTemplateReference):
        check_uri(params.ref.uri, services.limits)
    reference = _referenced(services.catalog, params)
    entry = services.catalog.completions.get((reference, params.argument.name))
    if entry is None:
        return CompleteResult(completion=Completion(values=[], total=0, has_more=False))
    wait_s = services.completion_rate.wait_s(work.client)
    if wait_s:
        text = f"Too many completions; try again in {wait_s} s"
        raise PeerError(INTERNAL_ERROR, text, http_status=429, retry_after_s=wait_s)
    context = work.begin_single(services.limits.handler_timeout_s)
    try:
        values = await entry.complete(params.argument.value, params.context.arguments, context)
    finally:
        context.finish()
    return CompleteResult(completion=values)


def _referenced(catalog: Catalog, params: CompleteRequestParams) -> Reference:
    """What the completion is for. Raises PeerError -32602 where there is no such thing or no such argument."""
    ref = params.ref
    if isinstance(ref, PromptReference):
        prompt = catalog.prompts.get_entry(ref.name)
        if prompt is None:
            raise PeerError(INVALID_PARAMS, f"Unknown prompt: {ref.name}")
        listed = prompt.definition.arguments
        names = () if listed is UNSET else tuple(item.name for item in listed)
        reference: Reference = ("prompt", ref.name)
    else:
        found = catalog.resource_templates.get_entry(ref.uri)
        if found is None:
            raise PeerError(INVALID_PARAMS, f"Unknown resource template: {ref.uri}")
        names = found.template.variables
        reference = ("resource", ref.uri)
    if params.argument.name not in names:
        raise PeerError(INVALID_PARAMS, f"Invalid params: {reference[1]} has no argument {params.argument.name!r}")
    return reference


async def listen(work: Work, params: SubscriptionsListenRequestParams) -> Subscription:
    """Spec: 2026-07-28/basic/patterns/subscriptions#opening-a-stream"""
    call = work.call
    return work.services.subscriptions.listen(call.request.id, params.notifications, client=work.client)


METHODS: Final[dict[str, Method]] = {
    "server/discover": Method(serve=discover),
    "tools/list": Method(serve=list_tools),
    "tools/call": Method(serve=call_tool, mirrored_name=lambda params: params.name),
    "resources/list": Method(serve=list_resources),
    "resources/templates/list": Method(serve=list_resource_templates),
    "resources/read": Method(serve=read_resource, mirrored_name=lambda params: params.uri),
    "prompts/list": Method(serve=list_prompts),
    "prompts/get": Method(serve=get_prompt, mirrored_name=lambda params: params.name),
    "completion/complete": Method(serve=complete),
    "subscriptions/listen": Method(serve=listen),
}
"""The method table: every request of 2026-07-28. `REQUESTS` has the types of their params."""
