"""Params and results of every 2026-07-28 method. Rule: the schema's names, one struct a type, no behaviour.

Spec: 2026-07-28/schema
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar, Union, cast

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from mcp_runtime.protocol.content import Annotations, ContentBlock, PromptMessage, ResourceContents
from mcp_runtime.protocol.errors import INVALID_PARAMS, PeerError
from mcp_runtime.protocol.jsonrpc import Message, Request, RequestId, decode
from mcp_runtime.protocol.meta import META_FIELD, Icon, LoggingLevel, MetaObject, found_in, probe

ParamsT = TypeVar("ParamsT", bound=Struct)
CacheScope = Literal["public", "private"]


class RequestParams(Struct, frozen=True):
    """Params of a method that takes nothing beyond `_meta`."""


class PaginatedRequestParams(Struct, frozen=True):
    """Params of the four lists. Spec: 2026-07-28/server/utilities/pagination#request-format"""

    cursor: str | None = None


class CallToolRequestParams(Struct, frozen=True, rename="camel"):
    """Params of `tools/call`. `arguments` stays undecoded: it is parsed once, by the tool's own model."""

    name: str
    arguments: Raw | UnsetType = UNSET
    input_responses: dict[str, Raw] | UnsetType = UNSET
    request_state: str | UnsetType = UNSET


class ReadResourceRequestParams(Struct, frozen=True, rename="camel"):
    """Params of `resources/read`."""

    uri: str
    input_responses: dict[str, Raw] | UnsetType = UNSET
    request_state: str | UnsetType = UNSET


class GetPromptRequestParams(Struct, frozen=True, rename="camel"):
    """Params of `prompts/get`."""

    name: str
    arguments: dict[str, str] = {}
    input_responses: dict[str, Raw] | UnsetType = UNSET
    request_state: str | UnsetType = UNSET


class PromptReference(Struct, frozen=True, tag_field="type", tag="ref/prompt"):
    """A reference to a prompt, by name."""

    name: str


class ResourceTemplateReference(Struct, frozen=True, tag_field="type", tag="ref/resource"):
    """A reference to a resource template by its URI template, or to a resource by its URI."""

    uri: str


class CompletionArgument(Struct, frozen=True):
    """The argument being typed and what has been typed of it."""

    name: str
    value: str


class CompletionContext(Struct, frozen=True):
    """Arguments that are settled already."""

    arguments: dict[str, str] = {}


class CompleteRequestParams(Struct, frozen=True):
    """Params of `completion/complete`. Spec: 2026-07-28/server/utilities/completion#completerequest"""

    ref: PromptReference | ResourceTemplateReference
    argument: CompletionArgument
    context: CompletionContext = CompletionContext()


class SubscriptionFilter(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A filter of changes. Spec: 2026-07-28/basic/patterns/subscriptions#notification-filter"""

    tools_list_changed: bool = False
    prompts_list_changed: bool = False
    resources_list_changed: bool = False
    resource_subscriptions: list[str] = []


class SubscriptionsListenRequestParams(Struct, frozen=True):
    """Params of `subscriptions/listen`."""

    notifications: SubscriptionFilter


class CancelledNotificationParams(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Params of `notifications/cancelled`. Spec: 2026-07-28/basic/patterns/cancellation#cancellation-flow"""

    request_id: RequestId
    reason: str | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class ToolAnnotations(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Hints on what a tool does to the world; no promises. Spec: 2026-07-28/server/tools#tool"""

    title: str | UnsetType = UNSET
    read_only_hint: bool | UnsetType = UNSET
    destructive_hint: bool | UnsetType = UNSET
    idempotent_hint: bool | UnsetType = UNSET
    open_world_hint: bool | UnsetType = UNSET


class Tool(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A tool as clients see it; schemas are JSON Schema 2020-12. Spec: 2026-07-28/server/tools#tool"""

    name: str
    input_schema: dict[str, Any]
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    output_schema: dict[str, Any] | UnsetType = UNSET
    annotations: ToolAnnotations | UnsetType = UNSET
    icons: list[Icon] | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class Resource(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A resource as clients see it; `size` in bytes. Spec: 2026-07-28/server/resources#resource"""

    uri: str
    name: str
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    mime_type: str | UnsetType = UNSET
    annotations: Annotations | UnsetType = UNSET
    size: int | UnsetType = UNSET
    icons: list[Icon] | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class ResourceTemplate(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A family of resources by RFC 6570 template. Spec: 2026-07-28/server/resources#resource-templates"""

    uri_template: str
    name: str
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    mime_type: str | UnsetType = UNSET
    annotations: Annotations | UnsetType = UNSET
    icons: list[Icon] | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class PromptArgument(Struct, frozen=True, omit_defaults=True):
    """One argument of a prompt."""

    name: str
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    required: bool | UnsetType = UNSET


class Prompt(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A prompt as clients see it. Spec: 2026-07-28/server/prompts#prompt"""

    name: str
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    arguments: list[PromptArgument] | UnsetType = UNSET
    icons: list[Icon] | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class Result(Struct, kw_only=True, rename="camel"):
    """The members of every result. Mutable so that the dispatcher can stamp `meta` on it in the one place that does.

    Spec: 2026-07-28/basic#result-responses
    """

    result_type: str = "complete"
    meta: MetaObject | Raw | UnsetType = field(name="_meta", default=UNSET)


class CacheableResult(Result, kw_only=True):
    """A result with caching hints: fresh for `ttl_ms` milliseconds, to be shared or not.

    Spec: 2026-07-28/server/utilities/caching#cacheable-model
    """

    ttl_ms: int
    cache_scope: CacheScope


class DiscoverResult(CacheableResult, kw_only=True):
    """The server: who it is, and what it can do. Spec: 2026-07-28/server/discover#discoverresult"""

    supported_versions: list[str]
    capabilities: dict[str, Any]
    instructions: str | UnsetType = UNSET


class ListToolsResult(CacheableResult, kw_only=True):
    """One page of tools. Spec: 2026-07-28/server/tools#listing-tools"""

    tools: list[Tool]
    next_cursor: str | UnsetType = UNSET


class ListResourcesResult(CacheableResult, kw_only=True):
    """One page of resources. Spec: 2026-07-28/server/resources#listing-resources"""

    resources: list[Resource]
    next_cursor: str | UnsetType = UNSET


class ListResourceTemplatesResult(CacheableResult, kw_only=True):
    """One page of resource templates. Spec: 2026-07-28/server/resources#resource-templates"""

    resource_templates: list[ResourceTemplate]
    next_cursor: str | UnsetType = UNSET


class ListPromptsResult(CacheableResult, kw_only=True):
    """One page of prompts. Spec: 2026-07-28/server/prompts#listing-prompts"""

    prompts: list[Prompt]
    next_cursor: str | UnsetType = UNSET


class CallToolResult(Result, kw_only=True):
    """The result of a tool call. Spec: 2026-07-28/server/tools#tool-result"""

    content: list[ContentBlock]
    structured_content: Any = UNSET
    is_error: bool | UnsetType = UNSET


class ReadResourceResult(CacheableResult, kw_only=True):
    """The contents of a resource. Spec: 2026-07-28/server/resources#reading-resources"""

    contents: list[ResourceContents]


class GetPromptResult(Result, kw_only=True):
    """A prompt, filled in. Spec: 2026-07-28/server/prompts#getting-a-prompt"""

    messages: list[PromptMessage]
    description: str | UnsetType = UNSET


class Completion(Struct, frozen=True, kw_only=True, rename="camel"):
    """Suggestions, at most 100; `total` counts those not sent too."""

    values: list[str]
    total: int | UnsetType = UNSET
    has_more: bool | UnsetType = UNSET


class CompleteResult(Result, kw_only=True):
    """The completion of an argument. Spec: 2026-07-28/server/utilities/completion#completeresult"""

    completion: Completion


class InputRequiredResult(Result, kw_only=True):
    """An interim result: what the server has to know first. Spec: 2026-07-28/basic/patterns/mrtr#inputrequiredresult"""

    result_type: str = "input_required"
    input_requests: dict[str, Any] | UnsetType = UNSET
    request_state: str | UnsetType = UNSET


class SubscriptionsListenResult(Result, kw_only=True):
    """The graceful end of a subscription. Spec: 2026-07-28/basic/patterns/subscriptions#graceful-closure"""


class SubscriptionsAcknowledgedNotificationParams(Struct, frozen=True, kw_only=True):
    """The subset of a filter that the server honours."""

    meta: MetaObject = field(name="_meta")
    notifications: SubscriptionFilter


class ProgressNotificationParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """Params of `notifications/progress`. Spec: 2026-07-28/basic/patterns/progress#progress-flow"""

    progress_token: int | str
    progress: float
    total: float | UnsetType = UNSET
    message: str | UnsetType = UNSET


class LoggingMessageNotificationParams(Struct, frozen=True, kw_only=True):
    """Params of `notifications/message`. Spec: 2026-07-28/server/utilities/logging#log-message-notifications"""

    level: LoggingLevel
    data: Any
    logger: str | UnsetType = UNSET


class RequestType(Struct, frozen=True):
    """The two types of a request of a client: that of its params, and the name of its result's in the schema."""

    params: type[Struct]
    result: str


REQUESTS: Final[Mapping[str, RequestType]] = MappingProxyType(
    {
        "server/discover": RequestType(RequestParams, "DiscoverResult"),
        "tools/list": RequestType(PaginatedRequestParams, "ListToolsResult"),
        "tools/call": RequestType(CallToolRequestParams, "CallToolResult"),
        "resources/list": RequestType(PaginatedRequestParams, "ListResourcesResult"),
        "resources/templates/list": RequestType(PaginatedRequestParams, "ListResourceTemplatesResult"),
        "resources/read": RequestType(ReadResourceRequestParams, "ReadResourceResult"),
        "prompts/list": RequestType(PaginatedRequestParams, "ListPromptsResult"),
        "prompts/get": RequestType(GetPromptRequestParams, "GetPromptResult"),
        "completion/complete": RequestType(CompleteRequestParams, "CompleteResult"),
        "subscriptions/listen": RequestType(SubscriptionsListenRequestParams, "SubscriptionsListenResult"),
    }
)
"""The client's requests of 2026-07-28. Spec: 2026-07-28/schema#clientrequest"""

_PARAMS: Final = {method: row.params for method, row in REQUESTS.items()}
_DECODERS: Final = {params: msgspec.json.Decoder(params) for params in (*_PARAMS.values(), CancelledNotificationParams)}


_WITH_META: Final = {
    params: msgspec.json.Decoder(msgspec.defstruct(params.__name__, [META_FIELD], bases=(params,), kw_only=True))
    for params in _PARAMS.values()
}


def read_request(request_id: RequestId, method: str, params: Raw) -> Request:
    """A request with what `probe` finds in its `params`, and what `decode_params` makes of them, all in one decode.

    `typed` is None where that would raise, where there is no such method, or where `_meta` is malformed.
    """
    into = _PARAMS.get(method)
    if into is not None:
        try:
            found: Any = _WITH_META[into].decode(params)
        except (msgspec.DecodeError, ValueError, RecursionError):
            pass  # What is wrong with it depends on its era, which is still to be found out.
        else:
            return Request(request_id, method, params, found_in(found.meta), found)
    return Request(request_id, method, params, probe(params))


def _whole(method: str, params: type[Struct]) -> type[Struct]:
    fields: list[Any] = [("jsonrpc", Literal["2.0"]), ("id", RequestId), ("params", _WITH_META[params].type)]
    return msgspec.defstruct(params.__name__, fields, tag_field="method", tag=method)


_METHODS: Final = {_whole(method, params): method for method, params in _PARAMS.items()}
_whole_decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(Union[tuple(_METHODS)])  # noqa: UP007  # not known here


def read_message(data: bytes) -> Message:
    """One message from UTF-8 JSON, as `decode` has it; a request as `read_request` has it, most in one decode.

    Raises MalformedMessageError.
    """
    try:
        if not data.isascii():
            data.decode()  # as in `decode`
        found: Any = _whole_decoder.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        message = decode(data)
        return read_request(message.id, message.method, message.params) if isinstance(message, Request) else message
    params = found.params
    return Request(found.id, _METHODS[type(found)], data, found_in(params.meta), params)


def decode_params(params: Raw, into: type[ParamsT]) -> ParamsT:
    """`params` as the typed struct `into`. Raises PeerError -32602 that names the field."""
    try:
        return cast("msgspec.json.Decoder[ParamsT]", _DECODERS[into]).decode(params)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise PeerError(INVALID_PARAMS, f"Invalid params: {error}".replace("`$.", "`params.")) from None
