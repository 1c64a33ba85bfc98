"""stdio. Rule: each test shows a demand of 2026-07-28/basic/transports/stdio; how it holds up is in tests/transports."""

from typing import Any

import anyio
import msgspec
import pytest

from mcp_runtime import Plugin, ToolResult
from tests.support import official
from tests.support.clients import Client
from tests.support.messages import LOG_LEVEL, PROTOCOL_VERSION, VERSION, accepted, request, sampled
from tests.support.stdio_client import StdioClient
from tests.support.wires import over


def talkative_plugin(_: list[str]) -> Plugin[Any]:
    """Tools whose results have line breaks wherever they can."""
    plugin = Plugin("talkative")

    @plugin.tool
    async def lines() -> str:
        """Text."""
        return "one\ntwo\r\nthree\u2028four\x85"

    @plugin.tool
    async def pretty() -> ToolResult:
        """JSON that somebody has indented."""
        return ToolResult(structured_content=msgspec.Raw(b'{\n  "a": [\r\n    1\n  ]\n}'), meta={"a\nb": "c\nd"})

    return plugin


@pytest.mark.spec("basic/transports/stdio#top", "one-line")
@over("stdio", plugin=talkative_plugin)
async def test_text_of_several_lines_travels_on_one(client: Client) -> None:
    assert (await client.call("lines")).text == "one\ntwo\r\nthree\u2028four\x85"


@pytest.mark.spec("basic/transports/stdio#top", "one-line")
@over("stdio", plugin=talkative_plugin)
async def test_json_that_came_indented_travels_on_one_line(client: Client) -> None:
    assert (await client.call("pretty")).result["structuredContent"] == {"a": [1]}


@pytest.mark.spec("basic/transports/stdio#top", "only-messages")
@over("stdio")
async def test_every_line_of_the_output_is_a_message(client: StdioClient) -> None:
    for line in (b"", b"   ", b"{", b"[]", b"\0", b"null", b'{"jsonrpc":"2.0","id":1,"result":{}}', b"\xff\xfe"):
        await client.raw(line)
    await client.call("crash")
    await client.call("chat", extra_meta={LOG_LEVEL: "debug"})
    await client.call("survey")
    for message in client.lines:
        official.check_message(message)


@pytest.mark.spec("basic/transports/stdio#sending-messages", "responses-refused")
@over("stdio")
async def test_a_response_on_stdin_disturbs_nothing(client: Client) -> None:
    for response in (
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": "x", "error": {"code": -1, "message": "no"}},
        {"jsonrpc": "2.0", "error": {"code": -1, "message": "no"}},
    ):
        assert (await client.tell(response)).error["code"] == -32600
    await client.ask("server/discover")


@pytest.mark.spec("basic/transports/stdio#receiving-messages", "no-requests")
@over("stdio")
async def test_a_whole_conversation_has_no_request_of_the_server_in_it(client: StdioClient) -> None:
    asked = await client.call("interview")
    asked = await client.retry(asked, {"name": accepted(name="Ada")})
    await client.retry(asked, {"taste": accepted(colour="blue")})
    await client.retry(await client.call("think"), {"capital": sampled("Paris")})
    async with client.listen(toolsListChanged=True):
        await client.call("grow", {"kind": "tool", "name": "later"})
    assert [message for message in client.lines if "method" in message and "id" in message] == []


@pytest.mark.spec("basic/transports/stdio#receiving-messages", "subscription-id")
@over("stdio")
async def test_notifications_of_several_subscriptions_can_be_told_apart(client: Client) -> None:
    async with (
        client.listen(id=1, toolsListChanged=True) as number,
        client.listen(id="1", promptsListChanged=True) as text,
    ):
        await number.next()
        await text.next()
        await client.call("grow", {"kind": "tool", "name": "later"})
        await client.call("grow", {"kind": "prompt", "name": "later"})
        await client.settle()
        assert [message["method"] for message in number.arrived()] == ["notifications/tools/list_changed"]
        assert [message["method"] for message in text.arrived()] == ["notifications/prompts/list_changed"]


@pytest.mark.spec("basic/transports/stdio#cancellation", "stops")
@pytest.mark.parametrize("id_", [17, "seventeen"])
@over("stdio")
async def test_work_on_a_cancelled_request_stops(client: Client, id_: Any) -> None:
    began = anyio.current_time()
    async with client.open(request("tools/call", {"name": "nap", "arguments": {}}, id=id_)) as opened:
        await client.settle()
        await opened.cancel()
        await client.settle()
        assert client.journal == ["started", "nap began", "nap cancelled"]
        assert opened.arrived() == []
    assert anyio.current_time() == began


@pytest.mark.spec("basic/transports/stdio#cancellation", "silence")
@pytest.mark.parametrize("tool", ["nap", "stubborn", "tidy", "slow_count"])
@over("stdio")
async def test_nothing_more_is_sent_for_a_cancelled_request(client: StdioClient, tool: str) -> None:
    message = request(
        "tools/call", {"name": tool, "arguments": {}}, extra_meta={"progressToken": 1, LOG_LEVEL: "debug"}
    )
    async with client.open(message) as opened:
        await client.settle()
        opened.arrived()
        before = len(client.lines)
        await opened.cancel()
        await anyio.sleep(5000)
        assert client.lines[before:] == []


@pytest.mark.spec("basic/transports/stdio#shutdown", "end-of-input")
@over("stdio")
async def test_the_server_ends_soon_after_its_input(client: StdioClient) -> None:
    async with (
        client.open(request("tools/call", {"name": "nap", "arguments": {}})),
        client.listen(toolsListChanged=True),
    ):
        await client.settle()
        ended = anyio.current_time()
        await client.end_input()
        await client.ended.wait()
        assert anyio.current_time() - ended <= 1
    assert "nap cancelled" in client.journal


@pytest.mark.spec("basic/transports/stdio#backward-compatibility", "probe")
@over("stdio")
async def test_the_probe_of_a_client_of_both_eras_is_answered(client: Client) -> None:
    newer = await client.ask("server/discover", extra_meta={PROTOCOL_VERSION: "2027-01-01"})
    assert newer.refused(-32022)["data"]["supported"] == [VERSION]
    assert (await client.ask("server/discover")).result["supportedVersions"] == [VERSION]
