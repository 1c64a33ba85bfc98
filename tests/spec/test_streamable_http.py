"""Streamable HTTP. Rule: each test shows a demand of 2026-07-28/basic/transports/streamable-http."""

import json
import re
from typing import Any

import anyio
import pytest

from mcp_runtime import Plugin
from mcp_runtime.assembly.compose import build_runtime
from tests.support.http_client import HttpClient, HttpOpened
from tests.support.messages import LOG_LEVEL, PROTOCOL_VERSION, VERSION, Message, notification, request
from tests.support.settings import NO_BRIDGES, settings
from tests.support.wires import HTTP, over

CALL = {"name": "regional", "arguments": {"query": "q"}}


def annotated(schema: dict[str, Any]) -> None:
    """Load a plugin whose tool has this input schema."""
    plugin = Plugin("annotated")

    @plugin.tool(input_schema={"type": "object", **schema})
    async def take(arguments: dict[str, Any]) -> str:
        """Take what fits."""
        return str(arguments)

    build_runtime(settings(), (plugin,))


def header_on(name: str, **schema: Any) -> dict[str, Any]:
    """A string property that travels in the header `name`."""
    return {"properties": {"a": {"type": "string", "x-mcp-header": name, **schema}}}


@pytest.mark.spec("basic/transports/streamable-http#top", "one-endpoint")
@over(*HTTP, config=settings(bridges=NO_BRIDGES))
async def test_there_is_one_path_that_takes_messages(client: HttpClient) -> None:
    assert (await client.ask("server/discover")).status == 200
    for path in ("/", "/mcp/", "/mcp/x", "/sse", "/messages"):
        async with client.exchange(request("server/discover"), path=path) as exchange:
            assert (await exchange.read_all()).status == 404


@pytest.mark.spec("basic/transports/streamable-http#top", "one-endpoint")
@over(*HTTP, config=settings(http={"path": "/elsewhere"}))
async def test_the_operator_chooses_the_path(client: HttpClient) -> None:
    async with client.exchange(request("server/discover"), path="/elsewhere") as exchange:
        assert (await exchange.read_all()).status == 200
    async with client.exchange(request("server/discover"), path="/mcp") as exchange:
        assert (await exchange.read_all()).status == 404


BAD_ORIGINS = [
    "http://evil.example.com",
    "https://127.0.0.1.evil.example.com",
    "http://localhost@evil.example.com",
    "http://evil.example.com#localhost",
    "null",
    "",
    "file://",
    "localhost",
    "chrome-extension://localhost",
    "http://[::1",
    "http://",
    "\xff",
]


@pytest.mark.spec("basic/transports/streamable-http#security-endpoint", "origin", "forbidden")
@pytest.mark.parametrize("origin", BAD_ORIGINS)
@over(*HTTP)
async def test_a_bad_origin_is_forbidden(client: HttpClient, origin: str) -> None:
    reply = await client.tell(request("server/discover"), headers={"origin": origin})
    assert reply.status == 403
    assert "id" not in reply.messages[0]
    assert reply.error["code"] == -32600


@pytest.mark.spec("basic/transports/streamable-http#security-endpoint", "forbidden")
@over(*HTTP)
async def test_a_bad_origin_is_forbidden_whatever_else_is_wrong(client: HttpClient) -> None:
    origin = {"origin": "http://evil.example.com"}
    for headers in (
        {"host": "evil.example.com"},
        {"accept": None},
        {"content-type": "text/plain"},
        {"mcp-method": None},
    ):
        assert (await client.tell(request("server/discover"), headers={**origin, **headers})).status == 403
    assert (await client.raw(b"{", headers=origin)).status == 403
    for method, path in (
        ("GET", "/mcp"),
        ("DELETE", "/mcp"),
        ("OPTIONS", "/mcp"),
        ("POST", "/other"),
        ("HEAD", "/mcp"),
    ):
        assert (await client.get(method, path, headers=origin)).status == 403


@pytest.mark.spec("basic/transports/streamable-http#security-endpoint", "origin")
@pytest.mark.parametrize(
    "origin", ["http://localhost", "http://127.0.0.1:8000", "https://LOCALHOST:3000", "http://[::1]:6274", None]
)
@over(*HTTP)
async def test_pages_of_this_machine_may_call(client: HttpClient, origin: str | None) -> None:
    assert (await client.tell(request("server/discover"), headers={"origin": origin})).status == 200


@pytest.mark.spec("basic/transports/streamable-http#security-endpoint", "origin")
@over(*HTTP, config=settings(http={"allowed_origins": ("https://app.example",), "allowed_hosts": ("mcp.example",)}))
async def test_the_operator_lets_other_pages_in(client: HttpClient) -> None:
    for origin in ("https://app.example", "https://APP.example", "https://mcp.example"):
        assert (await client.tell(request("server/discover"), headers={"origin": origin})).status == 200
    for origin in ("http://app.example", "https://app.example:8443", "https://sub.app.example"):
        assert (await client.tell(request("server/discover"), headers={"origin": origin})).status == 403


@pytest.mark.spec("basic/transports/streamable-http#sending-messages", "notification-accepted")
@over(*HTTP)
async def test_an_accepted_notification_gets_202_and_no_body(client: HttpClient) -> None:
    for message in (notification("notifications/cancelled", {"requestId": 1}), notification("notifications/x")):
        async with client.exchange(message) as exchange:
            response = await exchange.read_all()
        assert (response.status, response.body) == (202, b"")


@pytest.mark.spec("basic/transports/streamable-http#sending-messages", "notification-refused")
@over(*HTTP)
async def test_a_refused_notification_gets_an_http_error(client: HttpClient) -> None:
    legacy = {"mcp-protocol-version": None}
    # A bridge speaks that revision, and misses a session; without one nobody speaks it.
    old = -32022 if client.runtime.bridges is None else -32600
    for headers, status, code in (
        (legacy, 400, -32020),
        ({"mcp-protocol-version": "2025-11-25"}, 400, old),
        ({"content-type": "text/plain"}, 415, -32600),
        ({"accept": "text/html"}, 406, -32600),
    ):
        reply = await client.tell(notification("notifications/initialized"), headers=headers)
        assert [(reply.status, message["error"]["code"], "id" in message) for message in reply.messages] == [
            (status, code, False)
        ]


@pytest.mark.spec("basic/transports/streamable-http#sending-messages", "content-types")
@over(*HTTP)
async def test_a_request_is_answered_with_json_or_with_an_event_stream(client: HttpClient) -> None:
    assert (await client.call("count")).headers["content-type"] == "application/json"
    streamed = await client.call("count", extra_meta={"progressToken": 1})
    assert streamed.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert streamed.text == "counted to 3"


@pytest.mark.spec("basic/transports/streamable-http#sending-messages", "one-message")
@over(*HTTP)
async def test_a_body_that_is_not_one_request_or_notification_is_refused(client: HttpClient) -> None:
    one = request("server/discover")
    for body in ([one], [one, one], [], {"jsonrpc": "2.0", "id": 1, "result": {}}, "text", 7):
        reply = await client.tell(body)
        assert (reply.status, reply.error["code"]) == (400, -32600)
    for data in (b"", b"{", b'{"jsonrpc":"2.0"}{}', b"id: 1", b"data: {}\n\n"):
        reply = await client.raw(data)
        assert (reply.status, reply.error["code"]) == (400, -32700)


@pytest.mark.spec("basic/transports/streamable-http#receiving-messages", "related")
@over(*HTTP)
async def test_notifications_on_a_stream_belong_to_its_request(client: HttpClient) -> None:
    def counting(token: str) -> Message:
        return request(
            "tools/call", {"name": "slow_count", "arguments": {}}, id=token, extra_meta={"progressToken": token}
        )

    async with client.listen(id="listening", toolsListChanged=True) as listening:
        await listening.next()
        async with client.open(counting("a")) as first, client.open(counting("b")) as second:
            await client.call("grow", {"kind": "tool", "name": "later"})
            one, other = await first.answer(), await second.answer()
        assert {message["params"]["progressToken"] for message in one.notifications} == {"a"}
        assert {message["params"]["progressToken"] for message in other.notifications} == {"b"}
        assert [message["method"] for message in listening.arrived()] == ["notifications/tools/list_changed"]


@pytest.mark.spec("basic/transports/streamable-http#receiving-messages", "no-requests")
@over(*HTTP)
async def test_a_question_after_a_notification_is_still_a_result(client: HttpClient) -> None:
    answer = await client.call("ask_late", extra_meta={"progressToken": 1})
    assert [message["method"] for message in answer.notifications] == ["notifications/progress"]
    assert answer.asked["user_name"]["method"] == "elicitation/create"
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.spec("basic/transports/streamable-http#receiving-messages", "ends", "no-buffering")
@over(*HTTP)
async def test_the_response_ends_its_stream_and_proxies_are_asked_not_to_buffer_it(client: HttpClient) -> None:
    message = request("tools/call", {"name": "count"}, extra_meta={"progressToken": 1})
    async with client.open(message) as opened:
        await opened.answer()
        await opened.exchange.returned.wait()
        assert opened.arrived() == []
        assert opened.exchange.response.header("x-accel-buffering") == "no"
    async with client.listen(toolsListChanged=True) as stream:
        await stream.next()
        assert isinstance(stream, HttpOpened)
        assert stream.exchange.response.header("x-accel-buffering") == "no"
        client.runtime.subscriptions.close()
        await stream.answer()
        await stream.exchange.returned.wait()


@pytest.mark.spec("basic/transports/streamable-http#receiving-messages", "keep-alive")
@over(*HTTP, config=settings(http={"keep_alive_interval_s": 10.0}))
async def test_quiet_streams_carry_comments(client: HttpClient) -> None:
    async with client.listen(toolsListChanged=True) as stream:
        await stream.next()
        await anyio.sleep(35)
        assert isinstance(stream, HttpOpened)
        assert (stream.events.comments, stream.arrived()) == (3, [])
    async with client.open(request("tools/call", {"name": "nap", "arguments": {"seconds": 35}})) as napping:
        assert isinstance(napping, HttpOpened)
        assert (await napping.answer()).text == "rested"
        assert napping.events.comments == 3


@pytest.mark.spec("basic/transports/streamable-http#cancellation", "disconnect", "silence")
@pytest.mark.parametrize("tool", ["nap", "stubborn", "tidy", "slow_count"])
@over(*HTTP)
async def test_a_client_that_closes_the_stream_hears_nothing_more(client: HttpClient, tool: str) -> None:
    params = {"name": tool, "arguments": {"pause_s": 1000} if tool == "slow_count" else {}}
    async with client.exchange(
        request("tools/call", params, extra_meta={"progressToken": 1, LOG_LEVEL: "debug"})
    ) as exchange:
        await anyio.sleep(0.1)
        exchange.disconnect()
        with anyio.fail_after(1):
            await exchange.returned.wait()
        assert exchange.after_left == []
    assert client.runtime.dispatcher.at_work == 0


@pytest.mark.spec("basic/transports/streamable-http#protocol-version-header", "required")
@pytest.mark.parametrize("method", ["server/discover", "tools/call", "subscriptions/listen", "no/such"])
@over(*HTTP)
async def test_a_request_without_the_version_header_is_refused(client: HttpClient, method: str) -> None:
    message = request(method, {"name": "echo", "arguments": {"text": ""}, "notifications": {}})
    reply = await client.tell(message, headers={"mcp-protocol-version": None})
    assert reply.status == (404 if method == "no/such" else 400)
    assert reply.error["code"] == (-32601 if method == "no/such" else -32020)


@pytest.mark.spec("basic/transports/streamable-http#protocol-version-header", "matches")
@pytest.mark.parametrize("method", ["server/discover", "subscriptions/listen", "no/such", "initialize"])
@pytest.mark.parametrize(
    ("header", "body"),
    [("2026-07-29", VERSION), (VERSION, "v999.0.0"), ("2025-11-25", VERSION), (VERSION, "2025-11-25"), ("", VERSION)],
)
@over(*HTTP)
async def test_a_version_header_that_differs_from_the_body_is_a_mismatch(
    client: HttpClient, method: str, header: str, body: str
) -> None:
    message = request(method, {"notifications": {}}, extra_meta={PROTOCOL_VERSION: body})
    (await client.send(message, headers={"mcp-protocol-version": header})).refused(-32020)


@pytest.mark.spec("basic/transports/streamable-http#protocol-version-header", "unsupported")
@over(*HTTP)
async def test_a_version_that_is_not_served_is_refused_with_those_that_are(client: HttpClient) -> None:
    error = (await client.ask("tools/list", extra_meta={PROTOCOL_VERSION: "2030-01-01"})).refused(-32022)
    assert error["data"] == {"supported": [VERSION], "requested": "2030-01-01"}


@pytest.mark.spec("basic/transports/streamable-http#protocol-version-header", "unknown-method")
@pytest.mark.parametrize(
    "method",
    [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/get",
        "",
        "Tools/List",
    ],
)
@over(*HTTP)
async def test_a_method_that_is_not_served_is_not_found(client: HttpClient, method: str) -> None:
    (await client.ask(method)).refused(-32601, 404)


@pytest.mark.spec("basic/transports/streamable-http#standard-request-headers", "method")
@pytest.mark.spec("basic/transports/streamable-http#server-validation", "mismatch")
@pytest.mark.parametrize(
    "header", [None, "prompts/list", "TOOLS/LIST", "tools/list/", "", "=?base64?dG9vbHMvbGlzdA==?="]
)
@over(*HTTP)
async def test_mcp_method_has_to_be_the_method(client: HttpClient, header: str | None) -> None:
    (await client.ask("tools/list", headers={"mcp-method": header})).refused(-32020)


@pytest.mark.spec("basic/transports/streamable-http#standard-request-headers", "name")
@pytest.mark.spec("basic/transports/streamable-http#server-validation", "mismatch")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "nothing"}),
        ("prompts/get", {"name": "plain"}),
        ("resources/read", {"uri": "note://text"}),
    ],
)
@pytest.mark.parametrize(
    "header", [None, "other", "NOTHING", "", "=?base64?bm90aGluZw?=", "=?base64?!!!!?=", "na\xefve"]
)
@over(*HTTP)
async def test_mcp_name_has_to_be_the_name_or_uri(
    client: HttpClient, method: str, params: Message, header: str | None
) -> None:
    assert (await client.ask(method, params)).status == 200
    (await client.ask(method, params, headers={"mcp-name": header})).refused(-32020)


@pytest.mark.spec("basic/transports/streamable-http#standard-request-headers", "name")
@over(*HTTP)
async def test_other_requests_need_no_mcp_name(client: HttpClient) -> None:
    for method in ("server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list"):
        assert (await client.ask(method)).status == 200
        assert (await client.ask(method, headers={"mcp-name": "anything"})).status == 200


@pytest.mark.spec("basic/transports/streamable-http#server-validation", "mismatch")
@pytest.mark.parametrize("name", ["mcp-method", "mcp-protocol-version", "mcp-name", "mcp-param-region"])
@over(*HTTP)
async def test_a_header_that_comes_twice_is_a_mismatch(client: HttpClient, name: str) -> None:
    message = request("tools/call", {"name": "regional", "arguments": {"query": "q", "region": "eu"}})
    values = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": "tools/call",
        "mcp-name": "regional",
        "mcp-param-region": "eu",
    }
    raw = [(key.encode(), value.encode()) for key, value in values.items()]
    async with client.exchange(message, raw_headers=raw) as exchange:
        assert (await exchange.read_all()).status == 200
    async with client.exchange(message, raw_headers=[*raw, (name.encode(), values[name].encode())]) as exchange:
        response = await exchange.read_all()
    assert response.status == 400
    error = json.loads(response.body)
    assert (error["id"], error["error"]["code"]) == (message["id"], -32020)


@pytest.mark.spec("basic/transports/streamable-http#schema-extension", "not-empty", "token", "no-controls")
@pytest.mark.spec("basic/transports/streamable-http#schema-extension", "primitive", "safe-integers")
@pytest.mark.spec("basic/transports/streamable-http#schema-extension", "unique", "reachable")
@pytest.mark.spec("server/tools#x-mcp-header", "constraints")
@pytest.mark.parametrize(
    "schema",
    [
        header_on(""),
        header_on("a b"),
        header_on("a:b"),
        header_on("naïve"),
        header_on("Region\r\nX-Evil: 1"),
        header_on("Region\n"),
        header_on("a\tb"),
        header_on("a\x00"),
        header_on("Region", type="number"),
        header_on("Region", type="object"),
        header_on("Region", type="array"),
        header_on("Region", type="null"),
        header_on("Region", type=["string", "null"]),
        {"properties": {"a": {"x-mcp-header": "Region"}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": 7}}},
        header_on("Count", type="integer", maximum=2**53),
        header_on("Count", type="integer", minimum=-(2**53)),
        {
            "properties": {
                "a": {"type": "string", "x-mcp-header": "Region"},
                "b": {"type": "string", "x-mcp-header": "rEGION"},
            }
        },
        {
            "properties": {
                "a": {"type": "string", "x-mcp-header": "R"},
                "b": {"type": "object", "properties": {"c": {"type": "string", "x-mcp-header": "r"}}},
            }
        },
        {"properties": {"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}},
        {"properties": {"a": {"type": "array", "prefixItems": [{"type": "string", "x-mcp-header": "A"}]}}},
        {"properties": {"a": {"type": "array", "contains": {"type": "string", "x-mcp-header": "A"}}}},
        {"allOf": [header_on("A")]},
        {"anyOf": [header_on("A")]},
        {"oneOf": [header_on("A")]},
        {"not": header_on("A")},
        {"if": header_on("A")},
        {"if": {}, "then": header_on("A")},
        {"if": {}, "else": header_on("A")},
        {"$defs": {"d": {"type": "string", "x-mcp-header": "A"}}, "properties": {"a": {"$ref": "#/$defs/d"}}},
        {"additionalProperties": {"type": "string", "x-mcp-header": "A"}},
        {"patternProperties": {"^a": {"type": "string", "x-mcp-header": "A"}}},
        {"dependentSchemas": {"a": header_on("A")}},
        {"propertyNames": {"type": "string", "x-mcp-header": "A"}},
        {"x-mcp-header": "A"},
    ],
)
def test_a_tool_with_a_bad_x_mcp_header_is_never_registered(schema: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="x-mcp-header"):
        annotated(schema)


@pytest.mark.spec("basic/transports/streamable-http#schema-extension", "primitive", "reachable", "token")
@pytest.mark.parametrize(
    "schema",
    [
        header_on("Region"),
        header_on("!#$%&'*+-.^_`|~09azAZ"),
        header_on("Flag", type="boolean"),
        header_on("Count", type="integer", minimum=-(2**53) + 1, maximum=2**53 - 1),
        {"properties": {"a": {"type": "object", "properties": {"b": {"type": "string", "x-mcp-header": "B"}}}}},
        {"properties": {"x-mcp-header": {"type": "string"}}},
        {"properties": {"a": {"type": "string", "default": "x-mcp-header", "examples": [{"x-mcp-header": ""}]}}},
    ],
)
def test_a_good_x_mcp_header_is_registered(schema: dict[str, Any]) -> None:
    annotated(schema)


@pytest.mark.spec("basic/transports/streamable-http#value-encoding", "decoded")
@pytest.mark.spec("basic/transports/streamable-http#server-validation", "decoded")
@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("us-west1", "us-west1"),
        ("us-west1", "=?base64?dXMtd2VzdDE=?="),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("", ""),
        ("", "=?base64??="),
        ("a\tb", "a\tb"),
        ("us-west1", "  us-west1\t"),
    ],
)
@over(*HTTP)
async def test_a_header_value_stands_for_its_text(client: HttpClient, value: str, header: str) -> None:
    params = {"name": "regional", "arguments": {"query": "q", "region": value}}
    answer = await client.ask("tools/call", params, headers={"mcp-param-region": header})
    assert repr(value) in answer.text


@pytest.mark.spec("basic/transports/streamable-http#value-encoding", "decoded")
@over(*HTTP)
async def test_an_encoded_name_is_decoded_before_it_is_compared(client: HttpClient) -> None:
    encoded = {"mcp-name": "=?base64?bm90aGluZw==?="}
    assert (await client.ask("tools/call", {"name": "nothing"}, headers=encoded)).status == 200
    uri = "file:///srv/caf\u00e9"
    assert (await client.ask("resources/read", {"uri": uri})).result["contents"][0]["text"] == "contents of caf\u00e9"


@pytest.mark.spec("basic/transports/streamable-http#value-encoding", "exact-markers")
@pytest.mark.parametrize(
    "literal", ["=?BASE64?SGVsbG8=?=", "=?Base64?SGVsbG8=?=", "=?base64?SGVsbG8=", "SGVsbG8=?=", "=?base64 ?SGVsbG8=?="]
)
@over(*HTTP)
async def test_what_is_not_quite_the_sentinel_is_a_literal(client: HttpClient, literal: str) -> None:
    def arguments(region: str) -> Message:
        return {"name": "regional", "arguments": {"query": "q", "region": region}}

    assert (await client.ask("tools/call", arguments(literal), headers={"mcp-param-region": literal})).status == 200
    (await client.ask("tools/call", arguments("Hello"), headers={"mcp-param-region": literal})).refused(-32020)


@pytest.mark.spec(
    "basic/transports/streamable-http#server-behavior-for-custom-headers", "invalid-characters", "matches"
)
@pytest.mark.parametrize(
    "header",
    [
        "other",
        "Hello ",
        "hello",
        "=?base64?SGVsbG8?=",
        "=?base64?SGVs!!!bG8=?=",
        "=?base64?SGVsbG8=\n?=".replace("\n", " "),
        "=?base64?/w==?=",
        "H\xe9llo",
        "Hello\x00",
        "Hello\x7f",
        "Hello\x0b",
        "\x1fHello",
    ],
)
@over(*HTTP)
async def test_a_parameter_header_that_is_invalid_or_differs_is_refused(client: HttpClient, header: str) -> None:
    region = "Hello " if header == "other" else "Hello"
    params = {"name": "regional", "arguments": {"query": "q", "region": region}}
    if header == "Hello ":  # blanks around a value are not part of it
        assert (await client.ask("tools/call", params, headers={"mcp-param-region": header})).status == 200
    else:
        (await client.ask("tools/call", params, headers={"mcp-param-region": header})).refused(-32020)


@pytest.mark.spec(
    "basic/transports/streamable-http#server-behavior-for-custom-headers", "matches", "missing-header", "no-value"
)
@pytest.mark.parametrize(
    ("arguments", "header", "accepted"),
    [
        ({"dry": True}, ("dry-run", "true"), True),
        ({"dry": True}, ("dry-run", "True"), False),
        ({"dry": True}, ("dry-run", "1"), False),
        ({"dry": False}, ("dry-run", "false"), True),
        ({"dry": False}, ("dry-run", None), False),
        ({"count": 42}, ("count", "42"), True),
        ({"count": 42}, ("count", "43"), False),
        ({"count": 42}, ("count", None), False),
        ({"count": 0}, ("count", None), False),
        ({"count": -7}, ("count", "-7"), True),
        ({"count": 7}, ("count", "-7"), False),
        ({"count": 42}, ("count", "0x2a"), False),
        ({"count": 42}, ("count", "4_2"), False),
        ({"count": 42}, ("count", "forty-two"), False),
        ({"region": ""}, ("region", None), False),
        ({"region": "eu"}, ("region", None), False),
        ({"place": {"city": "Ulm"}}, ("city", "Ulm"), True),
        ({"place": {"city": "Ulm"}}, ("city", "Bonn"), False),
        ({"place": {"city": "Ulm"}}, ("city", None), False),
        ({"place": {}}, ("city", None), True),
        ({"place": {}}, ("city", "Ulm"), False),
        ({}, ("region", None), True),
        ({}, ("region", "eu"), False),
    ],
)
@over(*HTTP)
async def test_header_and_argument_say_the_same_or_neither_says_anything(
    client: HttpClient, arguments: Message, header: tuple[str, str | None], accepted: bool
) -> None:
    name, value = header
    params = {"name": "regional", "arguments": {"query": "q", **arguments}}
    answer = await client.ask("tools/call", params, headers={f"mcp-param-{name}": value})
    if accepted:
        assert "isError" not in answer.result
    else:
        answer.refused(-32020)


@pytest.mark.spec("basic/transports/streamable-http#server-behavior-for-custom-headers", "no-value")
@over(*HTTP)
async def test_no_header_is_expected_for_an_argument_that_is_null(client: HttpClient) -> None:
    nulls = {"query": "q", "region": None, "count": None, "place": None}
    answer = await client.call("regional", nulls)
    assert answer.result["isError"]  # by the tool's own schema, which wants a string: not by the header
    assert "region" in answer.text


@pytest.mark.spec("basic/transports/streamable-http#server-behavior-for-custom-headers", "unknown-headers")
@over(*HTTP)
async def test_a_parameter_header_that_the_tool_does_not_name_is_ignored(client: HttpClient) -> None:
    for name in ("mcp-param-query", "mcp-param-unheard-of", "mcp-param-"):
        answer = await client.ask("tools/call", CALL, headers={name: "=?base64?broken?="})
        assert answer.status == 200
    answer = await client.ask("tools/call", {"name": "nothing"}, headers={"mcp-param-region": "eu"})
    assert answer.status == 200


@pytest.mark.spec("basic/transports/streamable-http#case-sensitivity", "names")
@over(*HTTP)
async def test_header_names_count_in_any_case(client: HttpClient) -> None:
    # An ASGI server hands names over in lower case; x-mcp-header names are the runtime's own to compare.
    params = {"name": "regional", "arguments": {"query": "q", "region": "eu", "dry": True}}
    headers = {
        "MCP-PARAM-REGION": "eu",
        "Mcp-Param-Dry-Run": "true",
        "mcp-param-region": None,
        "mcp-param-dry-run": None,
    }
    answer = await client.ask("tools/call", params, headers=headers)
    assert "isError" not in answer.result


@pytest.mark.spec("basic/transports/streamable-http#case-sensitivity", "values")
@over(*HTTP)
async def test_header_values_count_as_they_are_written(client: HttpClient) -> None:
    (await client.ask("tools/list", headers={"mcp-method": "Tools/List"})).refused(-32020)
    (await client.ask("tools/call", {"name": "nothing"}, headers={"mcp-name": "Nothing"})).refused(-32020)


@pytest.mark.spec("basic/transports/streamable-http#server-validation", "numeric")
@pytest.mark.parametrize(
    ("body", "header", "accepted"),
    [
        ("42", "42.0", True),
        ("42.0", "42", True),
        ("42", "+42", True),
        ("42", "042", True),
        ("9007199254740993", "9007199254740993", True),
        ("9007199254740993", "9007199254740992", False),
        ("42", "42.5", False),
        ("42", "4.2e1", False),
        ("42", "", False),
        ("42", "\u0664\u0662".encode().decode("latin-1"), False),
    ],
)
@over(*HTTP)
async def test_integers_are_compared_as_numbers(client: HttpClient, body: str, header: str, accepted: bool) -> None:
    from tests.support.messages import encode

    message = encode(request("tools/call", {"name": "regional", "arguments": {"query": "q", "count": "HERE"}}))
    reply = await client.raw(message.replace(b'"HERE"', body.encode()), headers={"mcp-param-count": header})
    assert reply.status == (200 if accepted else 400)
    assert accepted or reply.error["code"] == -32020


@pytest.mark.spec("basic/transports/streamable-http#server-validation", "mismatch")
@over(*HTTP)
async def test_a_mismatch_says_which_header_and_echoes_little(client: HttpClient) -> None:
    answer = await client.ask("tools/call", {"name": "nothing"}, headers={"mcp-name": "x" * 5000})
    message = answer.refused(-32020)["message"]
    assert "Mcp-Name" in message
    assert "nothing" in message
    assert len(message) < 500


@pytest.mark.spec("basic/transports/streamable-http#earlier-streamable-http-revisions", "get-and-delete")
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"])
@over(*HTTP, config=settings(bridges=NO_BRIDGES))
async def test_other_http_methods_are_not_allowed(client: HttpClient, method: str) -> None:
    response = await client.get(method, headers={"accept": "text/event-stream"})
    assert (response.status, response.header("allow")) == (405, "POST")
    assert method != "HEAD" or response.body == b""


@pytest.mark.spec("basic/transports/streamable-http#earlier-streamable-http-revisions", "sessions")
@over(*HTTP)
async def test_sessions_and_event_ids_are_ignored(client: HttpClient) -> None:
    message = request("tools/call", {"name": "count"}, extra_meta={"progressToken": 1})
    answer = await client.send(message, headers={"mcp-session-id": "abc", "last-event-id": "17"})
    assert len(answer.notifications) == 3
    assert not {"mcp-session-id", "set-cookie"} & set(answer.headers)


@pytest.mark.spec("basic/transports/streamable-http#earlier-streamable-http-revisions", "sessions")
@over(*HTTP)
async def test_events_have_no_ids_to_resume_from(client: HttpClient) -> None:
    message = request("tools/call", {"name": "count"}, extra_meta={"progressToken": 1})
    async with client.exchange(message) as exchange:
        response = await exchange.read_all()
    fields = {line.partition(b":")[0] for line in re.split(rb"\r\n|\r|\n", response.body) if line}
    assert fields == {b"data"}
