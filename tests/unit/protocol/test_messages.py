"""Params decode into the specification's names or are refused by field; results are written as it writes them."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw, Struct

from mcp_runtime.protocol.content import PromptMessage, TextContent, TextResourceContents
from mcp_runtime.protocol.errors import INVALID_PARAMS, PeerError
from mcp_runtime.protocol.jsonrpc import MalformedMessageError, Message, Request, decode, encode_json
from mcp_runtime.protocol.messages import (
    REQUESTS,
    CallToolRequestParams,
    CallToolResult,
    CancelledNotificationParams,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    DiscoverResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    LoggingMessageNotificationParams,
    PaginatedRequestParams,
    ProgressNotificationParams,
    Prompt,
    PromptArgument,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    RequestParams,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    Tool,
    ToolAnnotations,
    decode_params,
    read_message,
    read_request,
)
from mcp_runtime.protocol.meta import CLIENT_CAPABILITIES_KEY, PROTOCOL_VERSION_KEY, Icon

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


READ_VALUES = st.none() | st.integers(0, 3) | st.text(max_size=3) | st.dictionaries(st.text(max_size=2), st.none())
READ_PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("x") | READ_VALUES,
        "uri": st.just("x:y") | READ_VALUES,
        "cursor": READ_VALUES,
        "arguments": READ_VALUES,
        "notifications": st.just({}) | READ_VALUES,
        "_meta": READ_VALUES
        | st.fixed_dictionaries(
            {},
            optional={
                PROTOCOL_VERSION_KEY: st.just("2026-07-28") | READ_VALUES,
                CLIENT_CAPABILITIES_KEY: st.just({}) | READ_VALUES,
                "progressToken": READ_VALUES,
            },
        ),
    },
)
READ_MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | READ_VALUES,
        "id": st.integers(0, 3) | READ_VALUES,
        "method": st.sampled_from([*REQUESTS, "ping", "initialize", "notifications/cancelled"]) | READ_VALUES,
        "params": READ_PARAMS | READ_VALUES,
        "result": READ_VALUES,
        "error": READ_VALUES,
    },
)


def outcome(read: Callable[[bytes], Any], data: bytes) -> Any:
    """What `read` makes of `data`, so that it can be compared."""
    try:
        message = read(data)
    except MalformedMessageError as error:
        return error.code, error.message, error.id
    if not isinstance(message, Request):
        return message
    params = message.typed
    fields = None if params is None else {name: _bytes_of(getattr(params, name)) for name in params.__struct_fields__}
    return message.id, message.method, bytes(message.params), message.probe, fields


def _bytes_of(value: Any) -> Any:
    return bytes(value) if isinstance(value, Raw) else value


def in_two(data: bytes) -> Message:
    """What `read_message` says it gives."""
    message = decode(data)
    if isinstance(message, Request):
        return read_request(message.id, message.method, message.params)
    return message


class TestReadMessage:
    @given(st.lists(READ_MESSAGES, min_size=1, max_size=2), st.booleans())
    def test_one_decode_says_what_two_would(self, messages: list[dict[str, Any]], keep_order: bool) -> None:
        # Two objects become one, in which keys come twice, in any order.
        members = [item for message in messages for item in message.items()]
        ordered = members if keep_order else members[::-1]
        data = b"{%b}" % b",".join(b"%b:%b" % (encode_json(key), encode_json(value)) for key, value in ordered)
        assert outcome(read_message, data) == outcome(in_two, data)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"[]",
            b"[" * 5000,
            b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"x":' + b"[" * 5000,
            b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"x":"\xff"}}',
            b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"x":"\xc3\xa9"}}}',
            b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}} ',
            b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}} 1',
            b'{"jsonrpc":"2.0","id":1,"method":"tools\\/call","params":{"name":"x"}}',
            b'{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"tools/list","params":{}}',
            b'{"jsonrpc":"2.0","id":1.5,"method":"tools/list","params":{}}',
            b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
            b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}',
        ],
    )
    def test_what_is_odd_is_read_as_it_would_be(self, data: bytes) -> None:
        assert outcome(read_message, data) == outcome(in_two, data)

    @pytest.mark.parametrize("read", [decode, read_message])
    @pytest.mark.parametrize("method", ["tools/call", "tools/list", "ping"])
    def test_what_is_found_in_a_request_is_not_for_its_sender_to_say(
        self, read: Callable[[bytes], Message], method: str
    ) -> None:
        own = b'"probe":[null,null,"2026-07-28"],"typed":{},"source":{"name":"y"}'
        message = read(b'{"jsonrpc":"2.0","id":1,"method":"%b",%b,"params":{"name":"x"}}' % (method.encode(), own))
        assert isinstance(message, Request)
        assert message.probe.version is None
        assert bytes(message.params) == b'{"name":"x"}'

    def test_most_are_read_at_once(self) -> None:
        data = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params": {"name":"x", "arguments":{} }}'
        message = read_message(data)
        assert isinstance(message, Request)
        assert message.source is data
        assert bytes(message.params) == b'{"name":"x", "arguments":{} }'
        assert isinstance(message.typed, CallToolRequestParams)


def decoded(method: str, **fields: Any) -> Any:
    return decode_params(Raw(json.dumps(fields).encode()), REQUESTS[method].params)


def wire(value: object) -> Any:
    return json.loads(encode_json(value))


def test_there_is_a_row_for_every_request_of_the_revision() -> None:
    expected = {
        "server/discover": RequestParams,
        "tools/list": PaginatedRequestParams,
        "tools/call": CallToolRequestParams,
        "resources/list": PaginatedRequestParams,
        "resources/templates/list": PaginatedRequestParams,
        "resources/read": ReadResourceRequestParams,
        "prompts/list": PaginatedRequestParams,
        "prompts/get": GetPromptRequestParams,
        "completion/complete": CompleteRequestParams,
        "subscriptions/listen": SubscriptionsListenRequestParams,
    }
    assert expected == {method: row.params for method, row in REQUESTS.items()}


def test_a_tool_call_keeps_its_arguments_undecoded() -> None:
    found = decoded("tools/call", name="x", arguments={"a": 1}, _meta={}, other=1)
    assert isinstance(found, CallToolRequestParams)
    assert found.name == "x"
    assert bytes(memoryview(found.arguments)) == b'{"a": 1}'  # type: ignore[arg-type]  # set above
    assert (found.input_responses, found.request_state) == (UNSET, UNSET)


@pytest.mark.parametrize("method", ["tools/call", "prompts/get"])
def test_a_retry_brings_answers_and_state(method: str) -> None:
    found = decoded(method, name="x", inputResponses={"k": {"action": "decline"}}, requestState="v1.x")
    assert {key: json.loads(bytes(raw)) for key, raw in found.input_responses.items()} == {"k": {"action": "decline"}}
    assert found.request_state == "v1.x"


@pytest.mark.parametrize("cursor", [None, "", "abc"])
def test_a_list_takes_a_cursor(cursor: str | None) -> None:
    assert decoded("tools/list", cursor=cursor) == PaginatedRequestParams(cursor)
    assert decoded("tools/list") == PaginatedRequestParams(None)


@pytest.mark.spec("server/utilities/completion#reference-types")
def test_a_completion_refers_to_a_prompt_or_a_resource_template() -> None:
    argument = {"name": "lang", "value": "py"}
    prompt = decoded("completion/complete", ref={"type": "ref/prompt", "name": "r"}, argument=argument)
    resource = decoded(
        "completion/complete",
        ref={"type": "ref/resource", "uri": "x://{a}"},
        argument=argument,
        context={"arguments": {"b": "1"}},
    )
    assert (prompt.ref, prompt.context.arguments) == (PromptReference("r"), {})
    assert (resource.ref, resource.context.arguments) == (ResourceTemplateReference("x://{a}"), {"b": "1"})
    assert (prompt.argument.name, prompt.argument.value) == ("lang", "py")


@pytest.mark.spec("basic/patterns/subscriptions#notification-filter")
def test_all_fields_of_a_filter_are_optional() -> None:
    nothing = decoded("subscriptions/listen", notifications={}).notifications
    assert nothing == SubscriptionFilter(False, False, False, [])
    found = decoded(
        "subscriptions/listen",
        notifications={
            "toolsListChanged": True,
            "promptsListChanged": True,
            "resourcesListChanged": True,
            "resourceSubscriptions": ["a://b"],
        },
    )
    assert found.notifications == SubscriptionFilter(True, True, True, ["a://b"])


@pytest.mark.parametrize(
    ("method", "fields", "named"),
    [
        ("tools/list", {"cursor": 5}, "params.cursor"),
        ("tools/call", {}, "name"),
        ("tools/call", {"name": None}, "params.name"),
        ("tools/call", {"name": 5}, "params.name"),
        ("tools/call", {"name": "x", "inputResponses": None}, "params.inputResponses"),
        ("tools/call", {"name": "x", "inputResponses": []}, "params.inputResponses"),
        ("tools/call", {"name": "x", "requestState": None}, "params.requestState"),
        ("tools/call", {"name": "x", "requestState": {}}, "params.requestState"),
        ("resources/read", {}, "uri"),
        ("resources/read", {"uri": ["a://b"]}, "params.uri"),
        ("prompts/get", {"name": "x", "arguments": {"a": 5}}, "params.arguments"),
        ("prompts/get", {"name": "x", "arguments": None}, "params.arguments"),
        ("prompts/get", {"name": "x", "arguments": []}, "params.arguments"),
        ("completion/complete", {"argument": {"name": "a", "value": "b"}}, "ref"),
        (
            "completion/complete",
            {"ref": {"type": "ref/tool", "name": "x"}, "argument": {"name": "a", "value": "b"}},
            "params.ref",
        ),
        ("completion/complete", {"ref": {"name": "x"}, "argument": {"name": "a", "value": "b"}}, "params.ref"),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}}, "argument"),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a"}},
            "params.argument",
        ),
        ("subscriptions/listen", {}, "notifications"),
        (
            "subscriptions/listen",
            {"notifications": {"toolsListChanged": "yes"}},
            "params.notifications.toolsListChanged",
        ),
        (
            "subscriptions/listen",
            {"notifications": {"toolsListChanged": None}},
            "params.notifications.toolsListChanged",
        ),
        ("subscriptions/listen", {"notifications": {"resourceSubscriptions": [5]}}, "resourceSubscriptions"),
    ],
)
def test_params_that_do_not_fit_are_refused_by_the_name_of_the_field(
    method: str, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(PeerError) as refused:
        decoded(method, **fields)
    assert (refused.value.code, refused.value.http_status) == (INVALID_PARAMS, 400)
    assert refused.value.message.startswith("Invalid params: ")
    assert named in refused.value.message
    assert "$" not in refused.value.message


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name":"\xff"}',
        b'{"name":"\\ud800"}',
        b'{"name":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"name":"x","arguments":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"name":"x"',
    ],
)
def test_params_that_are_no_json_after_all_are_refused(raw: bytes) -> None:
    with pytest.raises(PeerError) as refused:
        decode_params(Raw(raw), CallToolRequestParams)
    assert refused.value.code == INVALID_PARAMS


@given(
    st.sampled_from(sorted(REQUESTS)),
    st.dictionaries(
        st.sampled_from(
            [
                "name",
                "uri",
                "cursor",
                "arguments",
                "ref",
                "argument",
                "context",
                "notifications",
                "inputResponses",
                "_meta",
            ]
        ),
        JSON_VALUES,
        max_size=5,
    ),
)
def test_any_params_decode_or_are_refused(method: str, fields: dict[str, Any]) -> None:
    try:
        found = decoded(method, **fields)
    except PeerError as error:
        code = error.code
    else:
        assert isinstance(found, REQUESTS[method].params)
        return
    assert code == INVALID_PARAMS


@pytest.mark.spec("basic/patterns/cancellation#cancellation-flow")
@pytest.mark.parametrize("request_id", [1, "123", ""])
def test_a_cancellation_names_a_request_and_maybe_a_reason(request_id: int | str) -> None:
    raw = Raw(json.dumps({"requestId": request_id, "reason": "why"}).encode())
    assert decode_params(raw, CancelledNotificationParams) == CancelledNotificationParams(request_id, "why")
    assert decode_params(Raw(b'{"requestId":1}'), CancelledNotificationParams).reason is UNSET


@pytest.mark.parametrize("raw", [b"{}", b'{"requestId":null}', b'{"requestId":1.5}', b'{"requestId":1,"reason":5}'])
def test_a_cancellation_of_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(PeerError):
        decode_params(Raw(raw), CancelledNotificationParams)


CACHE: dict[str, Any] = {"ttl_ms": 300_000, "cache_scope": "public"}
ON_THE_WIRE = {"ttlMs": 300_000, "cacheScope": "public"}


@pytest.mark.spec("basic#result-responses")
@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (
            DiscoverResult(supported_versions=["2026-07-28"], capabilities={"tools": {}}, instructions="hi", **CACHE),
            {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "instructions": "hi", **ON_THE_WIRE},
        ),
        (
            DiscoverResult(supported_versions=[], capabilities={}, **CACHE),
            {"supportedVersions": [], "capabilities": {}, **ON_THE_WIRE},
        ),
        (ListToolsResult(tools=[], **CACHE), {"tools": [], **ON_THE_WIRE}),
        (
            ListToolsResult(tools=[Tool("t", {"type": "object"})], next_cursor="c", **CACHE),
            {"tools": [{"name": "t", "inputSchema": {"type": "object"}}], "nextCursor": "c", **ON_THE_WIRE},
        ),
        (
            ListResourcesResult(resources=[Resource("a://b", "r", mime_type="text/plain", size=0)], **CACHE),
            {"resources": [{"uri": "a://b", "name": "r", "mimeType": "text/plain", "size": 0}], **ON_THE_WIRE},
        ),
        (
            ListResourceTemplatesResult(resource_templates=[ResourceTemplate("a://{b}", "t")], **CACHE),
            {"resourceTemplates": [{"uriTemplate": "a://{b}", "name": "t"}], **ON_THE_WIRE},
        ),
        (
            ListPromptsResult(prompts=[Prompt("p", arguments=[PromptArgument("a", required=False)])], **CACHE),
            {"prompts": [{"name": "p", "arguments": [{"name": "a", "required": False}]}], **ON_THE_WIRE},
        ),
        (CallToolResult(content=[]), {"content": []}),
        (
            CallToolResult(content=[TextContent("x")], structured_content=None, is_error=False, meta={"a": 1}),
            {
                "content": [{"type": "text", "text": "x"}],
                "structuredContent": None,
                "isError": False,
                "_meta": {"a": 1},
            },
        ),
        (
            ReadResourceResult(contents=[TextResourceContents("a://b", "x")], ttl_ms=0, cache_scope="private"),
            {"contents": [{"uri": "a://b", "text": "x"}], "ttlMs": 0, "cacheScope": "private"},
        ),
        (
            GetPromptResult(messages=[PromptMessage("assistant", TextContent("x"))], description="d"),
            {"messages": [{"role": "assistant", "content": {"type": "text", "text": "x"}}], "description": "d"},
        ),
        (
            CompleteResult(completion=Completion(values=["a"], total=1, has_more=False)),
            {"completion": {"values": ["a"], "total": 1, "hasMore": False}},
        ),
        (CompleteResult(completion=Completion(values=[])), {"completion": {"values": []}}),
        (SubscriptionsListenResult(meta={"s": 1}), {"_meta": {"s": 1}}),
    ],
)
def test_a_result_is_complete_and_named_as_the_specification_names_it(result: Struct, expected: dict[str, Any]) -> None:
    assert wire(result) == {"resultType": "complete", **expected}


@pytest.mark.spec("basic/patterns/mrtr#inputrequiredresult")
def test_a_result_that_asks_is_input_required_and_carries_no_caching_hints() -> None:
    asked = InputRequiredResult(input_requests={"k": {"method": "roots/list"}}, request_state="v1.x")
    assert wire(asked) == {
        "resultType": "input_required",
        "inputRequests": {"k": {"method": "roots/list"}},
        "requestState": "v1.x",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            Tool(
                "t",
                {},
                title="T",
                output_schema={"type": "string"},
                annotations=ToolAnnotations(title="A", read_only_hint=False, destructive_hint=True),
                icons=[Icon("https://x/i.svg", mime_type="image/svg+xml", theme="dark")],
                meta={"a": 1},
            ),
            {
                "name": "t",
                "inputSchema": {},
                "title": "T",
                "outputSchema": {"type": "string"},
                "annotations": {"title": "A", "readOnlyHint": False, "destructiveHint": True},
                "icons": [{"src": "https://x/i.svg", "mimeType": "image/svg+xml", "theme": "dark"}],
                "_meta": {"a": 1},
            },
        ),
        (
            ToolAnnotations(idempotent_hint=True, open_world_hint=False),
            {"idempotentHint": True, "openWorldHint": False},
        ),
        (SubscriptionFilter(), {}),
        (
            SubscriptionFilter(tools_list_changed=True, resource_subscriptions=["a://b"]),
            {"toolsListChanged": True, "resourceSubscriptions": ["a://b"]},
        ),
        (
            SubscriptionsAcknowledgedNotificationParams(meta={"s": 1}, notifications=SubscriptionFilter()),
            {"_meta": {"s": 1}, "notifications": {}},
        ),
        (ProgressNotificationParams(progress_token="t", progress=0.5), {"progressToken": "t", "progress": 0.5}),
        (
            ProgressNotificationParams(progress_token=0, progress=1, total=2, message="m"),
            {"progressToken": 0, "progress": 1, "total": 2, "message": "m"},
        ),
        (LoggingMessageNotificationParams(level="info", data=None), {"level": "info", "data": None}),
        (
            LoggingMessageNotificationParams(level="error", data={"a": 1}, logger="db"),
            {"level": "error", "data": {"a": 1}, "logger": "db"},
        ),
    ],
)
def test_values_are_written_in_camel_case_without_what_was_left_out(value: Struct, expected: dict[str, Any]) -> None:
    assert wire(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        Tool("t", {}),
        Resource("a://b", "r"),
        ResourceTemplate("a://{b}", "t"),
        Prompt("p"),
        PromptArgument("a"),
        ToolAnnotations(),
        SubscriptionFilter(),
        Completion(values=[]),
        CallToolRequestParams("t"),
        CancelledNotificationParams(1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_shared_cannot_be_changed_once_made(value: Struct) -> None:
    field = msgspec.structs.fields(value)[0].name
    with pytest.raises(AttributeError):
        setattr(value, field, "other")
