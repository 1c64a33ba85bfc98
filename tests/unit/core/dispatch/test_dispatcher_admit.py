"""What the dispatcher lets in: requests that say what they must, as many as there is room for; the rest is told why not."""

import json
import re
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from mcp_runtime import Plugin
from mcp_runtime.config import Limits
from mcp_runtime.core.calls.call import Reply, Stream
from mcp_runtime.core.dispatch.methods import METHODS
from mcp_runtime.protocol.headers import Headers
from mcp_runtime.protocol.messages import REQUESTS, read_request
from tests.support.dispatcher_client import Client, meta, mirrored, text_of
from tests.support.dispatcher_client import headers as headers_of
from tests.support.dispatching import (
    NAMED,
    completion,
    error_of,
    fails,
    make_plugin,
    serving,
    slow,
)
from tests.support.messages import VERSION


@pytest.fixture
def client() -> Client:
    return Client(make_plugin())


# Admission


def test_the_method_table_has_a_row_for_every_request() -> None:
    assert METHODS.keys() == REQUESTS.keys()
    assert {name for name, method in METHODS.items() if method.mirrored_name is not None} == set(NAMED)


@pytest.mark.spec("basic/transports/streamable-http#protocol-version-header")
@pytest.mark.parametrize(
    "method",
    [
        *("initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/get"),
        *("", "tools", "Tools/Call", "tools/call ", "tools/call/", "notifications/cancelled", "roots/list"),
        *("sampling/createMessage", "elicitation/create", "__class__"),
    ],
)
async def test_an_unknown_method_is_404_and_minus_32601(client: Client, method: str) -> None:
    error = await error_of(client, method, headers=mirrored(method))
    assert (error.code, error.status) == (-32601, 404)
    assert (await error_of(client, method)).code == -32601
    assert (await error_of(client, method, {"_meta": {}})).code == -32601


@pytest.mark.spec("basic/versioning#protocol-version-negotiation")
@pytest.mark.parametrize("version", ["1900-01-01", "2025-11-25", "2027-01-01", "", "2026-07-28 "])
@pytest.mark.parametrize("method", ["server/discover", "tools/list", "no/such"])
async def test_an_unsupported_version_is_answered_with_those_supported(
    client: Client, version: str, method: str
) -> None:
    params = {"_meta": meta(protocolVersion=version)}
    headers = headers_of(version.encode(), method.encode())
    for options in ({}, {"headers": headers}):
        error = await error_of(client, method, params, **options)
        assert (error.code, error.status) == (-32022, 400)
        assert error.data == {"supported": [VERSION], "requested": version}


@pytest.mark.spec("basic/versioning#protocol-version-negotiation")
async def test_a_header_alone_can_ask_for_an_unsupported_version(client: Client) -> None:
    headers = headers_of(b"1900-01-01", b"no/such")
    error = await error_of(client, "no/such", {"_meta": {}}, headers=headers)
    assert (error.code, error.data["requested"]) == (-32022, "1900-01-01")


@pytest.mark.spec("basic#meta")
@pytest.mark.parametrize(
    "broken",
    [
        {},
        meta(protocolVersion=None),
        meta(clientCapabilities=None),
        meta(protocolVersion=5),
        meta(clientCapabilities=[]),
        meta(logLevel="loud"),
        meta(clientInfo={}),
        None,
        [],
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("method", ["server/discover", "tools/call", "subscriptions/listen"])
async def test_an_incomplete_meta_is_invalid_params(client: Client, broken: object, method: str) -> None:
    for headers in (None, mirrored(method, "echo")):
        error = await error_of(client, method, {"_meta": broken, "name": "echo"}, headers=headers)
        assert (error.code, error.status) == (-32602, 400)


@pytest.mark.spec("basic/transports/streamable-http#server-validation")
@pytest.mark.parametrize(("method", "named"), NAMED.items())
async def test_headers_that_mirror_the_body_pass(
    client: Client, method: str, named: tuple[str, dict[str, Any]]
) -> None:
    name, params = named
    await client.request(method, params, headers=mirrored(method, name))
    encoded = headers_of(VERSION.encode(), method.encode())
    assert (await error_of(client, method, params, headers=encoded)).code == -32020


@pytest.mark.spec("basic/transports/streamable-http#server-validation")
@pytest.mark.parametrize(
    "headers",
    [
        headers_of(None, b"tools/call", b"echo"),
        headers_of(b"2025-11-25", b"tools/call", b"echo"),
        headers_of(VERSION.encode(), None, b"echo"),
        headers_of(VERSION.encode(), b"tools/list", b"echo"),
        headers_of(VERSION.encode(), b"TOOLS/CALL", b"echo"),
        headers_of(VERSION.encode(), b"tools/call"),
        headers_of(VERSION.encode(), b"tools/call", b"other"),
        headers_of(VERSION.encode(), b"tools/call", b"Echo"),
        headers_of(VERSION.encode(), b"tools/call", b"\xe9cho"),
        headers_of(VERSION.encode(), b"tools/call", b"=?base64?ZWNobw?="),
    ],
)
async def test_headers_that_do_not_mirror_the_body_are_a_mismatch(client: Client, headers: Headers) -> None:
    error = await error_of(client, "tools/call", NAMED["tools/call"][1], headers=headers)
    assert (error.code, error.status) == (-32020, 400)


@pytest.mark.spec("basic/transports/streamable-http#server-validation")
@pytest.mark.parametrize("method", ["tools/call", "no/such"])
async def test_a_version_that_differs_between_header_and_body_is_a_mismatch(client: Client, method: str) -> None:
    headers = headers_of(b"1900-01-01", method.encode(), b"echo")
    assert (await error_of(client, method, NAMED["tools/call"][1], headers=headers)).code == -32020


@pytest.mark.spec("basic/transports/streamable-http#server-behavior-for-custom-headers")
@pytest.mark.parametrize(
    ("arguments", "headers", "passes"),
    [
        ({"region": "us"}, {"region": b"us"}, True),
        ({"region": "us"}, {"region": b"=?base64?dXM=?="}, True),
        ({}, {}, True),
        ({"region": None}, {}, True),
        ({"region": "us"}, {}, False),
        ({"region": "us"}, {"region": b"eu"}, False),
        ({"region": "us"}, {"region": b"=?base64?dXM?="}, False),
        ({}, {"region": b"us"}, False),
        ({"region": "us"}, {"region": b"us", "other": b"\xff"}, True),
    ],
)
async def test_parameters_are_compared_with_their_headers_over_http_alone(
    arguments: dict[str, Any], headers: dict[str, bytes], *, passes: bool
) -> None:
    async def tool(arguments: dict[str, Any]) -> str:
        return json.dumps(arguments)

    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    plugin = Plugin("demo")
    plugin.add_tool(tool, input_schema={**schema, "properties": {"region": {**schema["properties"]["region"]}}})  # type: ignore[index]  # as written above
    client = Client(plugin)
    params = {"name": "tool", "arguments": arguments}
    over_http = mirrored("tools/call", "tool", **headers)
    if passes:
        assert (await client.reply("tools/call", params, headers=over_http)).status == 200
    else:
        error = await error_of(client, "tools/call", params, headers=over_http)
        assert (error.code, error.status) == (-32020, 400)
    assert (await client.reply("tools/call", params)).status == 200


@pytest.mark.spec("basic/patterns/mrtr#error-handling")
@pytest.mark.parametrize("request_id", [1, "a", "", 2**63])
async def test_an_answer_carries_the_id_of_its_request(client: Client, request_id: int | str) -> None:
    for method, params in (("tools/list", {}), ("tools/call", {"name": "nope"}), ("no/such", {})):
        assert json.loads((await client.reply(method, params, id=request_id)).body)["id"] == request_id


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(["name", "uri", "arguments", "cursor", "ref", "argument", "requestState", "inputResponses"])


@pytest.mark.spec("basic#error-codes")
@settings(max_examples=40)
@given(
    st.sampled_from(sorted(METHODS)) | st.text(max_size=5),
    st.dictionaries(FIELDS, JSON_VALUES, max_size=4),
    JSON_VALUES,
)
async def test_any_request_gets_a_reply(method: str, params: dict[str, Any], own_meta: object) -> None:
    client = Client(make_plugin())
    for changes in ({}, {"_meta": own_meta}):
        answer = await client.dispatch(client.call(method, {**params, **changes}))
        assert isinstance(answer, Reply)
        message = json.loads(answer.body)
        assert ("result" in message) != ("error" in message)
        assert answer.status in (200, 400, 404)


# What cannot be served


@pytest.mark.parametrize("arguments", [None, [], "x", 5, True])
async def test_arguments_that_are_no_object_are_invalid(client: Client, arguments: object) -> None:
    error = await error_of(client, "tools/call", {"name": "echo", "arguments": arguments})
    assert (error.code, error.status) == (-32602, 400)
    assert "params.arguments must be an object" in error.message


async def test_arguments_that_do_not_fit_are_an_error_the_model_can_read(client: Client) -> None:
    found = await client.tool("echo", value=5, more=1)
    assert found["isError"] is True
    assert text_of(found).startswith("Invalid arguments: `value`: ")
    assert "`more`" in text_of(found)


async def any_arguments(arguments: dict[str, Any]) -> str:
    return str(len(arguments))


@pytest.mark.parametrize("over_http", [True, False])
async def test_a_number_that_cannot_be_read_is_the_clients_error(*, over_http: bool) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "number": {"type": "integer"}},
    }
    plugin = Plugin("demo")
    plugin.add_tool(any_arguments, input_schema=schema, name="tool")
    client = Client(plugin)
    params = {"name": "tool", "arguments": {"region": "us", "number": 123_456_789}}
    headers = mirrored("tools/call", "tool", region=b"us") if over_http else None
    call = client.call("tools/call", params, headers=headers)
    raw = bytes(call.request.params).replace(b"123456789", b"9" * 5000)
    call.request = read_request(call.request.id, "tools/call", Raw(raw))
    answer = await client.dispatch(call)
    assert isinstance(answer, Reply)
    message = json.loads(answer.body)
    assert "incident" not in json.dumps(message)
    assert message.get("error", {}).get("code") == -32602 or message["result"]["isError"] is True


@pytest.mark.spec("server/resources#error-handling")
@pytest.mark.parametrize("uri", ["note://two", "note://numbered/99", "note://numbered/x", "", "file:///etc/passwd"])
async def test_a_resource_that_is_not_there_is_invalid_params_with_its_uri(client: Client, uri: str) -> None:
    error = await error_of(client, "resources/read", {"uri": uri})
    assert (error.code, error.status, error.data) == (-32602, 400, {"uri": uri})


@pytest.mark.spec("server/prompts#error-handling")
@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"name": "nope"}, "Unknown prompt: nope"),
        ({"name": "review"}, "`code`"),
        ({"name": "review", "arguments": {}}, "`code`"),
        ({"name": "review", "arguments": {"code": "x", "other": "y"}}, "`other`"),
        ({}, "name"),
    ],
)
async def test_a_prompt_that_cannot_be_filled_in_is_invalid_params(
    client: Client, params: dict[str, Any], named: str
) -> None:
    error = await error_of(client, "prompts/get", params)
    assert (error.code, error.status) == (-32602, 400)
    assert named in error.message


@pytest.mark.spec("server/tools#error-handling")
async def test_an_unknown_tool_is_invalid_params(client: Client) -> None:
    error = await error_of(client, "tools/call", {"name": "nope"})
    assert (error.code, error.status, error.message) == (-32602, 400, "Unknown tool: nope")


@pytest.mark.spec("server/utilities/completion#error-handling")
@pytest.mark.parametrize(
    "params",
    [
        completion("nope"),
        completion("review", argument="nope"),
        completion("note://{none}", kind="ref/resource"),
        completion("note://numbered/{number}", argument="nope", kind="ref/resource"),
        {"ref": {"type": "ref/tool", "name": "echo"}, "argument": {"name": "value", "value": ""}},
        {"ref": {"type": "ref/prompt", "name": "review"}},
    ],
)
async def test_a_completion_of_nothing_is_invalid_params(client: Client, params: dict[str, Any]) -> None:
    assert (await error_of(client, "completion/complete", params)).code == -32602


@pytest.mark.spec("server/utilities/completion#error-handling")
async def test_a_server_without_completions_does_not_know_the_method() -> None:
    error = await error_of(Client(Plugin("empty")), "completion/complete", completion("review"))
    assert (error.code, error.status) == (-32601, 404)


# Load


@pytest.mark.parametrize("limit", [1, 3])
async def test_the_number_of_calls_at_work_is_bounded_at_its_exact_edge(limit: int) -> None:
    client = serving(slow, limits=Limits(max_concurrent_requests=limit))
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for _ in range(limit):
                nursery.start_soon(client.tool, "tool")
            await trio.testing.wait_all_tasks_blocked()
            assert client.runtime.dispatcher.at_work == limit
            for method in ("tools/list", "server/discover", "subscriptions/listen"):
                error = await error_of(client, method, {"notifications": {}})
                assert (error.code, error.status, error.reply.retry_after_s) == (-32603, 503, 1)
            assert (await error_of(client, "no/such")).code == -32601
            nursery.cancel_scope.cancel()
    assert await client.request("tools/list")


async def test_calls_of_any_outcome_make_room() -> None:
    client = serving(fails, limits=Limits(max_concurrent_requests=1))
    for _ in range(3):
        assert (await client.tool("tool"))["isError"] is True
        await error_of(client, "resources/read", {"uri": "a://b"})
    assert client.runtime.dispatcher.at_work == 0


async def test_a_stream_counts_only_while_it_is_opened(client: Client) -> None:
    client.runtime.subscriptions.start()
    answer = await client.dispatch(client.call("subscriptions/listen", {"notifications": {}}))
    assert isinstance(answer, Stream)
    assert client.runtime.dispatcher.at_work == 0
    answer.subscription.leave()


async def test_a_server_that_stops_opens_no_stream(client: Client) -> None:
    client.runtime.subscriptions.close()
    error = await error_of(client, "subscriptions/listen", {"notifications": {}})
    assert (error.status, error.reply.retry_after_s) == (503, 1)


@pytest.mark.spec("server/tools#security-considerations")
async def test_a_client_past_its_rate_is_told_when_to_come_back(client: Client) -> None:
    limited = Client(make_plugin(), limits=Limits(tool_calls_per_minute=2))
    params = NAMED["tools/call"][1]
    for who in ({"principal": "alice"}, {"peer": "10.0.0.1"}, {"principal": "alice", "peer": "10.0.0.2"}):
        results = [await limited.request("tools/call", params, **who) for _ in range(3)]
        spent = len(who) == 2
        assert [result.get("isError", False) for result in results] == [spent, spent, True]
    assert re.fullmatch(r"Too many tool calls; try again in \d+ s", text_of(results[2]))
    for who in ({}, {"peer": "127.0.0.1"}):  # These may stand for many.
        for _ in range(3):
            assert "isError" not in await limited.request("tools/call", params, **who)
    for _ in range(3):  # What is no call at all is told so, and is not counted.
        error = await error_of(limited, "tools/call", {**params, "arguments": []}, principal="bob")
        assert (error.code, error.message) == (-32602, "Invalid params: params.arguments must be an object")
    assert "isError" not in await limited.request("tools/call", params, principal="bob")
    assert (await limited.request("tools/list", peer="10.0.0.1"))["tools"]
