"""Every request gets one answer, whatever its handler does; or none, where nobody waits for it any more."""

import json
import logging
import re
import sys
from collections.abc import Callable, Generator
from io import StringIO
from typing import Any, Literal

import anyio
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, structs

from mcp_runtime import Context, PeerError, Plugin, SyncContext, TextContent, ToolError, ToolResult
from mcp_runtime.cache import CachePolicies, CachePolicy
from mcp_runtime.call import Call, Reply, Stream
from mcp_runtime.config import Limits, LoggingConfig, ServerConfig
from mcp_runtime.logging import configure_logging
from mcp_runtime.methods import METHODS
from mcp_runtime.protocol.headers import Headers
from mcp_runtime.protocol.messages import PARAMS

from .client import PREFIX, VERSION, Client, RpcError, meta, mirrored, text_of
from .client import headers as headers_of

SERVER_INFO = PREFIX + "serverInfo"
SECRET = "a detail that only the log may tell"
INCIDENT = re.compile(r"Internal error \(incident ([0-9a-f]{8}); the server's log has the details\)")
FORM: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
ELICITS: dict[str, Any] = {"clientCapabilities": {"elicitation": {}}}
NAMED: dict[str, tuple[str, dict[str, Any]]] = {
    "tools/call": ("echo", {"name": "echo", "arguments": {"value": "x"}}),
    "resources/read": ("note://one", {"uri": "note://one"}),
    "prompts/get": ("review", {"name": "review", "arguments": {"code": "x"}}),
}


def make_plugin() -> "Plugin[None]":
    plugin = Plugin("demo")

    @plugin.tool
    async def echo(value: str) -> str:
        return value

    @plugin.tool
    def echo_in_a_thread(value: str, ctx: SyncContext) -> str:
        return f"{value} {ctx.request_id}"

    @plugin.resource("note://one")
    async def note() -> str:
        return "one"

    @plugin.resource("note://numbered/{number}")
    async def numbered(number: int) -> str | None:
        return str(number) if number < 10 else None

    @plugin.prompt
    async def review(code: str, lang: str = "python") -> str:
        """Review code."""
        return f"{lang}: {code}"

    @plugin.completion(prompt="review", argument="lang")
    async def lang(value: str) -> list[str]:
        return [name for name in ("python", "pyrex", "rust") if name.startswith(value)]

    return plugin


@pytest.fixture
def client() -> Client:
    return Client(make_plugin())


@pytest.fixture
def log() -> Generator[Callable[[], list[dict[str, Any]]]]:
    """What the operator's log says so far, an object an event."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = StringIO()
    configure_logging(LoggingConfig(format="json"), stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    configure_logging(LoggingConfig())
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def serving(fn: Callable[..., Any], **sections: Any) -> Client:
    """A client of a server with this one tool."""
    plugin = Plugin("demo")
    plugin.add_tool(fn, name="tool")
    return Client(plugin, **sections)


async def error_of(client: Client, method: str, params: dict[str, Any] | None = None, **options: Any) -> RpcError:
    with pytest.raises(RpcError) as refused:
        await client.request(method, params, **options)
    return refused.value


# What is served


@pytest.mark.spec("server/discover#response")
async def test_discover_says_what_the_server_is_and_can_do(client: Client) -> None:
    found = await client.request("server/discover", id="discover-1")
    server_info = found.pop("_meta")[SERVER_INFO]
    assert server_info["name"] == "mcp-runtime"
    assert server_info["version"]
    assert found == {
        "resultType": "complete",
        "supportedVersions": [VERSION],
        "capabilities": {
            "logging": {},
            "tools": {"listChanged": True},
            "resources": {"listChanged": True, "subscribe": True},
            "prompts": {"listChanged": True},
            "completions": {},
        },
        "ttlMs": 3_600_000,
        "cacheScope": "public",
    }


@pytest.mark.spec("server/utilities/completion#capabilities")
async def test_completions_are_declared_once_there_are_some(client: Client) -> None:
    plugin = Plugin("empty")
    empty = Client(plugin)
    assert "completions" not in (await empty.request("server/discover"))["capabilities"]
    plugin.completion(prompt="p", argument="a")(slow)
    assert (await empty.request("server/discover"))["capabilities"]["completions"] == {}


@pytest.mark.spec("server/utilities/caching#cacheable-results")
@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("server/discover", {}, "discover"),
        ("tools/list", {}, "tools"),
        ("resources/list", {}, "resources"),
        ("resources/templates/list", {}, "resource_templates"),
        ("prompts/list", {}, "prompts"),
        ("resources/read", {"uri": "note://one"}, "resource_contents"),
        ("resources/read", {"uri": "note://numbered/1"}, "resource_contents"),
    ],
)
async def test_every_cacheable_result_says_how_long_and_for_whom(
    method: str, params: dict[str, Any], field: str
) -> None:
    cache = CachePolicies(**{field: CachePolicy(ttl_ms=12_345, scope="private")})
    found = await Client(make_plugin(), cache=cache).request(method, params)
    assert (found["ttlMs"], found["cacheScope"]) == (12_345, "private")


@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "completion/complete"])
async def test_other_results_carry_no_caching_hints(client: Client, method: str) -> None:
    completion = {"ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "lang", "value": "py"}}
    found = await client.request(method, NAMED[method][1] if method in NAMED else completion)
    assert not {"ttlMs", "cacheScope"} & set(found)


async def test_tools_run_in_the_task_or_in_a_thread(client: Client) -> None:
    assert text_of(await client.tool("echo", value="x")) == "x"
    called = await client.request("tools/call", {"name": "echo_in_a_thread", "arguments": {"value": "x"}}, id="id-7")
    assert text_of(called) == "x id-7"


async def test_a_tool_call_may_leave_out_its_arguments() -> None:
    async def tool(value: str = "default") -> str:
        return value

    assert text_of(await serving(tool).request("tools/call", {"name": "tool"})) == "default"


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
    call.request = structs.replace(call.request, source=Raw(raw))
    answer = await client.dispatch(call)
    assert isinstance(answer, Reply)
    message = json.loads(answer.body)
    assert "incident" not in json.dumps(message)
    assert message.get("error", {}).get("code") == -32602 or message["result"]["isError"] is True


@pytest.mark.spec("server/resources#reading-resources")
@pytest.mark.parametrize(("uri", "text"), [("note://one", "one"), ("note://numbered/7", "7")])
async def test_a_resource_is_read_by_its_uri_or_template(client: Client, uri: str, text: str) -> None:
    found = await client.request("resources/read", {"uri": uri})
    assert found["contents"] == [{"uri": uri, "text": text, "mimeType": "text/plain"}]


@pytest.mark.spec("server/resources#error-handling")
@pytest.mark.parametrize("uri", ["note://two", "note://numbered/99", "note://numbered/x", "", "file:///etc/passwd"])
async def test_a_resource_that_is_not_there_is_invalid_params_with_its_uri(client: Client, uri: str) -> None:
    error = await error_of(client, "resources/read", {"uri": uri})
    assert (error.code, error.status, error.data) == (-32602, 400, {"uri": uri})


@pytest.mark.spec("server/prompts#getting-a-prompt")
async def test_a_prompt_is_filled_in(client: Client) -> None:
    found = await client.request("prompts/get", {"name": "review", "arguments": {"code": "x", "lang": "rust"}})
    assert found["description"] == "Review code."
    assert found["messages"] == [{"role": "user", "content": {"type": "text", "text": "rust: x"}}]


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


def completion(name: str, value: str = "", argument: str = "lang", kind: str = "ref/prompt") -> dict[str, Any]:
    key = "name" if kind == "ref/prompt" else "uri"
    return {"ref": {"type": kind, key: name}, "argument": {"name": argument, "value": value}}


@pytest.mark.spec("server/utilities/completion#requesting-completions")
async def test_an_argument_is_completed(client: Client) -> None:
    found = await client.request("completion/complete", completion("review", "py"))
    assert found["completion"] == {"values": ["python", "pyrex"], "hasMore": False}


async def test_an_argument_without_suggestions_has_none(client: Client) -> None:
    found = await client.request("completion/complete", completion("review", argument="code"))
    assert found["completion"] == {"values": [], "total": 0, "hasMore": False}


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


@pytest.mark.spec("server/utilities/pagination#operations-supporting-pagination")
@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("tools/list", "tools"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
        ("prompts/list", "prompts"),
    ],
)
async def test_every_list_comes_in_pages(method: str, field: str) -> None:
    plugin = Plugin("many")

    async def item(value: str = "") -> str:
        return value

    for number in range(5):
        plugin.add_tool(item, name=f"t{number}")
        plugin.add_prompt(item, name=f"p{number}")
        plugin.add_resource(f"r://{number}", item)
        plugin.add_resource(f"r{number}://{{value}}", item)
    client = Client(plugin, limits=Limits(page_size=2))
    sizes, cursor = [], None
    while True:
        page = await client.request(method, {} if cursor is None else {"cursor": cursor})
        assert page["_meta"][SERVER_INFO]
        sizes.append(len(page[field]))
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    assert sizes == [2, 2, 1]
    assert (await error_of(client, method, {"cursor": "nope"})).code == -32602


@pytest.mark.spec("basic/patterns/subscriptions#graceful-closure")
@pytest.mark.parametrize("request_id", [1, "listen-1"])
async def test_listen_opens_a_stream_whose_end_answers_the_request(client: Client, request_id: int | str) -> None:
    client.runtime.subscriptions.start()
    call = client.call("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, id=request_id)
    answer = await client.dispatch(call)
    assert isinstance(answer, Stream)
    final = json.loads(answer.final)
    assert (final["id"], final["result"]["resultType"]) == (request_id, "complete")
    assert final["result"]["_meta"][PREFIX + "subscriptionId"] == request_id
    assert SERVER_INFO in final["result"]["_meta"]
    client.runtime.subscriptions.close()
    assert len([message async for message in answer.subscription.notifications()]) == 1


# Who answers


@pytest.mark.spec("basic#meta")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("server/discover", {}),
        ("tools/list", {}),
        ("resources/list", {}),
        ("resources/templates/list", {}),
        ("prompts/list", {}),
        *((method, params) for method, (_, params) in NAMED.items()),
        ("completion/complete", completion("review")),
    ],
)
async def test_every_result_says_who_sent_it_unless_told_not_to(method: str, params: dict[str, Any]) -> None:
    server = ServerConfig(name="n", version="v", title="t", description="d", website_url="https://w")
    found = await Client(make_plugin(), server=server).request(method, params)
    assert found["_meta"] == {
        SERVER_INFO: {"name": "n", "version": "v", "title": "t", "description": "d", "websiteUrl": "https://w"}
    }
    silent = ServerConfig(expose_server_info=False)
    assert "_meta" not in await Client(make_plugin(), server=silent).request(method, params)


async def test_a_results_own_meta_is_kept_beside_the_servers() -> None:
    async def tool() -> ToolResult:
        return ToolResult(meta={"com.example/a": 1, SERVER_INFO: "forged"})

    found = (await serving(tool, server=ServerConfig(name="n", version="v")).tool("tool"))["_meta"]
    assert found == {"com.example/a": 1, SERVER_INFO: {"name": "n", "version": "v"}}
    silent = await serving(tool, server=ServerConfig(expose_server_info=False)).tool("tool")
    assert silent["_meta"]["com.example/a"] == 1


async def fails() -> None:
    raise ValueError(SECRET)


async def no_json() -> ToolResult:
    return ToolResult(structured_content=object())


async def declines() -> None:
    raise ToolError("no")


@pytest.mark.spec("basic#meta")
@pytest.mark.parametrize("tool", [fails, no_json, declines], ids=lambda tool: tool.__name__)
async def test_a_result_that_is_an_error_says_who_sent_it_too(tool: Callable[..., Any]) -> None:
    found = await serving(tool).tool("tool")
    assert found["isError"] is True
    assert SERVER_INFO in found["_meta"]


# Admission


def test_the_method_table_has_a_row_for_every_request() -> None:
    assert METHODS.keys() == PARAMS.keys()
    assert all(method.params is PARAMS[name] for name, method in METHODS.items())
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


# What a handler fails at


def in_a_group(*errors: BaseException) -> Callable[..., Any]:
    async def tool() -> None:
        async def fail(error: BaseException) -> None:
            raise error

        async with trio.open_nursery() as nursery:
            for error in errors:
                nursery.start_soon(fail, error)

    return tool


def raising(error: BaseException) -> Callable[..., Any]:
    async def tool() -> None:
        raise error

    return tool


@pytest.mark.spec("server/tools#error-handling")
@pytest.mark.parametrize("wrap", [raising, in_a_group])
async def test_a_tool_error_is_a_result_that_the_model_can_read(wrap: Callable[..., Any]) -> None:
    found = await serving(wrap(ToolError("Try a city in Italy."))).tool("tool")
    assert (found["isError"], found["content"]) == (True, [{"type": "text", "text": "Try a city in Italy."}])
    assert found["resultType"] == "complete"


@pytest.mark.parametrize("wrap", [raising, in_a_group])
async def test_a_peer_error_is_the_error_it_says(wrap: Callable[..., Any]) -> None:
    error = PeerError(42, "Not today", {"until": "tomorrow"}, retry_after_s=7)
    refused = await error_of(serving(wrap(error)), "tools/call", {"name": "tool"})
    assert (refused.code, refused.message, refused.data) == (42, "Not today", {"until": "tomorrow"})
    assert (refused.status, refused.reply.retry_after_s) == (200, 7)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        KeyError(SECRET),
        RecursionError(SECRET),
        MemoryError(SECRET),
        StopIteration(SECRET),
        StopAsyncIteration(SECRET),
        TimeoutError(SECRET),
        AssertionError(SECRET),
        SystemExit(SECRET),
        ExceptionGroup("two", [ValueError(SECRET), ToolError(SECRET)]),
        ExceptionGroup("nested", [ExceptionGroup("inner", [ValueError(SECRET)]), KeyError(SECRET)]),
    ],
    ids=repr,
)
async def test_any_other_error_is_an_incident_that_only_the_log_explains(
    error: BaseException, log: Callable[[], list[dict[str, Any]]]
) -> None:
    found = await serving(raising(error)).tool("tool")
    assert found["isError"] is True
    told = INCIDENT.fullmatch(text_of(found))
    assert told is not None
    assert SECRET not in json.dumps(found)
    assert "Traceback" not in json.dumps(found)
    (event,) = log()
    assert (event["event"], event["level"], event["incident"]) == ("handler_failed", "error", told.group(1))
    assert (event["method"], event["request_id"]) == ("tools/call", 1)
    assert SECRET in event["exception"]
    # Where it was raised, of a group too.
    assert "Traceback" in event["exception"]
    assert "raise error" in event["exception"]


class Broken(dict[bytes, bytes]):
    """Headers that stand for whatever of our own may fall over."""

    def get(self, *asked: Any) -> Any:
        raise LookupError(f"no {asked}")


async def test_what_falls_over_outside_of_a_handler_is_an_incident_of_that_call_alone(
    client: Client, log: Callable[[], list[dict[str, Any]]]
) -> None:
    answer = await client.dispatch(client.call("tools/list", headers=Broken()))
    assert isinstance(answer, Reply)
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], answer.outcome) == (200, -32603, "error")
    told = INCIDENT.fullmatch(error["message"])
    assert told is not None
    (event,) = log()
    assert (event["event"], event["incident"]) == ("handler_failed", told.group(1))
    assert "LookupError" in event["exception"]
    assert "tools" in await client.request("tools/list")


async def test_each_incident_has_a_name_of_its_own() -> None:
    client = serving(fails)
    assert len({text_of(await client.tool("tool")) for _ in range(20)}) == 20


async def test_an_error_in_a_thread_is_an_incident_too() -> None:
    def tool() -> None:
        raise ValueError(SECRET)

    assert INCIDENT.fullmatch(text_of(await serving(tool).tool("tool")))


async def test_a_thread_that_exits_ends_its_call_and_not_the_server() -> None:
    def tool() -> None:
        sys.exit(3)

    assert INCIDENT.fullmatch(text_of(await serving(tool).tool("tool")))


def circular() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    "result",
    [
        ToolResult(structured_content=object()),
        ToolResult(structured_content=circular()),
        ToolResult(content=["\ud800"]),
        ToolResult(meta={"a": object()}),
        ToolResult(content=[object()]),  # type: ignore[list-item]  # the error is the point
        "\ud800",
        object(),
        circular(),
    ],
    ids=["object", "circular", "surrogate", "meta", "content", "text", "plain", "plain circular"],
)
async def test_a_result_that_is_no_json_is_an_incident(result: Any) -> None:
    async def tool() -> Any:
        return result

    found = await serving(tool).tool("tool")
    assert found["isError"] is True
    assert INCIDENT.fullmatch(text_of(found))


@pytest.mark.parametrize(
    "error",
    [
        PeerError(42, "no", {"data": object()}),
        PeerError(42, "no", circular()),
        PeerError(42, "\ud800"),
        PeerError(42, "no", "\ud800"),
        PeerError(42, 5),  # type: ignore[arg-type]  # the error is the point
    ],
    ids=["object", "circular", "message", "data", "no text"],
)
async def test_an_error_that_is_no_json_is_answered_all_the_same(error: PeerError) -> None:
    reply = await serving(raising(error)).reply("tools/call", {"name": "tool"})
    message = json.loads(reply.body)
    assert message["id"] == 1
    assert "error" in message or message["result"]["isError"]


async def test_a_tool_error_that_is_no_text_is_answered_all_the_same() -> None:
    found = await serving(raising(ToolError("\ud800"))).tool("tool")
    assert found["isError"] is True


def serving_elsewhere(kind: str, fn: Callable[..., Any]) -> tuple[Client, str, dict[str, Any]]:
    """A server with `fn` as a resource, prompt or completion, and the request that runs it."""
    plugin = Plugin("demo")
    if kind == "resource":
        plugin.add_resource("a://b", fn)
        return Client(plugin), "resources/read", {"uri": "a://b"}
    if kind == "prompt":
        plugin.add_prompt(fn, name="it")
        return Client(plugin), "prompts/get", {"name": "it"}

    async def prompt(value: str) -> str:
        return value

    async def complete(value: str, ctx: Context) -> Any:
        return await (fn(ctx) if "ctx" in fn.__annotations__ else fn())

    plugin.add_prompt(prompt)
    plugin.completion(prompt="prompt", argument="value")(complete)
    return Client(plugin), "completion/complete", completion("prompt", argument="value")


KINDS = pytest.mark.parametrize("kind", ["resource", "prompt", "completion"])


@KINDS
async def test_elsewhere_a_tool_error_is_an_internal_error_with_its_text(kind: str) -> None:
    error = await error_of(*serving_elsewhere(kind, raising(ToolError("Try again."))))
    assert (error.code, error.status, error.message) == (-32603, 200, "Try again.")


@pytest.mark.spec("server/resources#error-handling")
@KINDS
async def test_elsewhere_any_other_error_is_an_internal_error_and_an_incident(kind: str) -> None:
    error = await error_of(*serving_elsewhere(kind, raising(ValueError(SECRET))))
    assert (error.code, error.status) == (-32603, 200)
    assert INCIDENT.fullmatch(error.message)
    assert SECRET not in error.reply.body.decode()


@KINDS
async def test_elsewhere_a_peer_error_is_the_error_it_says(kind: str) -> None:
    error = await error_of(*serving_elsewhere(kind, raising(PeerError(-32602, "No such thing", {"a": 1}))))
    assert (error.code, error.status, error.data) == (-32602, 400, {"a": 1})


@KINDS
async def test_elsewhere_a_result_that_is_no_json_is_an_internal_error(kind: str) -> None:
    async def handler() -> Any:
        return ["\ud800"] if kind == "completion" else "\ud800"

    error = await error_of(*serving_elsewhere(kind, handler))
    assert (error.code, error.status) == (-32603, 200)


@pytest.mark.parametrize("value", [None, 5, {"a": 1}])
async def test_a_prompt_of_no_messages_is_an_internal_error(value: object) -> None:
    async def prompt() -> Any:
        return value

    assert (await error_of(*serving_elsewhere("prompt", prompt))).code == -32603


# Time


async def slow(seconds: float = 3600) -> str:
    await anyio.sleep(seconds)
    return "done"


@pytest.mark.parametrize(("seconds", "text"), [(4.9, "done"), (5.1, "Timed out after 5 s")])
async def test_a_tool_that_takes_too_long_is_timed_out(
    autojump_clock: trio.testing.MockClock, seconds: float, text: str
) -> None:
    client = serving(slow, limits=Limits(handler_timeout_s=5))
    began = trio.current_time()
    found = await client.tool("tool", seconds=seconds)
    assert text_of(found) == text
    assert found.get("isError", False) == (text != "done")
    assert trio.current_time() - began == pytest.approx(min(seconds, 5))


async def test_a_tool_may_have_a_time_of_its_own(autojump_clock: trio.testing.MockClock) -> None:
    plugin = Plugin("demo")
    plugin.add_tool(slow, timeout_s=0.25)
    client = Client(plugin, limits=Limits(handler_timeout_s=5))
    assert text_of(await client.tool("slow")) == "Timed out after 0.25 s"


@pytest.mark.parametrize(
    ("blocked_s", "text"), [(4.9, "done"), (5, "Timed out after 5 s"), (5.1, "Timed out after 5 s")]
)
async def test_a_handler_that_blocks_past_its_limit_is_timed_out_although_it_returns(
    mock_clock: trio.testing.MockClock, blocked_s: float, text: str
) -> None:
    async def tool() -> str:
        mock_clock.jump(blocked_s)  # No checkpoint: nothing could have stopped it.
        return "done"

    client = serving(tool, limits=Limits(handler_timeout_s=5))
    found = await client.tool("tool")
    assert (text_of(found), found.get("isError", False)) == (text, text != "done")
    assert client.runtime.dispatcher.at_work == 0


@KINDS
async def test_elsewhere_too_it_is_an_internal_error_to_block_past_the_limit(
    mock_clock: trio.testing.MockClock, kind: str
) -> None:
    async def handler() -> list[str] | str:
        mock_clock.jump(301)
        return ["done"] if kind == "completion" else "done"

    error = await error_of(*serving_elsewhere(kind, handler))
    assert (error.code, error.message) == (-32603, "Timed out after 300 s")


@KINDS
async def test_elsewhere_too_long_is_an_internal_error(autojump_clock: trio.testing.MockClock, kind: str) -> None:
    began = trio.current_time()
    error = await error_of(*serving_elsewhere(kind, slow_alone))
    assert (error.code, error.message) == (-32603, "Timed out after 300 s")
    assert trio.current_time() - began == pytest.approx(300)


async def slow_alone() -> None:
    await anyio.sleep_forever()


async def test_a_deadline_of_the_tools_own_is_no_timeout_of_the_call(autojump_clock: trio.testing.MockClock) -> None:
    async def tool() -> str:
        with anyio.move_on_after(1):
            await anyio.sleep_forever()
        return "moved on"

    assert text_of(await serving(tool).tool("tool")) == "moved on"


async def fails_while_it_stops() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        raise ValueError(SECRET)


async def exits_while_it_stops() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        sys.exit(3)


async def fails_in_a_nursery_while_it_stops() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(anyio.sleep_forever)
        nursery.start_soon(fails_while_it_stops)


async def fails_in_nested_nurseries_while_it_stops() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fails_in_a_nursery_while_it_stops)
        nursery.start_soon(anyio.sleep_forever)


async def stops_slowly() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(3)


STOPPING = pytest.mark.parametrize(
    "tool",
    [
        fails_while_it_stops,
        exits_while_it_stops,
        fails_in_a_nursery_while_it_stops,
        fails_in_nested_nurseries_while_it_stops,
        stops_slowly,
    ],
    ids=lambda tool: tool.__name__,
)


@STOPPING
async def test_a_tool_that_fails_while_it_is_timed_out_is_answered(
    autojump_clock: trio.testing.MockClock, tool: Callable[..., Any]
) -> None:
    client = serving(tool, limits=Limits(handler_timeout_s=5))
    found = await client.tool("tool")
    assert found["isError"] is True
    assert SECRET not in json.dumps(found)
    assert client.runtime.dispatcher.at_work == 0


# Giving up


async def abandon(client: Client, call: Call) -> object:
    """What becomes of `call` when its client gives up on it while it waits."""
    answers: list[object] = []

    async def serve() -> None:
        answers.append(await client.dispatch(call))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            await trio.testing.wait_all_tasks_blocked()
            call.abandon()
    return answers[0]


@pytest.mark.spec("basic/patterns/cancellation#behavior-requirements")
async def test_an_abandoned_call_is_stopped_and_not_answered() -> None:
    stopped: list[bool] = []

    async def tool() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append(True)

    client = serving(tool)
    assert await abandon(client, client.call("tools/call", {"name": "tool"})) is None
    assert stopped == [True]
    assert client.runtime.dispatcher.at_work == 0


@pytest.mark.spec("basic/patterns/cancellation#behavior-requirements")
@STOPPING
async def test_an_abandoned_call_is_not_answered_even_where_it_fails_as_it_stops(
    autojump_clock: trio.testing.MockClock, tool: Callable[..., Any]
) -> None:
    client = serving(tool)
    assert await abandon(client, client.call("tools/call", {"name": "tool"})) is None


@pytest.mark.spec("basic/patterns/cancellation#behavior-requirements")
@KINDS
@pytest.mark.parametrize("stop", [fails_while_it_stops, exits_while_it_stops], ids=lambda stop: stop.__name__)
async def test_elsewhere_an_abandoned_call_is_not_answered_either(kind: str, stop: Callable[..., Any]) -> None:
    client, method, params = serving_elsewhere(kind, stop)
    assert await abandon(client, client.call(method, params)) is None


@pytest.mark.parametrize("error", [ToolError("no"), PeerError(42, "no"), None], ids=repr)
async def test_a_call_that_cannot_be_stopped_is_not_answered_once_it_is_abandoned(error: Exception | None) -> None:
    async def tool() -> str:
        with anyio.CancelScope(shield=True):
            await trio.testing.wait_all_tasks_blocked()
            if error is not None:
                raise error
        return "done"

    client = serving(tool)
    call = client.call("tools/call", {"name": "tool"})
    call.abandon()
    with trio.fail_after(20):
        assert await client.dispatch(call) is None


@pytest.mark.spec("basic/patterns/cancellation#behavior-requirements")
async def test_an_abandoned_call_sends_no_notifications() -> None:
    async def tool(ctx: Context) -> None:
        await ctx.progress(1)
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await ctx.progress(2)
                await ctx.message("error", "stopped")

    client = serving(tool)
    params = {"name": "tool", "_meta": meta(logLevel="debug") | {"progressToken": "t"}}
    assert await abandon(client, client.call("tools/call", params)) is None
    assert [message["params"]["progress"] for message in client.notifications] == [1]


async def test_cancellation_from_outside_passes_through() -> None:
    client = serving(slow)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.tool, "tool")
            await trio.testing.wait_all_tasks_blocked()
            assert client.runtime.dispatcher.at_work == 1
            scope.cancel()
    assert scope.cancelled_caught
    assert client.runtime.dispatcher.at_work == 0


async def test_an_interrupt_passes_through() -> None:
    client = serving(raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        await client.tool("tool")
    assert client.runtime.dispatcher.at_work == 0


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
    for who in ({"principal": "alice"}, {"peer": "10.0.0.1"}, {}, {"principal": "alice", "peer": "10.0.0.2"}):
        results = [await limited.request("tools/call", params, **who) for _ in range(3)]
        spent = len(who) == 2
        assert [result.get("isError", False) for result in results] == [spent, spent, True]
    assert re.fullmatch(r"Too many tool calls; try again in \d+ s", text_of(results[2]))
    for _ in range(3):  # What is no call at all is told so, and is not counted.
        error = await error_of(limited, "tools/call", {**params, "arguments": []}, principal="bob")
        assert (error.code, error.message) == (-32602, "Invalid params: params.arguments must be an object")
    assert "isError" not in await limited.request("tools/call", params, principal="bob")
    assert (await limited.request("tools/list", peer="10.0.0.1"))["tools"]


# Asking


async def ask(ctx: Context) -> str:
    return f"Hello, {(await ctx.elicit('Name?', FORM, key='name')).data['name']}!"


def params_of_ask(**more: Any) -> dict[str, Any]:
    return {"name": "tool", "arguments": {}, "_meta": meta(**ELICITS), **more}


@pytest.mark.spec("basic/patterns/mrtr#basic-workflow")
async def test_a_question_ends_the_call_and_its_answer_finishes_it() -> None:
    client = serving(ask)
    asked = await client.request("tools/call", params_of_ask())
    assert asked["resultType"] == "input_required"
    assert asked["_meta"][SERVER_INFO]
    assert asked["inputRequests"]["name"]["params"]["requestedSchema"] == FORM
    answers = {"name": {"action": "accept", "content": {"name": "Ada"}}}
    retry = params_of_ask(requestState=asked["requestState"], inputResponses=answers)
    done = await client.request("tools/call", retry, id=2)
    assert (done["resultType"], text_of(done)) == ("complete", "Hello, Ada!")


@pytest.mark.spec("basic/patterns/mrtr#supported-requests")
@pytest.mark.parametrize("kind", ["resource", "prompt"])
async def test_resources_and_prompts_may_ask_too(kind: str) -> None:
    client, method, params = serving_elsewhere(kind, ask)
    asked = await client.request(method, {**params, "_meta": meta(**ELICITS)})
    assert asked["resultType"] == "input_required"
    answers = {"name": {"action": "accept", "content": {"name": "Ada"}}}
    retry = {**params, "_meta": meta(**ELICITS), "requestState": asked["requestState"], "inputResponses": answers}
    assert "Hello, Ada!" in json.dumps(await client.request(method, retry))


@pytest.mark.spec("basic/patterns/mrtr#supported-requests")
async def test_a_completion_cannot_ask(log: Callable[[], list[dict[str, Any]]]) -> None:
    client, method, params = serving_elsewhere("completion", ask)
    error = await error_of(client, method, {**params, "_meta": meta(**ELICITS)})
    assert (error.code, error.status) == (-32603, 200)
    assert "cannot ask for input" in log()[0]["exception"]


@pytest.mark.spec("basic#meta")
async def test_a_question_that_the_client_cannot_put_is_a_missing_capability() -> None:
    error = await error_of(serving(ask), "tools/call", {"name": "tool"})
    assert (error.code, error.status) == (-32021, 400)
    assert error.data == {"requiredCapabilities": {"elicitation": {}}}


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow")
@pytest.mark.parametrize("state", ["", "garbage", "v1.", "v1.AAAA"])
async def test_a_state_that_is_not_the_servers_is_invalid_params(state: str) -> None:
    error = await error_of(serving(ask), "tools/call", params_of_ask(requestState=state))
    assert (error.code, error.status) == (-32602, 400)
    assert "requestState" in error.message


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow")
async def test_a_state_is_refused_with_other_arguments_or_for_another_principal() -> None:
    async def tool(ctx: Context, amount: int = 1) -> str:
        return await ask(ctx) + str(amount)

    client = serving(tool)
    asked = await client.request("tools/call", params_of_ask(arguments={"amount": 5}), principal="alice")
    state = asked["requestState"]
    for arguments, principal in (({"amount": 6}, "alice"), ({"amount": 5}, "bob"), ({"amount": 5}, None)):
        params = params_of_ask(arguments=arguments, requestState=state)
        assert (await error_of(client, "tools/call", params, principal=principal)).code == -32602
    again = params_of_ask(arguments={"amount": 5}, requestState=state)
    assert (await client.request("tools/call", again, principal="alice"))["resultType"] == "input_required"


async def test_a_call_that_never_stops_asking_is_stopped() -> None:
    client = serving(ask, limits=Limits(max_input_rounds=2))
    params = params_of_ask()
    for _ in range(2):
        asked = await client.request("tools/call", params)
        params = params_of_ask(requestState=asked["requestState"])
    stopped = await client.request("tools/call", params)
    assert (stopped["isError"], text_of(stopped)) == (True, "This call asked for input 2 times, which is the limit")


async def test_questions_of_a_nursery_are_put_together() -> None:
    async def tool(ctx: Context) -> None:
        async def one(key: str) -> None:
            await ctx.elicit("Name?", FORM, key=key)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, "first")
            nursery.start_soon(one, "second")

    asked = await serving(tool).request("tools/call", params_of_ask())
    assert set(asked["inputRequests"]) == {"first", "second"}


async def test_a_question_in_a_nursery_goes_before_the_failure_beside_it() -> None:
    async def tool(ctx: Context) -> None:
        async def question() -> None:
            await ctx.elicit("Name?", FORM, key="name")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(question)
            nursery.start_soon(fails)

    asked = await serving(tool).request("tools/call", params_of_ask())
    assert list(asked["inputRequests"]) == ["name"]


async def test_a_handler_that_catches_exceptions_lets_its_question_through() -> None:
    async def tool(ctx: Context) -> str:
        try:
            return await ask(ctx)
        except Exception:  # noqa: BLE001  # what authors do
            return "caught"

    assert (await serving(tool).request("tools/call", params_of_ask()))["resultType"] == "input_required"


# The log


async def test_events_say_which_call_they_are_about(log: Callable[[], list[dict[str, Any]]]) -> None:
    async def tool(ctx: Context) -> None:
        ctx.log.info("working", extra=1)

    trace = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
    own_meta = meta(clientInfo={"name": "c", "version": "1"}) | {"traceparent": trace}
    await serving(tool).request("tools/call", {"name": "tool", "_meta": own_meta}, id=9)
    (event,) = log()
    expected = {"event": "working", "extra": 1, "method": "tools/call", "request_id": 9, "client": "c/1"}
    assert expected | {"traceparent": trace} == {key: event.get(key) for key in [*expected, "traceparent"]}
    assert "tracestate" not in event


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_calls_are_served_under_any_loop(backend: Literal["trio", "asyncio"]) -> None:
    async def talk() -> None:
        client = Client(make_plugin())
        async with client.runtime.running():
            assert text_of(await client.tool("echo", value="x")) == "x"
            assert text_of(await client.tool("echo_in_a_thread", value="x")) == "x 1"
            assert text_of(await client.tool("echo")).startswith("Invalid arguments")

    anyio.run(talk, backend=backend)


async def test_content_of_a_tool_reaches_the_client_as_it_is() -> None:
    async def tool() -> list[TextContent]:
        return [TextContent("a"), TextContent("b")]

    found = await serving(tool).tool("tool")
    assert found["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert "structuredContent" not in found


async def test_an_interrupt_from_a_nursery_of_the_authors_ends_the_process_as_any_other_does() -> None:
    async def tool() -> None:
        raise BaseExceptionGroup("stopped", [KeyboardInterrupt()])

    with pytest.raises(KeyboardInterrupt):
        await serving(tool).reply("tools/call", {"name": "tool"})


async def test_a_cancellation_that_comes_back_in_a_group_is_a_cancellation(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def tool() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            raise BaseExceptionGroup("stopped", [cancelled]) from None

    assert text_of(await serving(tool).tool("tool")).startswith("Timed out after")


async def test_and_so_it_is_in_a_scope_of_the_transports_own(autojump_clock: trio.testing.MockClock) -> None:
    async def tool() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            raise BaseExceptionGroup("stopped", [cancelled]) from None

    client = serving(tool, limits=Limits(handler_timeout_s=5))
    call = client.call("tools/call", {"name": "tool"})
    call.in_scope = True
    answer: object = None
    with call.scope:
        answer = await client.dispatch(call)
    assert answer is None
    reply = client.runtime.dispatcher.cut_off(call)
    assert isinstance(reply, Reply)
    assert text_of(json.loads(reply.body)["result"]) == "Timed out after 5 s"
