"""What comes in on stdin: lines that are broken, long, many or odd, and the line after them, which still works."""

import json
from typing import Any

import anyio
import pytest

from mcp_runtime import Context, Plugin
from mcp_runtime.transports.stdio.lines import LineSplitter
from tests.support.clients import Client
from tests.support.messages import Message, encode, notification, request
from tests.support.settings import settings
from tests.support.stdio_client import StdioClient
from tests.support.wires import over

DISCOVER = encode(request("server/discover", id="next"))


def padded(size: int, id_: str = "padded") -> bytes:
    """A request whose line has just `size` bytes."""
    empty = len(encode(request("server/discover", {"pad": ""}, id=id_)))
    return encode(request("server/discover", {"pad": "x" * (size - empty)}, id=id_))


async def works(client: StdioClient) -> None:
    """The next line is served."""
    reply = await client.raw(DISCOVER)
    assert [message["id"] for message in reply.messages] == ["next"]
    assert "result" in reply.messages[0]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"}",
        b'{"jsonrpc":"2.0","id":1,"method":"server/discover"',
        b'{"jsonrpc":"2.0","id":1,"method":"server/discover"}}',
        b"Content-Length: 12",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf" + DISCOVER,
        b'{"id": NaN}',
        b"'single'",
        b"{'jsonrpc': '2.0'}",
        b'{"jsonrpc":"2.0","id":1e999,"method":"x"}',
        b"\x00" * 100,
    ],
)
@over("stdio")
async def test_broken_json_is_a_parse_error_and_the_next_line_works(client: StdioClient, line: bytes) -> None:
    reply = await client.raw(line)
    assert reply.error["code"] in {-32700, -32600}
    assert "id" not in reply.messages[0]
    await works(client)


@over("stdio", config=settings(limits={"max_line_bytes": 2048}))
async def test_a_line_of_just_the_limit_is_taken_and_one_byte_more_is_not(client: StdioClient) -> None:
    assert (await client.raw(padded(2048))).messages[0]["id"] == "padded"
    assert (await client.raw(padded(2048) + b"\r")).messages[0]["id"] == "padded"
    reply = await client.raw(padded(2049))
    assert reply.error["code"] == -32600
    assert "2048" in reply.error["message"]
    await works(client)


@over("stdio", config=settings(limits={"max_line_bytes": 2048}))
async def test_a_line_far_too_long_is_answered_once_and_never_kept(client: StdioClient) -> None:
    before = len(client.lines)
    for _ in range(100):
        await client.write(b"x" * 65_536)
        await client.settle()
    assert client.lines[before:] == []
    await client.raw(b"")
    assert len(client.lines) == before + 1
    await works(client)


def test_what_is_too_long_is_not_kept() -> None:
    splitter = LineSplitter(2048)
    for _ in range(100):
        assert list(splitter.feed(b"x" * 65_536)) == []
        assert splitter._begun is None or splitter._begun.getbuffer().nbytes <= 2049
    assert list(splitter.feed(b"\nnext\n")) == [None, b"next"]


@over("stdio")
async def test_empty_lines_are_no_messages(client: StdioClient) -> None:
    for line in (b"", b"\r", b"   ", b"\t\r", b"\n\n\n"):
        assert (await client.raw(line)).messages == []
    await works(client)


@over("stdio")
async def test_windows_line_ends_and_blanks_around_a_message_are_fine(client: StdioClient) -> None:
    for line in (DISCOVER + b"\r", b"  " + DISCOVER + b"\t "):
        assert len((await client.raw(line)).messages) == 1


@over("stdio")
async def test_a_message_may_come_in_single_bytes_and_several_in_one_piece(client: StdioClient) -> None:
    for byte in DISCOVER + b"\n":
        await client.write(bytes([byte]))
    await client.settle()
    assert client.lines[-1]["id"] == "next"
    before = len(client.lines)
    await client.write(b"".join(encode(request("server/discover", id=number)) + b"\n" for number in range(50)))
    await client.settle()
    assert sorted(message["id"] for message in client.lines[before:]) == list(range(50))


@over("stdio")
async def test_the_last_line_needs_no_line_end(client: StdioClient) -> None:
    await client.write(DISCOVER)
    await client.end_input()
    await client.ended.wait()
    await client.settle()
    assert client.lines[-1]["id"] == "next"


@pytest.mark.parametrize("depth", [500, 5_000, 500_000])
@pytest.mark.parametrize("version", ["2.0", "1.0"])
@over("stdio")
async def test_deep_nesting_is_an_error_and_nothing_worse(client: StdioClient, depth: int, version: str) -> None:
    body = encode({**request("tools/call", {"name": "nothing", "arguments": "HERE"}), "jsonrpc": version})
    reply = await client.raw(body.replace(b'"HERE"', b'{"a":' + b"[" * depth + b"]" * depth + b"}"))
    assert len(reply.messages) == 1
    await works(client)


@pytest.mark.parametrize("where", ["_meta", "arguments", "inputResponses"])
@pytest.mark.parametrize("depth", range(900, 1000, 11))
@over("stdio")
async def test_nesting_near_the_limit_of_python_is_answered_too(client: StdioClient, where: str, depth: int) -> None:
    deep: Any = "HERE"
    message = request(
        "tools/call", {"name": "greet", "arguments": {}, where: {"a": deep}} if where != "_meta" else {"name": "greet"}
    )
    if where == "_meta":
        message["params"]["_meta"]["x"] = deep
    reply = await client.raw(encode(message).replace(b'"HERE"', b"[" * depth + b"]" * depth))
    assert [found.get("id") for found in reply.messages] in ([1], [None])
    await works(client)


@over("stdio")
async def test_requests_are_served_at_once_and_answered_as_they_end(client: StdioClient) -> None:
    naps = [
        request("tools/call", {"name": "nap", "arguments": {"seconds": seconds}}, id=seconds)
        for seconds in (30, 20, 10)
    ]
    began = anyio.current_time()
    async with client.open(naps[0]) as a, client.open(naps[1]) as b, client.open(naps[2]) as c:
        for opened in (a, b, c):
            assert (await opened.answer()).text == "rested"
    assert anyio.current_time() - began == 30
    assert [message["id"] for message in client.lines] == [10, 20, 30]


@over("stdio")
async def test_an_id_that_is_in_use_is_refused_and_its_owner_goes_on(client: StdioClient) -> None:
    async with client.listen(id="one", toolsListChanged=True) as stream:
        await stream.next()
        assert (await client.tell(request("server/discover", id="one"))).error["code"] == -32600
        stream.arrived()
        await client.call("grow", {"kind": "tool", "name": "later"})
        assert (await stream.next())["method"] == "notifications/tools/list_changed"
    await client.settle()
    assert (await client.send(request("server/discover", id="one"))).result


@over("stdio", config=settings(limits={"max_concurrent_requests": 3}))
async def test_requests_beyond_the_limit_are_refused_and_later_ones_served(client: StdioClient) -> None:
    def nap(id_: int) -> Message:
        return request("tools/call", {"name": "nap", "arguments": {"seconds": 10}}, id=id_)

    async with client.open(nap(1)) as a, client.open(nap(2)) as b, client.open(nap(3)) as c:
        await client.settle()
        refused = await client.send(request("server/discover", id=4))
        assert refused.error["code"] == -32603
        for opened in (a, b, c):
            assert (await opened.answer()).text == "rested"
    assert (await client.send(request("server/discover", id=5))).result


@over("stdio")
async def test_notifications_are_never_answered(client: StdioClient) -> None:
    for method in ("notifications/cancelled", "notifications/initialized", "server/discover", "tools/call", "x", ""):
        odd: list[Any] = [{}, {"requestId": 1}, {"_meta": {}}, request("x")["params"], [1], None, "x"]
        for params in odd:
            told = {**notification(method), "params": params}
            assert (await client.tell(told)).messages == []
    await works(client)


@over("stdio")
async def test_a_handler_that_prints_disturbs_nothing_in_process(
    client: StdioClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await client.call("crash")
    assert capsys.readouterr().out == ""


def exiting_plugin(_: list[str]) -> Plugin[Any]:
    """Tools that try to take the server with them."""
    plugin = Plugin("exiting")

    @plugin.tool
    async def leave() -> str:
        """Call sys.exit."""
        raise SystemExit(3)

    @plugin.tool
    async def break_pipe() -> str:
        """Raise what a broken transport raises."""
        import trio

        raise trio.BrokenResourceError

    @plugin.tool
    async def many_errors(ctx: Context) -> str:
        """Fail in two tasks at once."""

        async def fail(text: str) -> None:
            raise ValueError(text)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail, "one")
            tasks.start_soon(fail, "two")
        return ctx.method

    @plugin.tool
    async def cancel_myself() -> str:
        """Cancel a scope of one's own."""
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.sleep(1)
        return "still here"

    @plugin.tool
    async def unserialisable() -> Any:
        """Return what is no JSON."""
        return {"x": object()}

    @plugin.tool
    async def not_a_number() -> dict[str, float]:
        """Return a number that JSON does not have."""
        return {"x": float("nan")}

    return plugin


@pytest.mark.parametrize(
    "tool", ["leave", "break_pipe", "many_errors", "cancel_myself", "unserialisable", "not_a_number"]
)
@over("http-trio", "http-asyncio", "stdio", plugin=exiting_plugin)
async def test_no_handler_takes_the_server_with_it(client: Client, tool: str) -> None:
    answer = await client.call(tool)
    assert (answer.text == "still here") or answer.result.get("isError") or json.dumps(answer.result, allow_nan=False)
    assert (await client.ask("server/discover")).result
