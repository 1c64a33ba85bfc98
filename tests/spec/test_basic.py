"""What holds for every message. Rule: each test shows a demand of 2026-07-28/basic."""

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from mcp_types import methods

from mcp_runtime import PeerError, Plugin
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.assembly.runtime import Runtime
from tests.support import official
from tests.support.clients import Client
from tests.support.clocks import run
from tests.support.messages import (
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    PROTOCOL_VERSION,
    SERVER_INFO,
    SUBSCRIPTION_ID,
    UNABLE,
    VERSION,
    Message,
    accepted,
    notification,
    request,
)
from tests.support.settings import settings
from tests.support.wires import EVERY_WIRE, HTTP, Wire, connect, over

_META_KEY = re.compile(
    r"(?:[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?/"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?"
)


def schema_plugin(schema: dict[str, Any], _: list[str]) -> Plugin[Any]:
    """One tool with a raw input schema."""
    plugin = Plugin("schema")

    @plugin.tool(input_schema=schema)
    async def take(arguments: dict[str, Any]) -> str:
        """Take what fits."""
        return json.dumps(arguments)

    return plugin


def build(schema: dict[str, Any], **limits: Any) -> Runtime:
    """Load a plugin that has a tool with this input schema."""
    return build_runtime(settings(limits=limits), (schema_plugin(schema, []),))


@pytest.mark.spec("basic/index#top", "base-protocol")
@pytest.mark.spec("basic/transports/index#messages", "both-directions")
@over(*EVERY_WIRE)
async def test_requests_rounds_and_subscriptions_are_all_served(client: Client) -> None:
    assert (await client.call("echo", {"text": "hello"})).text == "hello"
    asked = await client.call("greet")
    assert (await client.retry(asked, {"user_name": accepted(name="Ada")})).text == "Hello, Ada!"
    async with client.listen(toolsListChanged=True) as stream:
        assert (await stream.next())["method"] == "notifications/subscriptions/acknowledged"
        await client.call("grow", {"kind": "tool", "name": "later"})
        assert (await stream.next())["method"] == "notifications/tools/list_changed"


@pytest.mark.spec("basic/index#messages", "json-rpc")
@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "1.0", "id": 1, "method": "server/discover", "params": {}},
        {"id": 1, "method": "server/discover", "params": {}},
        {"jsonrpc": 2.0, "id": 1, "method": "server/discover", "params": {}},
        {"jsonrpc": "2.0", "id": 1, "params": {}},
        {"jsonrpc": "2.0", "id": 1, "method": 7, "params": {}},
        {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": "none"},
        {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": None},
        {},
        "server/discover",
        None,
        17,
        [],
        [request("server/discover")],
    ],
)
@over(*EVERY_WIRE)
async def test_what_is_no_json_rpc_is_an_invalid_request(client: Client, message: Any) -> None:
    reply = await client.tell(message)
    assert reply.error["code"] == -32600
    assert reply.status in {None, 400}
    if isinstance(message, dict) and "id" in message:
        assert reply.messages[0]["id"] == 1
    await client.ask("server/discover")


@pytest.mark.spec("basic/index#requests", "id-kinds")
@pytest.mark.parametrize("id_", [0, -1, 2**53, 2**70, "", "0", "a/b", "\u2028", "naïve"])
@over(*EVERY_WIRE)
async def test_any_string_and_any_integer_is_an_id(client: Client, id_: Any) -> None:
    answer = await client.send(request("server/discover", id=id_))
    assert answer.response["id"] == id_


@pytest.mark.spec("basic/index#requests", "id-kinds")
@pytest.mark.parametrize("id_", [1.5, True, {"a": 1}, [1]])
@over(*EVERY_WIRE)
async def test_other_ids_make_a_request_invalid(client: Client, id_: Any) -> None:
    reply = await client.tell(request("server/discover", id=id_))
    assert reply.error["code"] == -32600
    assert "id" not in reply.messages[0]


@pytest.mark.spec("basic/index#requests", "id-not-null")
@over(*EVERY_WIRE)
async def test_a_null_id_makes_a_request_invalid(client: Client) -> None:
    reply = await client.tell(request("server/discover", id=None))
    assert reply.error["code"] == -32600
    assert "id" not in reply.messages[0]


@pytest.mark.spec("basic/index#requests", "id-unique")
@over("stdio")
async def test_an_id_in_use_names_no_second_request(client: Client) -> None:
    async with client.open(request("tools/call", {"name": "nap", "arguments": {"seconds": 1}}, id="same")) as first:
        reply = await client.tell(request("server/discover", id="same"))
        assert reply.error["code"] == -32600
        first.arrived()
        assert (await first.answer()).text == "rested"
    assert (await client.send(request("server/discover", id="same"))).result["supportedVersions"] == [VERSION]


@pytest.mark.spec("basic/index#requests", "id-unique")
@over(*HTTP)
async def test_over_http_two_clients_may_use_the_same_id_at_once(client: Client) -> None:
    async with client.open(request("tools/call", {"name": "nap", "arguments": {"seconds": 1}}, id="same")) as first:
        assert (await client.send(request("server/discover", id="same"))).result["supportedVersions"] == [VERSION]
        assert (await first.answer()).text == "rested"


@pytest.mark.spec("basic/index#result-responses", "same-id", "result-member")
@pytest.mark.spec("basic/index#resulttype", "known-kinds")
@pytest.mark.parametrize("id_", [7, "7"])
@over(*EVERY_WIRE)
async def test_every_result_has_its_id_and_a_result_type_of_the_protocol(client: Client, id_: Any) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("server/discover", {}),
        ("tools/list", {}),
        ("tools/call", {"name": "nothing"}),
        ("tools/call", {"name": "greet"}),
        ("resources/list", {}),
        ("resources/templates/list", {}),
        ("resources/read", {"uri": "note://text"}),
        ("prompts/list", {}),
        ("prompts/get", {"name": "plain"}),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "language", "value": "p"}},
        ),
    ]
    for method, params in calls:
        answer = await client.send(request(method, params, id=id_))  # checks id and type against the request
        assert answer.result["resultType"] in {"complete", "input_required"}
    assert {method for method, _ in calls} | {"subscriptions/listen"} == {
        method for method, version in methods.CLIENT_REQUESTS if version == VERSION
    }


@pytest.mark.spec("basic/index#error-responses", "same-id", "code-and-message")
@pytest.mark.parametrize("id_", [3, "three"])
@over(*EVERY_WIRE)
async def test_every_error_has_its_id_a_code_and_a_message(client: Client, id_: Any) -> None:
    wrong = [
        request("no/such", id=id_),
        request("tools/call", {"name": "none"}, id=id_),
        request("tools/call", {"name": 7}, id=id_),
        request("resources/read", {"uri": "note://nowhere"}, id=id_),
        request("prompts/get", {"name": "none"}, id=id_),
        request("tools/list", {"cursor": "none"}, id=id_),
        request("tools/call", {"name": "need_sampling"}, id=id_, capabilities=UNABLE),
        {"jsonrpc": "2.0", "id": id_, "method": "server/discover", "params": {}},
    ]
    for message in wrong:
        error = (await client.send(message)).error  # checks id, code and message
        assert error["message"]


@pytest.mark.spec("basic/index#error-responses", "same-id")
@over(*EVERY_WIRE)
async def test_an_error_has_no_id_where_none_could_be_read(client: Client) -> None:
    for garbage in (b"{", b'{"jsonrpc":"2.0","id":1', b"\xff", b"nonsense"):
        reply = await client.raw(garbage)
        assert reply.error["code"] == -32700
        assert "id" not in reply.messages[0]


@pytest.mark.spec("basic/index#error-codes", "no-new-legacy-codes", "reserved-range", "retired-codes")
@pytest.mark.parametrize("code", [-32000, -32001, -32002, -32019, -32023, -32042, -32099])
@over(*EVERY_WIRE)
async def test_no_plugin_can_send_a_code_that_is_not_its_to_send(client: Client, code: int) -> None:
    with pytest.raises(ValueError, match=str(code)):
        PeerError(code, "no")
    answer = await client.call("refuse", {"code": code})
    assert answer.result["isError"]


@pytest.mark.spec("basic/index#error-codes", "reserved-range")
@over(*EVERY_WIRE)
async def test_a_plugin_may_use_the_codes_of_json_rpc_and_those_outside_its_range(client: Client) -> None:
    for code in (-32602, -32603, -31999, 1, 4711):
        answer = await client.call("refuse", {"code": code})
        assert answer.error == {"code": code, "message": "Refused", "data": {"why": "because"}}


@pytest.mark.spec("basic/index#error-codes", "defined-meaning", "retired-codes")
@over(*EVERY_WIRE)
async def test_each_code_is_sent_for_what_it_is_defined_for(client: Client) -> None:
    other = request("tools/list", extra_meta={PROTOCOL_VERSION: "1900-01-01"})
    assert (await client.raw(b"{")).error["code"] == -32700
    assert (await client.tell([])).error["code"] == -32600
    (await client.ask("no/such")).refused(-32601, 404)
    (await client.ask("resources/read", {"uri": "note://nowhere"})).refused(-32602)
    (await client.ask("resources/read", {"uri": "note://crash"})).refused(-32603, 200)
    (await client.call("greet", capabilities=UNABLE)).refused(-32021)
    (await client.send(other)).refused(-32022)
    if client.transport == "streamable_http":
        (await client.ask("tools/list", headers={"mcp-method": "tools/call"})).refused(-32020)


@pytest.mark.spec("basic/index#notifications", "no-answer")
@pytest.mark.parametrize(
    "message",
    [
        notification("notifications/cancelled", {"requestId": "unknown"}),
        notification("notifications/cancelled"),
        notification("notifications/no/such"),
        notification("tools/call", {"name": "echo"}),
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": []},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": None},
        {"jsonrpc": "2.0", "method": "notifications/cancelled"},
    ],
)
@over(*EVERY_WIRE)
async def test_a_notification_is_never_answered(client: Client, message: Message) -> None:
    reply = await client.tell(message)
    assert reply.messages == []
    assert reply.status in {None, 202}


@pytest.mark.spec("basic/index#notifications", "no-id")
@over(*EVERY_WIRE)
async def test_a_notification_that_is_sent_has_no_id(client: Client) -> None:
    answer = await client.call("count", extra_meta={"progressToken": 1, LOG_LEVEL: "debug"})
    assert len(answer.notifications) == 3
    assert all("id" not in message for message in answer.notifications)


@pytest.mark.spec("basic/index#statelessness", "nothing-remembered")
@over(*EVERY_WIRE)
async def test_what_one_request_declared_counts_for_no_other(client: Client) -> None:
    assert (await client.call("greet")).asked
    (await client.call("greet", capabilities=UNABLE)).refused(-32021)
    logged = await client.call("chat", extra_meta={LOG_LEVEL: "debug"})
    assert len(logged.notifications) == 3
    assert (await client.call("chat")).notifications == []
    anonymous = request("tools/call", {"name": "about_me"}, id="x")
    del anonymous["params"]["_meta"][CLIENT_INFO]
    assert json.loads((await client.send(anonymous)).text)["client"] is None


@pytest.mark.spec("basic/index#statelessness", "explicit-handle")
@pytest.mark.parametrize(("first", "second"), [("http-trio", "stdio"), ("stdio", "http-trio")])
def test_another_server_with_the_same_keys_goes_on_where_the_first_one_asked(first: Wire, second: Wire) -> None:
    async def talk() -> None:
        async with connect(first, settings()) as client:
            asked = await client.call("interview")
        async with connect(second, settings()) as other:
            asked = await other.retry(asked, {"name": accepted(name="Ada")})
            assert (await other.retry(asked, {"taste": accepted(colour="red")})).text == "Ada likes red and 7"
            assert "drew a number" not in other.journal

    run("trio", talk)


_DRAFT_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"point": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}], "items": False}},
    "properties": {"at": {"$ref": "#/$defs/point"}, "kind": {"const": "point"}},
    "dependentRequired": {"at": ["kind"]},
    "unevaluatedProperties": False,
}


@pytest.mark.spec("basic/index#schema-dialect", "draft-2020-12")
@over(*EVERY_WIRE, plugin=partial(schema_plugin, _DRAFT_2020_12))
async def test_arguments_are_judged_by_json_schema_2020_12(client: Client) -> None:
    assert (await client.ask("tools/list")).result["tools"][0]["inputSchema"] == _DRAFT_2020_12
    assert "isError" not in (await client.call("take", {"at": [1, 2], "kind": "point"})).result
    for wrong in ({"at": [1, 2]}, {"at": [1, 2, 3], "kind": "point"}, {"other": 1}):
        assert (await client.call("take", wrong)).result["isError"]


@pytest.mark.spec("basic/index#implementation-requirements", "default-dialect")
@over(
    *EVERY_WIRE, plugin=partial(schema_plugin, {key: _DRAFT_2020_12[key] for key in _DRAFT_2020_12 if key != "$schema"})
)
async def test_a_schema_without_dialect_is_2020_12(client: Client) -> None:
    assert "isError" not in (await client.call("take", {"at": [1, 2], "kind": "point"})).result
    assert (await client.call("take", {"at": [1, 2, 3], "kind": "point"})).result["isError"]


@pytest.mark.spec("basic/index#implementation-requirements", "other-dialects")
@pytest.mark.parametrize(
    "dialect", ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2019-09/schema", "urn:own"]
)
def test_another_dialect_is_refused_by_name(dialect: str) -> None:
    with pytest.raises(Exception, match=re.escape(dialect)):
        build({"$schema": dialect, "type": "object"})


@pytest.mark.spec("basic/index#schema-validation", "valid-schemas")
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "strin"}}},
        {"type": "object", "properties": {"a": {"pattern": "("}}},
        {"type": "object", "required": "a"},
        {"type": "string"},
        {"properties": {}},
    ],
)
def test_an_invalid_input_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="take"):
        build(schema)


@pytest.mark.spec("basic/index#schema-validation", "valid-schemas")
@over(*EVERY_WIRE)
async def test_every_schema_that_is_served_is_valid(client: Client) -> None:
    import jsonschema_rs

    for tool in (await client.ask("tools/list")).result["tools"]:
        assert tool["inputSchema"]["type"] == "object"
        for schema in (tool["inputSchema"], tool.get("outputSchema", {})):
            jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


@pytest.mark.spec("basic/index#ref-resolution", "never-fetched", "unresolved-refused")
@pytest.mark.parametrize(
    "reference",
    ["https://example.com/schema.json", "http://127.0.0.1:9/x", "file:///etc/passwd", "other.json", "#/$defs/no"],
)
def test_a_reference_to_elsewhere_is_refused_and_never_fetched(reference: str) -> None:
    with pytest.raises(Exception, match="take"):
        build({"type": "object", "properties": {"a": {"$ref": reference}}})


@pytest.mark.spec("basic/index#composition-keyword-resource-use", "bounded")
def test_depth_and_number_of_subschemas_are_bounded() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        deep = {"anyOf": [deep]}
    with pytest.raises(Exception, match="max_schema_depth"):
        build({"type": "object", "properties": {"a": deep}})
    wide = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(50)}}
    with pytest.raises(Exception, match="max_subschemas"):
        build(wide, max_subschemas=40)
    build(wide)


@pytest.mark.spec("basic/index#meta", "no-assumptions")
@over(*EVERY_WIRE)
async def test_unknown_keys_of_meta_disturb_nothing(client: Client) -> None:
    odd: Message = {
        "io.modelcontextprotocol/unheard-of": {"deep": [None, 1.5]},
        "io.modelcontextprotocol/subscriptionId": {"no": "id"},
        "io.modelcontextprotocol/serverInfo": 7,
        "com.example/x": None,
        "": [],
        "vendor": "x" * 5000,
    }
    answer = await client.call("about_me", extra_meta=odd)
    assert set(odd) <= set(json.loads(answer.text)["meta"])


@pytest.mark.spec("basic/index#meta", "key-format")
@over(*EVERY_WIRE)
async def test_the_keys_that_the_server_puts_into_meta_are_well_formed(client: Client) -> None:
    async with client.listen(toolsListChanged=True) as stream:
        acknowledged = await stream.next()
        client.runtime.subscriptions.close()
        ended = (await stream.answer()).result
    discovered = (await client.ask("server/discover")).result
    keys = {*acknowledged["params"]["_meta"], *ended["_meta"], *discovered["_meta"]}
    assert keys == {SERVER_INFO, SUBSCRIPTION_ID}
    assert all(_META_KEY.fullmatch(key) for key in keys)


@pytest.mark.spec("basic/index#meta", "required-fields")
@pytest.mark.parametrize("missing", [PROTOCOL_VERSION, CLIENT_CAPABILITIES])
@pytest.mark.parametrize("method", ["server/discover", "tools/list", "tools/call", "subscriptions/listen"])
@over(*EVERY_WIRE)
async def test_a_request_without_a_required_field_of_meta_is_refused(client: Client, method: str, missing: str) -> None:
    message = request(method, {"name": "echo", "notifications": {}, "arguments": {"text": ""}})
    del message["params"]["_meta"][missing]
    error = (await client.send(message)).refused(-32602)
    assert missing in error["message"]


@pytest.mark.spec("basic/index#meta", "required-fields")
@pytest.mark.parametrize("params", [{}, {"_meta": {}}, {"_meta": None}, {"_meta": "none"}, {"_meta": []}])
@over(*EVERY_WIRE)
async def test_a_request_without_a_proper_meta_is_refused(client: Client, params: Message) -> None:
    message = {"jsonrpc": "2.0", "id": 5, "method": "server/discover", "params": params}
    (await client.send(message)).refused(-32602)
    (await client.send({"jsonrpc": "2.0", "id": 5, "method": "server/discover"})).refused(-32602)


@pytest.mark.spec("basic/index#meta", "required-fields")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        (CLIENT_CAPABILITIES, None),
        (CLIENT_CAPABILITIES, []),
        (CLIENT_CAPABILITIES, {"sampling": 1}),
        (CLIENT_INFO, {"name": 1}),
    ],
)
@over(*EVERY_WIRE)
async def test_a_field_of_meta_of_the_wrong_kind_is_refused(client: Client, key: str, value: Any) -> None:
    (await client.ask("server/discover", extra_meta={key: value})).refused(-32602)


@pytest.mark.spec("basic/index#meta", "required-fields")
@over(*EVERY_WIRE)
async def test_client_info_may_be_missing(client: Client) -> None:
    message = request("server/discover")
    del message["params"]["_meta"][CLIENT_INFO]
    assert (await client.send(message)).result["supportedVersions"] == [VERSION]


@pytest.mark.spec("basic/index#meta", "undeclared-capability")
@pytest.mark.parametrize(
    ("tool", "declared", "required"),
    [
        ("greet", {}, {"elicitation": {}}),
        ("greet", {"elicitation": {"url": {}}}, {"elicitation": {"form": {}}}),
        ("sign_in", {"elicitation": {}}, {"elicitation": {"url": {}}}),
        ("think", {"elicitation": {}}, {"sampling": {}}),
        ("where", {"sampling": {}}, {"roots": {}}),
        ("need_sampling", {"roots": {}}, {"sampling": {}}),
    ],
)
@over(*EVERY_WIRE)
async def test_a_capability_that_was_not_declared_is_named_in_the_error(
    client: Client, tool: str, declared: Message, required: Mapping[str, Any]
) -> None:
    error = (await client.call(tool, capabilities=declared)).refused(-32021)
    assert error["data"] == {"requiredCapabilities": required}


@pytest.mark.spec("basic/index#meta", "undeclared-capability")
@over(*EVERY_WIRE)
async def test_prompts_and_resources_need_their_capabilities_too(client: Client) -> None:
    (await client.ask("prompts/get", {"name": "personal"}, capabilities=UNABLE)).refused(-32021)
    (await client.ask("resources/read", {"uri": "vault://combination"}, capabilities=UNABLE)).refused(-32021)


@pytest.mark.spec("basic/index#meta", "server-info")
@over(*EVERY_WIRE)
async def test_every_result_says_who_answered(client: Client) -> None:
    answers = [
        await client.ask("server/discover"),
        await client.ask("tools/list"),
        await client.ask("resources/list"),
        await client.ask("resources/templates/list"),
        await client.ask("resources/read", {"uri": "note://text"}),
        await client.ask("prompts/list"),
        await client.ask("prompts/get", {"name": "plain"}),
        await client.call("nothing"),
        await client.call("fail_kindly"),
        await client.call("greet"),
    ]
    assert all(official.server_info(answer.result) == {"name": "test-server", "version": "1.2.3"} for answer in answers)


@pytest.mark.spec("basic/index#meta", "server-info")
@over(*EVERY_WIRE, config=settings(server={"expose_server_info": False}))
async def test_an_operator_can_keep_the_server_anonymous(client: Client) -> None:
    for answer in (
        await client.ask("server/discover"),
        await client.ask("tools/list"),
        await client.call("nothing"),
        await client.call("greet"),
    ):
        assert "_meta" not in answer.result


@pytest.mark.spec("basic/index#meta", "subscription-id")
@over(*EVERY_WIRE)
async def test_every_notification_of_a_subscription_carries_its_id(client: Client) -> None:
    wanted = {
        "toolsListChanged": True,
        "promptsListChanged": True,
        "resourcesListChanged": True,
        "resourceSubscriptions": ["note://text"],
    }
    async with client.listen(id="all", **wanted) as stream:
        heard = [await stream.next()]
        for kind in ("tool", "prompt", "resource"):
            await client.call("grow", {"kind": kind, "name": "later"})
            heard.append(await stream.next())
        await client.call("touch", {"uri": "note://text"})
        heard.append(await stream.next())
    assert [official.subscription_id(message) for message in heard] == ["all"] * 5


@pytest.mark.spec("basic/index#meta", "trace-context")
@over(*EVERY_WIRE)
async def test_well_formed_trace_context_reaches_the_handler(client: Client) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
    trace = {"traceparent": parent, "tracestate": "vendor=1", "baggage": "user=7"}
    assert json.loads((await client.call("about_me", extra_meta=trace)).text)["trace"] == [parent, "vendor=1", "user=7"]


@pytest.mark.spec("basic/index#meta", "trace-context")
@pytest.mark.parametrize(
    "parent",
    [
        7,
        None,
        "",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "ff-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
        "00-0AF7651916CD43DD8448EB211C80319C-00F067AA0BA902B7-01",
    ],
)
@over(*EVERY_WIRE)
async def test_malformed_trace_context_is_ignored(client: Client, parent: Any) -> None:
    answer = await client.call("about_me", extra_meta={"traceparent": parent, "tracestate": "a=1", "baggage": "\n"})
    assert json.loads(answer.text)["trace"] == [None, None, None]
