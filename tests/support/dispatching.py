"""Servers for tests of the dispatcher, and what a request to them comes to. Rule: what two such tests need stands here."""

import re
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from mcp_runtime import Context, Plugin, SyncContext
from tests.support.dispatcher_client import Client, RpcError
from tests.support.messages import PREFIX

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


def serving(fn: Callable[..., Any], **sections: Any) -> Client:
    """A client of a server with this one tool."""
    plugin = Plugin("demo")
    plugin.add_tool(fn, name="tool")
    return Client(plugin, **sections)


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


async def error_of(client: Client, method: str, params: dict[str, Any] | None = None, **options: Any) -> RpcError:
    with pytest.raises(RpcError) as refused:
        await client.request(method, params, **options)
    return refused.value


def completion(name: str, value: str = "", argument: str = "lang", kind: str = "ref/prompt") -> dict[str, Any]:
    key = "name" if kind == "ref/prompt" else "uri"
    return {"ref": {"type": kind, key: name}, "argument": {"name": argument, "value": value}}


def raising(error: BaseException) -> Callable[..., Any]:
    async def tool() -> None:
        raise error

    return tool


async def fails() -> None:
    raise ValueError(SECRET)


async def slow(seconds: float = 3600) -> str:
    await anyio.sleep(seconds)
    return "done"
