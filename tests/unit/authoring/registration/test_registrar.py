"""What a plugin declares is checked in full before anything is served, and a refusal names it and what to change."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import Field

from mcp_runtime import Plugin, PluginError, SyncContext
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.authoring.plugin_loading import PluginLoadError
from mcp_runtime.config import Config, ConfigError, Limits, PluginsConfig
from tests.support.dispatcher_client import Client, RpcError, text_of

Declare = Callable[["Plugin[None]"], object]


async def nothing() -> str:
    return ""


async def one(value: str) -> str:
    return value


async def two(first: str, second: str) -> str:
    return first + second


async def three(first: str, second: str, third: str) -> str:
    return first + second + third


async def mapping(arguments: dict[str, Any]) -> str:
    return str(arguments)


async def wrong_context(ctx: SyncContext) -> None: ...


async def unserved(value: Callable[[], int]) -> None: ...


async def unserved_result() -> Callable[[], int]:
    return lambda: 5


async def annotated(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "a b"})]) -> None: ...


def declared(declare: Declare) -> "Plugin[None]":
    plugin = Plugin("demo")
    declare(plugin)
    return plugin


def twice(declare: Declare) -> Declare:
    return lambda plugin: [declare(plugin) for _ in range(2)]


def refusal(declare: Declare, **sections: Any) -> str:
    with pytest.raises(PluginLoadError) as refused:
        build_runtime(Config(**sections), (declared(declare),))
    return refused.value.cause


OBJECT: dict[str, Any] = {"type": "object"}
REFUSED: list[tuple[str, Declare, str]] = [
    ("a tool name with a blank", lambda p: p.add_tool(one, name="a b"), "tool name 'a b' must be 1 to 128 of"),
    ("a tool name with a slash", lambda p: p.add_tool(one, name="a/b"), "tool name 'a/b' must be"),
    ("a tool name in another script", lambda p: p.add_tool(one, name="\u00e9"), "must be 1 to 128 of"),
    ("a tool name with a newline", lambda p: p.add_tool(one, name="a\n"), "must be 1 to 128 of"),
    ("a tool name of 129", lambda p: p.add_tool(one, name="a" * 129), "must be 1 to 128 of"),
    ("a lambda", lambda p: p.add_tool(lambda: "x"), "tool name '<lambda>' must be"),
    ("a tool twice", twice(lambda p: p.add_tool(one)), "both offer the tool 'one'"),
    ("a tool with the wrong context", lambda p: p.add_tool(wrong_context), "wrong_context: an async function takes"),
    ("a tool with an unknown type", lambda p: p.add_tool(unserved), "unserved: "),
    ("a tool with an unknown result", lambda p: p.add_tool(unserved_result), "unserved_result: its return type"),
    ("a tool with a bad header", lambda p: p.add_tool(annotated), "tool 'annotated': x-mcp-header of 'region'"),
    ("a raw schema of no object", lambda p: p.add_tool(mapping, input_schema={}), "input_schema needs type = 'object'"),
    (
        "a raw schema of a list",
        lambda p: p.add_tool(mapping, input_schema={"type": "array"}),
        "tool 'mapping': input_schema needs type = 'object'",
    ),
    (
        "a raw schema without a parameter",
        lambda p: p.add_tool(nothing, input_schema=OBJECT),
        "tool 'nothing' has a raw input_schema, so it must take exactly one parameter",
    ),
    ("a raw schema with two parameters", lambda p: p.add_tool(two, input_schema=OBJECT), "exactly one parameter"),
    (
        "an invalid raw schema",
        lambda p: p.add_tool(mapping, input_schema={"type": "object", "required": 5}),
        "tool 'mapping': ",
    ),
    (
        "a raw schema in another dialect",
        lambda p: p.add_tool(mapping, input_schema={**OBJECT, "$schema": "http://json-schema.org/draft-07/schema#"}),
        "tool 'mapping': JSON Schema dialect",
    ),
    (
        "a raw schema that reaches out",
        lambda p: p.add_tool(mapping, input_schema={**OBJECT, "properties": {"a": {"$ref": "https://x/y"}}}),
        "tool 'mapping': ",
    ),
    (
        "a raw schema with a misplaced header",
        lambda p: p.add_tool(mapping, input_schema={**OBJECT, "x-mcp-header": "A"}),
        "tool 'mapping': x-mcp-header at #",
    ),
    ("an invalid output schema", lambda p: p.add_tool(one, output_schema={"type": "nope"}), "tool 'one': "),
    ("a resource without a scheme", lambda p: p.add_resource("config", nothing), "'config' is no URI"),
    ("a resource with a blank", lambda p: p.add_resource("a://b c", nothing), "'a://b c' is no URI"),
    ("a resource with a digit first", lambda p: p.add_resource("1a://b", nothing), "is no URI"),
    ("a resource of nothing", lambda p: p.add_resource("", nothing), "'' is no URI"),
    ("a resource with a scheme that varies", lambda p: p.add_resource("{value}://b", one), "is no URI"),
    ("a negative ttl", lambda p: p.add_resource("a://b", nothing, ttl_ms=-1), "'a://b': ttl_ms must be 0 or more"),
    (
        "a resource twice",
        twice(lambda p: p.add_resource("a://b", nothing)),
        "both offer the resource 'a://b'",
    ),
    (
        "a template twice",
        twice(lambda p: p.add_resource("a://{value}", one)),
        "both offer the resource template 'a://{value}'",
    ),
    (
        "a resource whose function wants more",
        lambda p: p.add_resource("a://b", one),
        "one takes ['value'], but 'a://b' has the variables []",
    ),
    (
        "a template whose function wants less",
        lambda p: p.add_resource("a://{value}/{other}", one),
        "one takes ['value'], but 'a://{value}/{other}' has the variables ['other', 'value']",
    ),
    (
        "a template whose function wants another",
        lambda p: p.add_resource("a://{other}", one),
        "one takes ['value'], but 'a://{other}' has the variables ['other']",
    ),
    ("a template that is no template", lambda p: p.add_resource("a://{value", one), "resource 'a://{value': "),
    ("a template with operators", lambda p: p.add_resource("a://{?value}", one), "{?value} is not supported"),
    ("a resource with an unknown type", lambda p: p.add_resource("a://{value}", unserved), "unserved: "),
    ("a prompt twice", twice(lambda p: p.add_prompt(one)), "both offer the prompt 'one'"),
    ("a prompt with an unknown type", lambda p: p.add_prompt(unserved), "unserved: "),
    (
        "a completion without a parameter",
        lambda p: p.completion(prompt="one", argument="value")(nothing),
        "completion nothing takes the typed text, and optionally a dict of settled arguments, not []",
    ),
    (
        "a completion with three parameters",
        lambda p: p.completion(resource="a://{b}", argument="b")(three),
        "completion three takes the typed text",
    ),
    (
        "a completion twice",
        twice(lambda p: p.completion(prompt="one", argument="value")(one)),
        "both offer the completion of 'one value'",
    ),
]


@pytest.mark.parametrize(("declare", "named"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_served_is_refused_by_name(declare: Declare, named: str) -> None:
    assert named in refusal(declare)


@pytest.mark.parametrize("declare", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_refusal_at_any_time_names_the_plugin_on_one_line(declare: Declare) -> None:
    plugin = Plugin("demo")
    build_runtime(Config(), (plugin,))
    with pytest.raises(PluginError) as refused:
        declare(plugin)
    assert "'demo'" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.spec("server/tools#tool-names")
@pytest.mark.parametrize("name", ["a", "getUser", "DATA_EXPORT_v2", "admin.tools.list", "a-b", "a" * 128, "0"])
async def test_every_name_that_the_specification_allows_is_served(name: str) -> None:
    client = Client(declared(lambda plugin: plugin.add_tool(one, name=name)))
    assert text_of(await client.tool(name, value="x")) == "x"


def test_bounds_of_schemas_are_those_of_the_configuration() -> None:
    def declare(plugin: "Plugin[None]") -> None:
        plugin.add_tool(mapping, input_schema={"type": "object", "properties": {"a": {"not": {}}}})

    assert "limits.max_schema_depth = 3" in refusal(declare, limits=Limits(max_schema_depth=3))
    build_runtime(Config(limits=Limits(max_schema_depth=4)), (declared(declare),))
    assert "limits.max_subschemas = 3" in refusal(declare, limits=Limits(max_subschemas=3))


def test_two_plugins_cannot_offer_the_same_name() -> None:
    first, second = Plugin("first"), Plugin("second")
    first.add_tool(one)
    second.add_tool(one)
    with pytest.raises(PluginLoadError, match=r"plugins 'first' and 'second' both offer .*prefix_names = true"):
        build_runtime(Config(), (first, second))


async def test_with_prefixes_they_can() -> None:
    first, second = Plugin("first"), Plugin("second")
    for plugin in (first, second):
        plugin.add_tool(one)
        plugin.add_prompt(one)
        plugin.completion(prompt="one", argument="value")(complete)
    client = Client(first, second, plugins=PluginsConfig(prefix_names=True))
    tools = (await client.request("tools/list"))["tools"]
    assert [tool["name"] for tool in tools] == ["first_one", "second_one"]
    assert text_of(await client.tool("second_one", value="x")) == "x"
    with pytest.raises(RpcError, match="Unknown tool: one"):
        await client.tool("one", value="x")
    got = await client.request("prompts/get", {"name": "first_one", "arguments": {"value": "x"}})
    assert got["messages"][0]["content"]["text"] == "x"
    ref = {"type": "ref/prompt", "name": "second_one"}
    suggested = await client.request("completion/complete", {"ref": ref, "argument": {"name": "value", "value": "a"}})
    assert suggested["completion"]["values"] == ["a!"]
    first.remove_tool("one")
    first.remove_prompt("one")
    assert [tool["name"] for tool in (await client.request("tools/list"))["tools"]] == ["second_one"]


async def complete(value: str) -> list[str]:
    return [value + "!"]


def test_a_prefix_counts_towards_the_length_of_a_name() -> None:
    plugin = declared(lambda plugin: plugin.add_tool(one, name="a" * 124))
    with pytest.raises(PluginLoadError, match="demo_aaa"):
        build_runtime(Config(plugins=PluginsConfig(prefix_names=True)), (plugin,))


def test_two_plugins_of_one_name_are_the_operators_error() -> None:
    with pytest.raises(ConfigError) as refused:
        build_runtime(Config(), (Plugin("twin"), Plugin("other"), Plugin("twin")))
    assert (refused.value.key, "'twin'" in refused.value.problem) == ("plugins.load", True)


async def test_a_raw_schema_is_listed_as_it_is_and_gives_its_function_a_dict() -> None:
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "x-own": [1],
    }
    client = Client(declared(lambda plugin: plugin.add_tool(mapping, input_schema=schema)))
    assert (await client.request("tools/list"))["tools"][0]["inputSchema"] == schema
    assert text_of(await client.tool("mapping", a=5, b=None)) == "{'a': 5, 'b': None}"
    refused = await client.tool("mapping", a="5")
    assert refused["isError"] is True
    assert text_of(refused) == 'Invalid arguments: `a`: "5" is not of type "integer"'


async def test_a_template_variable_that_does_not_fit_its_type_names_no_resource() -> None:
    async def numbered(number: int) -> str:
        return str(number * 2)

    client = Client(declared(lambda plugin: plugin.add_resource("n://{number}", numbered)))
    assert (await client.request("resources/read", {"uri": "n://21"}))["contents"][0]["text"] == "42"
    with pytest.raises(RpcError, match="Resource not found"):
        await client.request("resources/read", {"uri": "n://x"})


async def test_a_template_may_leave_out_parameters_with_defaults() -> None:
    async def sized(name: str, size: int = 3) -> str:
        return name * size

    client = Client(declared(lambda plugin: plugin.add_resource("n://{name}", sized)))
    assert (await client.request("resources/read", {"uri": "n://ab"}))["contents"][0]["text"] == "ababab"


@pytest.mark.spec("server/utilities/completion#requesting-completions")
async def test_a_completion_gets_what_was_typed_and_what_is_settled() -> None:
    plugin = Plugin("demo")
    plugin.add_resource("n://{first}/{second}", two)
    plugin.add_prompt(two)

    @plugin.completion(resource="n://{first}/{second}", argument="second")
    async def second(value: str, settled: dict[str, str]) -> list[str]:
        return [f"{value}-{settled}"]

    @plugin.completion(prompt="two", argument="first")
    def first(value: str) -> list[str]:
        return [value.upper()]

    client = Client(plugin)
    resource = {"type": "ref/resource", "uri": "n://{first}/{second}"}
    found = await client.request(
        "completion/complete",
        {"ref": resource, "argument": {"name": "second", "value": "b"}, "context": {"arguments": {"first": "a"}}},
    )
    assert found["completion"] == {"values": ["b-{'first': 'a'}"], "hasMore": False}
    prompt = {"type": "ref/prompt", "name": "two"}
    found = await client.request("completion/complete", {"ref": prompt, "argument": {"name": "first", "value": "b"}})
    assert found["completion"]["values"] == ["B"]
