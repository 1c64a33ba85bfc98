"""The plugins served by the command itself, over both transports, to the official Python client."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types
import pytest
import trio
from mcp import Client, StdioServerParameters
from mcp.client.subscriptions import ResourceUpdated, ToolsListChanged

from mcp_plugins.sqlite.sample import write_sample

pytestmark = [
    pytest.mark.process,
    pytest.mark.clients,
    # The client leaves the generators of a response that it read to its last event to the garbage collector.
    pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <async_generator:pytest.PytestUnraisableExceptionWarning"),
]

# Generous: CI runs these beside everything else. Nothing waits this long unless it hangs.
DEADLINE_S = 60

URL = re.compile(rb"http://127\.0\.0\.1:\d+/mcp")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mcp_runtime.cli", "serve", *arguments]


def environment(state: Path) -> dict[str, str]:
    return {**os.environ, "XDG_STATE_HOME": str(state)}


@asynccontextmanager
async def served_over_http(directory: Path, *arguments: str) -> AsyncGenerator[str]:
    """Start the server as a process on a free port; the URL it says it listens on. It must end well when asked to."""
    process = await trio.lowlevel.open_process(
        command("--bind", "127.0.0.1:0", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=directory,
        env=environment(directory),
    )
    try:
        assert process.stdout is not None
        said = b""
        while not (found := URL.search(said)):
            more = await process.stdout.receive_some()
            assert more, said.decode()
            said += more
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_drain, process.stdout)
            yield found[0].decode()
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        process.kill()  # harmless once it has ended


async def _drain(stream: trio.abc.ReceiveStream) -> None:
    async for _ in stream:
        pass


def over_stdio(directory: Path, *arguments: str) -> StdioServerParameters:
    program, *rest = command("--stdio", *arguments)
    return StdioServerParameters(command=program, args=rest, env=environment(directory), cwd=str(directory))


async def agree(context: object, params: Any) -> mcp_types.ElicitResult:
    """A user who reads what they are asked, and agrees to delete from order_items only."""
    agreed = "DELETE FROM order_items" in params.message
    return mcp_types.ElicitResult(action="accept" if agreed else "decline", content={"run": True} if agreed else None)


async def look_around(client: Client) -> None:
    """What a model does with an unknown database."""
    tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == ["list_tables", "describe_table", "query"]
    tables = (await client.call_tool("list_tables", {})).structured_content
    assert tables is not None
    assert "orders" in [table["name"] for table in tables["tables"]]
    sql = "SELECT status, count(*) FROM orders WHERE id > ? GROUP BY status ORDER BY 2 DESC"
    result = await client.call_tool("query", {"sql": sql, "parameters": [0]})
    assert result.structured_content is not None
    assert result.structured_content["rows"][0][0] == "shipped"
    refused = await client.call_tool("query", {"sql": "DROP TABLE orders"})
    assert refused.is_error
    contents = (await client.read_resource("sqlite://tables/customers")).contents[0]
    assert isinstance(contents, mcp_types.TextResourceContents)
    assert "@example.com" in contents.text


async def test_the_sample_shop_over_http(tmp_path: Path) -> None:
    with trio.fail_after(DEADLINE_S):
        async with served_over_http(tmp_path, "--plugin", "mcp_plugins.sqlite") as url, Client(url) as client:
            await look_around(client)


async def test_the_sample_shop_over_stdio(tmp_path: Path) -> None:
    with trio.fail_after(DEADLINE_S):
        async with Client(over_stdio(tmp_path, "--plugin", "mcp_plugins.sqlite")) as client:
            await look_around(client)


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_a_user_is_asked_before_a_change_and_subscribers_hear_of_it(tmp_path: Path, transport: str) -> None:
    write_sample(tmp_path / "shop.db")
    config = '[plugins]\nload = ["sqlite"]\n[plugin.sqlite]\ndatabase = "shop.db"\nallow_writes = true\n'
    (tmp_path / "config.toml").write_text(config)
    with trio.fail_after(DEADLINE_S):
        if transport == "stdio":
            async with Client(over_stdio(tmp_path), elicitation_callback=agree) as client:
                await change_the_shop(client)
        else:
            async with served_over_http(tmp_path) as url, Client(url, elicitation_callback=agree) as client:
                await change_the_shop(client)


async def change_the_shop(client: Client) -> None:
    async with client.listen(resource_subscriptions=["sqlite://tables/order_items"]) as heard:
        declined = await client.call_tool("execute", {"sql": "DELETE FROM customers WHERE id = 1"})
        assert declined.is_error
        sql = "DELETE FROM order_items WHERE order_id = :order"
        done = await client.call_tool("execute", {"sql": sql, "parameters": {"order": 1}})
        assert done.structured_content is not None
        assert done.structured_content["rows_affected"] > 0
        assert await anext(aiter(heard)) == ResourceUpdated(uri="sqlite://tables/order_items")
    left = await client.call_tool("query", {"sql": "SELECT count(*) FROM order_items WHERE order_id = 1"})
    assert left.structured_content is not None
    assert left.structured_content["rows"] == [[0]]


async def fill_in(context: object, params: Any) -> mcp_types.ElicitResult:
    return mcp_types.ElicitResult(action="accept", content={"name": "Alice"})


async def sample(context: object, params: Any) -> mcp_types.CreateMessageResult:
    content = mcp_types.TextContent(type="text", text="Hello,")
    return mcp_types.CreateMessageResult(role="assistant", model="test", content=content)


async def roots(context: object) -> mcp_types.ListRootsResult:
    return mcp_types.ListRootsResult.model_validate({"roots": [{"uri": "file:///work"}]})


def curious(server: str | StdioServerParameters) -> Client:
    return Client(server, elicitation_callback=fill_in, sampling_callback=sample, list_roots_callback=roots)


async def try_everything(client: Client) -> None:
    """A tool of each kind, the ones that ask included."""
    tools = (await client.list_tools()).tools
    assert tools[0].name == "test_simple_text"
    several = await client.call_tool("test_input_required_result_multiple_inputs", {})
    assert isinstance(several.content[0], mcp_types.TextContent)
    assert several.content[0].text == "Hello, Alice works in 1 root(s)."
    steps: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    await client.call_tool("test_tool_with_progress", {}, progress_callback=on_progress)
    assert steps == [0, 50, 100]
    async with client.listen(tools_list_changed=True) as heard:
        await client.call_tool("test_trigger_tool_change", {})
        assert await anext(aiter(heard)) == ToolsListChanged()


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_everything_to_a_client_that_can_answer(tmp_path: Path, transport: str) -> None:
    plugin = ("--plugin", "mcp_plugins.everything")
    with trio.fail_after(DEADLINE_S):
        if transport == "stdio":
            async with curious(over_stdio(tmp_path, *plugin)) as client:
                await try_everything(client)
        else:
            async with served_over_http(tmp_path, *plugin) as url, curious(url) as client:
                await try_everything(client)
