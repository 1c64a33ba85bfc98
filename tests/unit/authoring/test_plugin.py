"""Declaring is writing down; what is written down is served by every runtime that attaches, then and later."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import trio

from mcp_runtime import Icon, Plugin, PluginError, ToolAnnotations
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.authoring.declarations import (
    Declaration,
    DisplayOptions,
    Kind,
    PromptDeclaration,
    ResourceDeclaration,
    ResourceOptions,
    ToolDeclaration,
    ToolOptions,
)
from mcp_runtime.authoring.plugin_loading import PluginLoadError
from mcp_runtime.config import Config
from mcp_runtime.core.calls.call import Stream
from mcp_runtime.protocol.content import Annotations
from tests.support.dispatcher_client import Client, text_of


async def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


class Log:
    """A sink that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def declare(self, declaration: Declaration) -> None:
        self.told.append(("declare", declaration))

    def withdraw(self, kind: Kind, key: str) -> None:
        self.told.append(("withdraw", (kind, key)))

    def updated(self, uri: str) -> None:
        self.told.append(("updated", uri))


async def listed(client: Client, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.request(f"{what}/list"))[what]
    return found


def test_decorators_give_the_function_back() -> None:
    plugin = Plugin("p")
    assert plugin.tool(greet) is greet
    assert plugin.tool(name="other")(greet) is greet
    assert plugin.prompt(greet) is greet
    assert plugin.prompt(name="other")(greet) is greet
    assert plugin.resource("a://{name}")(greet) is greet
    assert plugin.completion(prompt="greet", argument="name")(greet) is greet
    assert len(plugin.declared.entries) == 6


@pytest.mark.parametrize(
    ("options", "declaration", "own"),
    [
        (ToolOptions, ToolDeclaration, {"fn", "name"}),
        (ResourceOptions, ResourceDeclaration, {"fn", "name", "uri"}),
        (DisplayOptions, PromptDeclaration, {"fn", "name"}),
    ],
)
def test_every_field_of_a_declaration_is_an_option_for_authors(
    options: type[Any], declaration: type[msgspec.Struct], own: set[str]
) -> None:
    assert options.__optional_keys__ == set(declaration.__struct_fields__) - own


def test_an_option_that_is_misspelt_is_a_type_error() -> None:
    plugin: Any = Plugin("p")
    for decorate in (plugin.tool(titel="T"), plugin.prompt(titel="T"), plugin.resource("a://b", titel="T")):
        with pytest.raises(TypeError, match="titel"):
            decorate(greet)


def test_options_beside_the_function_itself_count() -> None:
    plugin: Any = Plugin("p")
    assert plugin.tool(greet, title="T") is greet
    assert plugin.prompt(greet, title="T") is greet
    assert [entry.title for entry in plugin.declared.entries] == ["T", "T"]


def test_declaring_has_no_effect_but_on_the_plugin() -> None:
    plugin = Plugin("p")
    plugin.tool(input_schema={"type": "nope"}, timeout_s=-1)(greet)
    plugin.resource("no uri")(greet)
    assert len(plugin.declared.entries) == 2


async def test_what_a_tool_declares_is_what_clients_see() -> None:
    plugin = Plugin("p")
    plugin.tool(
        name="hello",
        title="Hello",
        description="Says hello.",
        annotations=ToolAnnotations(read_only_hint=True),
        icons=[Icon("https://x/i.png")],
        meta={"com.example/a": 1},
        output_schema={"type": "string"},
    )(greet)
    (tool,) = await listed(Client(plugin), "tools")
    assert tool.pop("inputSchema")["required"] == ["name"]
    assert tool == {
        "name": "hello",
        "title": "Hello",
        "description": "Says hello.",
        "annotations": {"readOnlyHint": True},
        "icons": [{"src": "https://x/i.png"}],
        "_meta": {"com.example/a": 1},
        "outputSchema": {"type": "string"},
    }


async def test_what_a_tool_leaves_out_comes_from_its_function() -> None:
    plugin = Plugin("p")
    plugin.tool(greet)
    (tool,) = await listed(Client(plugin), "tools")
    assert tool == {
        "name": "greet",
        "description": "Greet somebody.",
        "inputSchema": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": False,
        },
    }


async def test_what_a_resource_declares_is_what_clients_see() -> None:
    plugin = Plugin("p")

    @plugin.resource(
        "config://app",
        name="config",
        title="Configuration",
        description="All of it.",
        mime_type="application/json",
        annotations=Annotations(audience=["user"]),
        icons=[Icon("https://x/i.png")],
        meta={"a": 1},
        size=7,
        ttl_ms=5,
        cache_scope="public",
    )
    async def config() -> str:
        return '{"a":1}'

    client = Client(plugin)
    assert await listed(client, "resources") == [
        {
            "uri": "config://app",
            "name": "config",
            "title": "Configuration",
            "description": "All of it.",
            "mimeType": "application/json",
            "annotations": {"audience": ["user"]},
            "icons": [{"src": "https://x/i.png"}],
            "_meta": {"a": 1},
            "size": 7,
        }
    ]
    read = await client.request("resources/read", {"uri": "config://app"})
    assert (read["ttlMs"], read["cacheScope"]) == (5, "public")
    assert read["contents"] == [{"uri": "config://app", "text": '{"a":1}', "mimeType": "application/json"}]


async def test_a_resource_with_variables_is_a_template() -> None:
    plugin = Plugin("p")
    plugin.resource("hello://{name}", title="T", mime_type="text/plain")(greet)
    client = Client(plugin)
    assert (await client.request("resources/templates/list"))["resourceTemplates"] == [
        {
            "uriTemplate": "hello://{name}",
            "name": "greet",
            "title": "T",
            "description": "Greet somebody.",
            "mimeType": "text/plain",
        }
    ]
    assert await listed(client, "resources") == []
    read = await client.request("resources/read", {"uri": "hello://Ada%20L"})
    assert read["contents"] == [{"uri": "hello://Ada%20L", "text": "Hello, Ada L!", "mimeType": "text/plain"}]


async def test_what_a_prompt_declares_is_what_clients_see() -> None:
    plugin = Plugin("p")
    plugin.prompt(name="hi", title="T", description="D", icons=[Icon("https://x/i.png")], meta={"a": 1})(greet)
    plugin.prompt(greet)
    first, second = await listed(Client(plugin), "prompts")
    assert first == {
        "name": "hi",
        "title": "T",
        "description": "D",
        "icons": [{"src": "https://x/i.png"}],
        "_meta": {"a": 1},
        "arguments": [{"name": "name", "required": True}],
    }
    assert (second["name"], second["description"]) == ("greet", "Greet somebody.")


async def test_a_callable_object_is_served_under_the_name_of_its_class() -> None:
    class Greeter:
        async def __call__(self, name: str) -> str:
            """Greet."""
            return f"Hi, {name}"

    plugin = Plugin("p")
    plugin.add_tool(Greeter())
    client = Client(plugin)
    assert [(tool["name"], tool["description"]) for tool in await listed(client, "tools")] == [("Greeter", "Greet.")]
    assert text_of(await client.tool("Greeter", name="Ada")) == "Hi, Ada"


@pytest.mark.parametrize("options", [{}, {"prompt": "a", "resource": "b"}])
def test_a_completion_is_of_a_prompt_or_of_a_resource(options: dict[str, str]) -> None:
    with pytest.raises(PluginError, match="name either the prompt or the resource"):
        Plugin("p").completion(argument="x", **options)


# Settings


@dataclass
class Settings:
    city: str = "Rome"


def test_settings_are_there_once_the_plugin_is_loaded() -> None:
    plugin = Plugin("weather", settings=Settings)
    with pytest.raises(PluginError, match="'weather' has no settings yet"):
        _ = plugin.settings
    build_runtime(Config(plugin={"weather": {"city": "Oslo"}}), (plugin,))
    assert plugin.settings == Settings("Oslo")


def test_settings_can_be_given_by_a_test() -> None:
    plugin = Plugin("weather", settings=Settings)
    plugin.configure(Settings("Bern"))
    assert plugin.settings.city == "Bern"


def test_a_plugin_without_a_settings_type_has_none() -> None:
    plugin = Plugin("p")
    build_runtime(Config(), (plugin,))
    with pytest.raises(PluginError):
        _ = plugin.settings


# Later changes


async def test_what_is_added_later_is_served_and_told() -> None:
    plugin = Plugin("p")
    client = Client(plugin)
    client.runtime.subscriptions.start()
    wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
    answer = await client.dispatch(client.call("subscriptions/listen", {"notifications": wanted}))
    assert isinstance(answer, Stream)
    plugin.add_tool(greet)
    plugin.add_prompt(greet)
    plugin.add_resource("a://{name}", greet)
    plugin.add_resource("a://b", greet_nobody)
    assert [tool["name"] for tool in await listed(client, "tools")] == ["greet"]
    assert text_of(await client.tool("greet", name="Ada")) == "Hello, Ada!"
    client.runtime.subscriptions.close()
    heard = [json.loads(message)["method"] async for message in answer.subscription.notifications()]
    assert heard == [
        "notifications/subscriptions/acknowledged",
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
    ]


async def greet_nobody() -> str:
    return "Hello?"


async def test_what_is_removed_is_served_no_longer() -> None:
    plugin = Plugin("p")
    plugin.tool(greet)
    plugin.prompt(greet)
    plugin.resource("a://{name}")(greet)
    plugin.resource("a://b")(greet_nobody)
    client = Client(plugin)
    plugin.remove_tool("greet")
    plugin.remove_prompt("greet")
    plugin.remove_resource("a://{name}")
    plugin.remove_resource("a://b")
    assert [await listed(client, what) for what in ("tools", "prompts", "resources")] == [[], [], []]
    assert (await client.request("resources/templates/list"))["resourceTemplates"] == []
    assert await listed(Client(plugin), "tools") == []
    plugin.tool(greet)
    assert len(await listed(client, "tools")) == 1


@pytest.mark.parametrize("attached", [True, False])
def test_what_is_not_there_cannot_be_removed(*, attached: bool) -> None:
    plugin = Plugin("p")
    plugin.tool(greet)
    if attached:
        build_runtime(Config(), (plugin,))
    for remove, key in (
        (plugin.remove_tool, "other"),
        (plugin.remove_prompt, "greet"),
        (plugin.remove_resource, "a://b"),
    ):
        with pytest.raises(KeyError, match=key):
            remove(key)


async def test_a_tool_that_cannot_be_served_is_refused_when_added_and_leaves_no_trace() -> None:
    plugin = Plugin("p")
    client = Client(plugin)
    with pytest.raises(PluginError):
        plugin.add_tool(greet, input_schema={"type": "array"})
    assert plugin.declared.entries == []
    assert await listed(client, "tools") == []
    plugin.add_tool(greet)
    with pytest.raises(PluginError, match="both offer the tool 'greet'"):
        plugin.add_tool(greet)
    assert len(plugin.declared.entries) == 1


async def test_every_runtime_that_attached_hears_of_changes() -> None:
    plugin = Plugin("p")
    plugin.tool(greet)
    one, other = Client(plugin), Client(plugin)
    plugin.add_tool(greet_nobody)
    assert [len(await listed(client, "tools")) for client in (one, other)] == [2, 2]
    plugin.remove_tool("greet")
    assert [len(await listed(client, "tools")) for client in (one, other)] == [1, 1]


def test_a_sink_hears_what_is_declared_before_and_after_it_was_attached() -> None:
    plugin = Plugin("p")
    plugin.tool(greet)
    log = Log()
    plugin.attach(log)
    plugin.add_tool(greet_nobody)
    plugin.remove_tool("greet")
    plugin.resource_updated("a://b")
    assert [event for event, _ in log.told] == ["declare", "declare", "withdraw", "updated"]
    assert log.told[2:] == [("withdraw", ("tool", "greet")), ("updated", "a://b")]


async def test_an_updated_resource_is_told_to_those_who_asked() -> None:
    plugin = Plugin("p")
    client = Client(plugin)
    client.runtime.subscriptions.start()
    answer = await client.dispatch(
        client.call("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["a://b"]}})
    )
    assert isinstance(answer, Stream)
    plugin.resource_updated("a://other")
    await trio.to_thread.run_sync(plugin.resource_updated, "a://b")
    client.runtime.subscriptions.close()
    heard = [json.loads(message) async for message in answer.subscription.notifications()]
    assert [message["params"].get("uri") for message in heard] == [None, "a://b"]


def test_a_plugin_that_cannot_be_served_is_a_load_error_that_names_it() -> None:
    plugin = Plugin("weather")
    plugin.tool(name="no good")(greet)
    with pytest.raises(PluginLoadError, match=r"plugin 'weather' cannot be loaded: .*'no good'") as refused:
        build_runtime(Config(), (plugin,))
    assert refused.value.reference == "weather"
