"""Tools. Rule: each test shows a demand of 2026-07-28/server/tools."""

import json
from typing import Any

import pytest

from mcp_runtime import Plugin, ToolError
from mcp_runtime.assembly.compose import build_runtime
from tests.support.clients import Client
from tests.support.clocks import run
from tests.support.fixture_plugin import PIXEL, SECRET, SOUND, bare_plugin
from tests.support.messages import Message, request
from tests.support.settings import settings
from tests.support.wires import EVERY_WIRE, HTTP, Wire, connect, over


def toolless_plugin(_: list[str]) -> Plugin[Any]:
    """No tool, no prompt, no resource."""
    return Plugin("empty")


async def names(client: Client) -> list[str]:
    """The names in tools/list."""
    return [tool["name"] for tool in (await client.ask("tools/list")).result["tools"]]


@pytest.mark.spec("server/tools#capabilities", "declared")
@pytest.mark.parametrize("make", [toolless_plugin, bare_plugin])
@pytest.mark.parametrize("wire", EVERY_WIRE)
def test_tools_are_served_exactly_where_they_are_declared(wire: Wire, make: Any) -> None:
    async def talk() -> None:
        async with connect(wire, settings(), make) as client:
            declared = "tools" in (await client.ask("server/discover")).result["capabilities"]
            listed = await client.ask("tools/list")
            assert declared == ("result" in listed.response)

    run("asyncio" if wire == "http-asyncio" else "trio", talk)


@pytest.mark.spec("server/tools#capabilities", "listed")
@over(*EVERY_WIRE)
async def test_the_list_has_the_tools_there_are_now(client: Client) -> None:
    before = await names(client)
    assert before[0] == "echo"
    await client.call("grow", {"kind": "tool", "name": "later"})
    assert await names(client) == [*before, "later"]
    assert (await client.call("later")).text == "extra"
    await client.call("shrink", {"kind": "tool", "name": "later"})
    assert await names(client) == before
    (await client.call("later")).refused(-32602)


@pytest.mark.spec("server/tools#capabilities", "listed")
@over(*EVERY_WIRE)
async def test_a_tool_is_listed_with_everything_that_was_said_of_it(client: Client) -> None:
    (echo,) = [tool for tool in (await client.ask("tools/list")).result["tools"] if tool["name"] == "echo"]
    assert echo["title"] == "Echo"
    assert echo["description"] == "Say the same."
    assert echo["annotations"] == {"readOnlyHint": True}
    assert echo["icons"] == [{"src": "https://example.com/echo.png", "mimeType": "image/png", "sizes": ["48x48"]}]
    assert echo["_meta"] == {"example.com/kind": "plain"}
    assert echo["inputSchema"]["required"] == ["text"]
    assert echo["inputSchema"]["properties"]["text"]["description"] == "What to say."


@pytest.mark.spec("server/tools#capabilities", "no-variation")
def test_the_list_is_the_same_on_every_connection_and_wire() -> None:
    found: list[Message] = []

    async def look(wire: Wire) -> None:
        for _ in range(2):
            async with connect(wire, settings()) as client:
                for name in ("greet", "crash", "count", "nothing"):
                    await client.call(name)
                found.append((await client.ask("tools/list")).result)

    run("trio", lambda: look("http-trio"))
    run("asyncio", lambda: look("http-asyncio"))
    run("trio", lambda: look("stdio"))
    assert len(found) == 6
    assert all(listed == found[0] for listed in found)


@pytest.mark.spec("server/tools#capabilities", "no-variation")
@over(*EVERY_WIRE)
async def test_the_list_does_not_depend_on_who_asks(client: Client) -> None:
    declared: list[dict[str, Any]] = [{}, {"sampling": {}}, {"elicitation": {}}]
    lists = [(await client.ask("tools/list", capabilities=capabilities)).result["tools"] for capabilities in declared]
    assert lists[0] == lists[1] == lists[2]


@pytest.mark.spec("server/tools#capabilities", "order")
@over(*EVERY_WIRE)
async def test_the_order_is_that_of_registration_every_time(client: Client) -> None:
    first = await names(client)
    for _ in range(3):
        assert await names(client) == first
    await client.call("shrink", {"kind": "tool", "name": "nothing"})
    assert await names(client) == [name for name in first if name != "nothing"]


@pytest.mark.spec("server/tools#list-changed-notification", "list-changed")
@over(*EVERY_WIRE)
async def test_those_who_listen_hear_that_the_list_changed(client: Client) -> None:
    async with client.listen(toolsListChanged=True) as stream:
        await stream.next()
        for change in ("grow", "shrink"):
            await client.call(change, {"kind": "tool", "name": "later"})
            assert (await stream.next())["method"] == "notifications/tools/list_changed"


@pytest.mark.spec("server/tools#tool-names", "names")
@pytest.mark.parametrize("name", ["", "a b", "a/b", "a,b", "naïve", "x" * 129, "a\n", "a:b"])
def test_a_tool_with_an_odd_name_is_refused(name: str) -> None:
    plugin = Plugin("odd")

    @plugin.tool(name=name or " ")
    async def tool() -> str:
        """Odd."""
        return ""

    with pytest.raises(Exception, match="name"):
        build_runtime(settings(), (plugin,))


@pytest.mark.spec("server/tools#tool-names", "names")
def test_two_tools_of_one_name_are_refused_by_name() -> None:
    one, two = Plugin("one"), Plugin("two")
    for plugin in (one, two):

        @plugin.tool
        async def same() -> str:
            """The same name twice."""
            return ""

    with pytest.raises(Exception, match="'one' and 'two'"):
        build_runtime(settings(), (one, two))


@pytest.mark.spec("server/tools#tool-names", "names")
@over(*EVERY_WIRE)
async def test_names_differ_in_case(client: Client) -> None:
    for name in ("getUser", "getuser", "DATA_EXPORT_v2", "admin.tools.list", "a-b", "x" * 128):
        await client.call("grow", {"kind": "tool", "name": name})
        assert (await client.call(name)).text == "extra"
    (await client.call("GETUSER")).refused(-32602)


@pytest.mark.spec("server/tools#output-schema", "conforms")
@pytest.mark.spec("server/tools#structured-content", "text-too")
@over(*EVERY_WIRE)
async def test_structured_content_fits_its_schema_and_comes_as_text_too(client: Client) -> None:
    import jsonschema_rs

    answer = await client.call("weather", {"city": "Ulm"})
    (tool,) = [tool for tool in (await client.ask("tools/list")).result["tools"] if tool["name"] == "weather"]
    structured = answer.result["structuredContent"]
    jsonschema_rs.validate(tool["outputSchema"], structured)
    assert structured == {"celsius": 21.5, "sky": "clear over Ulm"}
    assert json.loads(answer.text) == structured


@pytest.mark.spec("server/tools#output-schema", "conforms")
@over(*EVERY_WIRE)
async def test_what_does_not_fit_the_output_schema_is_never_sent(client: Client) -> None:
    answer = await client.call("broken_promise", {"value": "seven"})
    assert answer.result["isError"]
    assert "structuredContent" not in answer.result
    assert "seven" not in answer.text


@pytest.mark.spec("server/tools#error-handling", "two-kinds")
@over(*EVERY_WIRE)
async def test_what_a_model_can_mend_is_a_result_with_is_error(client: Client) -> None:
    kind = await client.call("fail_kindly")
    assert (kind.result["isError"], kind.text) == (True, "There is no train on Sundays; try Monday")
    assert kind.status in {None, 200}
    for arguments, named in (
        ({}, "text"),
        ({"text": 7}, "text"),
        ({"text": "x", "loud": True}, "loud"),
        ({"text": None}, "text"),
    ):
        wrong = await client.call("echo", arguments)
        assert wrong.result["isError"]
        assert f"`{named}`" in wrong.text


@pytest.mark.spec("server/tools#error-handling", "two-kinds")
@pytest.mark.parametrize(
    "params",
    [
        {"name": "none"},
        {"name": ""},
        {"name": "ECHO"},
        {},
        {"name": None},
        {"name": 7},
        {"name": "nothing", "arguments": []},
        {"name": "nothing", "arguments": "x"},
        {"name": "nothing", "arguments": None},
    ],
)
@over(*EVERY_WIRE)
async def test_what_a_model_cannot_mend_is_a_json_rpc_error(client: Client, params: Message) -> None:
    (await client.ask("tools/call", params, headers={"mcp-name": str(params.get("name"))})).refused(-32602)


@pytest.mark.spec("server/tools#security-considerations", "validated-inputs")
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("nap", {"seconds": "long"}),
        ("nap", {"seconds": True}),
        ("weather", {"city": ["Ulm"]}),
        ("weather", {"city": "Ulm", "days": 1.5}),
        ("weather", {"city": "Ulm", "days": "1"}),
        ("echo", {"text": "x" * 100_001}),
        ("regional", {"query": 7}),
        ("regional", {}),
    ],
)
@over(*EVERY_WIRE)
async def test_arguments_are_validated_before_the_tool_sees_them(client: Client, tool: str, arguments: Message) -> None:
    answer = await client.call(tool, arguments)
    assert answer.result["isError"]
    assert "Invalid arguments" in answer.text
    assert client.journal == ["started"]
    assert len(answer.text) < 1000


@pytest.mark.spec("server/tools#security-considerations", "validated-inputs")
@over(*EVERY_WIRE)
async def test_numbers_that_are_integers_in_json_schema_are_integers(client: Client) -> None:
    assert (await client.call("weather", {"city": "Ulm", "days": 2.0})).result["structuredContent"]["celsius"] == 22.5


@pytest.mark.spec("server/tools#security-considerations", "rate-limit")
@over(*HTTP, config=settings(limits={"tool_calls_per_minute": 3}, http={"trusted_proxies": ("127.0.0.1",)}))
async def test_tool_calls_are_limited_in_rate_for_each_client(client: Client) -> None:
    answers = [await client.call("nothing", headers={"x-forwarded-for": "203.0.113.7"}) for _ in range(5)]
    assert ["isError" in answer.result for answer in answers] == [False, False, False, True, True]
    assert "again in" in answers[-1].text
    assert (await client.ask("tools/list")).result["tools"]


@pytest.mark.spec("server/tools#security-considerations", "rate-limit")
@over(*HTTP, config=settings(limits={"max_concurrent_requests": 2}))
async def test_calls_at_once_are_limited(client: Client) -> None:
    def nap(id_: int) -> Message:
        return request("tools/call", {"name": "nap", "arguments": {"seconds": 50}}, id=id_)

    async with client.open(nap(1)) as one, client.open(nap(2)) as two:
        await client.settle()
        refused = await client.call("nothing")
        refused.refused(-32603, 503)
        assert int(refused.headers["retry-after"]) > 0
        assert (await one.answer()).text == (await two.answer()).text == "rested"
    assert (await client.call("nothing")).result["content"] == []


@pytest.mark.spec("server/tools#security-considerations", "sanitized-outputs")
@over(*EVERY_WIRE)
async def test_what_a_tool_fails_with_stays_in_the_log(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    answer = await client.call("crash")
    assert answer.result["isError"]
    shown = json.dumps(answer.response)
    assert not any(part in shown for part in (SECRET, "hunter2", "Traceback", "RuntimeError", ".py"))
    incident = answer.text.partition("incident ")[2][:8]
    assert len(incident) == 8
    del capsys


@pytest.mark.spec("server/tools#structured-content", "text-too")
@over(*EVERY_WIRE)
async def test_every_kind_of_content_comes_as_the_specification_has_it(client: Client) -> None:
    import base64

    text, image, audio, embedded, blob, link = (await client.call("media")).result["content"]
    pixel, sound = base64.b64encode(PIXEL).decode(), base64.b64encode(SOUND).decode()
    assert text == {"type": "text", "text": "text", "annotations": {"audience": ["user"], "priority": 0.5}}
    assert image == {"type": "image", "data": pixel, "mimeType": "image/png"}
    assert audio == {"type": "audio", "data": sound, "mimeType": "audio/wav"}
    inside = {"uri": "note://embedded", "text": "inside", "mimeType": "text/plain"}
    assert embedded == {"type": "resource", "resource": inside}
    assert blob == {"type": "resource", "resource": {"uri": "note://blob", "blob": pixel, "mimeType": "image/png"}}
    assert link == {"type": "resource_link", "uri": "note://text", "name": "text"}


def structured_plugin(_: list[str]) -> Plugin[Any]:
    """Tools that return any JSON value."""
    plugin = Plugin("structured")
    for name, value in {"list": [1, 2], "number": 7, "flag": True, "null": None, "text": "x"}.items():

        async def give(value: Any = value) -> Any:
            """Return it."""
            from mcp_runtime import ToolResult

            return ToolResult(content=["see structured"], structured_content=value)

        plugin.add_tool(give, name=name)

    @plugin.tool
    async def picky() -> list[int]:
        """Typed as a list."""
        return [1, 2, 3]

    @plugin.tool
    async def fails() -> list[int]:
        """Typed, and fails."""
        raise ToolError("no list today")

    return plugin


@pytest.mark.spec("server/tools#output-schema", "conforms")
@pytest.mark.parametrize(
    ("tool", "value"), [("list", [1, 2]), ("number", 7), ("flag", True), ("null", None), ("text", "x")]
)
@over(*EVERY_WIRE, plugin=structured_plugin)
async def test_structured_content_may_be_any_json_value(client: Client, tool: str, value: Any) -> None:
    result = (await client.call(tool)).result
    assert "structuredContent" in result
    assert result["structuredContent"] == value


@pytest.mark.spec("server/tools#output-schema", "conforms")
@over(*EVERY_WIRE, plugin=structured_plugin)
async def test_a_typed_tool_keeps_its_promise_or_fails_openly(client: Client) -> None:
    import jsonschema_rs

    tools = {tool["name"]: tool for tool in (await client.ask("tools/list")).result["tools"]}
    good = (await client.call("picky")).result
    jsonschema_rs.validate(tools["picky"]["outputSchema"], good["structuredContent"])
    bad = (await client.call("fails")).result
    assert bad["isError"]
    assert "structuredContent" not in bad
