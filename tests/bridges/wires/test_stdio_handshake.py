"""`initialize` on stdin, beside what is modern. Rule: each message says for itself which era it is of."""

import json
from typing import Any

import pytest
import trio
import trio.testing

from mcp_bridges.gate.port import Refusal, Sighting
from mcp_runtime.config.sections import BridgesConfig, LegacyClientsConfig, StdioHandshakeConfig
from tests.support.legacy_messages import INITIALIZED, old, opening, result, text_of
from tests.support.messages import accepted, encode, notification, request
from tests.support.raw_wires import (
    Doorkeeper,
    RawStdioClient,
    RawWireClient,
    connected,
    made,
    old_stdio,
    over_old_wires,
)
from tests.support.settings import settings


def stdio(posture: Any, **clients: Any) -> BridgesConfig:
    """The bridges with this one's posture."""
    return BridgesConfig(stdio_handshake=StdioHandshakeConfig(posture=posture), clients=LegacyClientsConfig(**clients))


@over_old_wires("stdio")
async def test_a_client_may_probe_for_the_present_and_then_speak_the_past(client: RawWireClient) -> None:
    await client.say(request("server/discover", id="probe"))
    assert (await client.response("probe"))["result"]["supportedVersions"] == ["2026-07-28"]
    assert (await client.open())["protocolVersion"] == "2025-11-25"
    assert text_of(await client.tool("echo", text="old")) == "old"
    await client.say(request("tools/call", {"name": "echo", "arguments": {"text": "new"}}, id="modern"))
    found = await client.response("modern")
    assert (text_of(found), found["result"]["resultType"]) == ("new", "complete")
    assert "resultType" not in (await client.tool("echo", text="old"))["result"]


@over_old_wires("stdio")
async def test_both_eras_are_at_work_side_by_side_each_with_its_questions(client: RawWireClient) -> None:
    await client.open()
    params = {"name": "greet", "arguments": {}}
    await client.say(request("tools/call", params, id="new"), old("tools/call", params, id="old"))
    pushed = await client.question()
    asked = (await client.response("new"))["result"]
    assert asked["resultType"] == "input_required"
    await client.say(result(pushed["id"], accepted(name="Old")))
    assert text_of(await client.response("old")) == "Hello, Old!"
    answer = {"inputResponses": {"user_name": accepted(name="New")}, "requestState": asked["requestState"]}
    await client.say(request("tools/call", {**params, **answer}, id="retry"))
    assert text_of(await client.response("retry")) == "Hello, New!"


@over_old_wires("stdio")
async def test_everything_may_come_in_one_breath(client: RawWireClient) -> None:
    await client.say(
        opening(), INITIALIZED, old("tools/list", id=1), old("ping", id=2), request("server/discover", id=3)
    )
    assert {message["id"] for message in await client.arrived()} == {"init", 1, 2, 3}
    assert len(client.runtime.subscriptions) == 1


@over_old_wires("stdio", config=settings(bridges=stdio("off")))
async def test_where_the_bridge_is_off_the_past_is_unknown(client: RawWireClient) -> None:
    error = (await client.ask("initialize", {"protocolVersion": "2025-11-25"}))["error"]
    assert (error["code"], error["data"]["supported"]) == (-32022, ["2026-07-28"])
    assert (await client.ask("ping"))["error"]["code"] == -32602
    await client.say([old("ping")])
    assert (await client.arrived())[0]["error"]["code"] == -32600
    await client.say(request("server/discover", id="d"))
    assert "result" in await client.response("d")


@over_old_wires("stdio", config=settings(bridges=stdio("refuse", replacement_url="https://new.example/mcp")))
async def test_where_the_past_is_refused_the_client_is_told_where_to_go(client: RawWireClient) -> None:
    error = (await client.ask("initialize", {"protocolVersion": "2025-11-25"}))["error"]
    assert error["code"] == -32022
    assert error["data"] == {"supported": ["2026-07-28"], "replacement": "https://new.example/mcp"}
    assert "https://new.example/mcp" in error["message"]
    await client.say(INITIALIZED, notification("notifications/cancelled", {"requestId": 1}))
    assert await client.arrived() == []
    await client.say([old("ping")], result(7, {}))
    assert [(one.get("id"), one["error"]["code"]) for one in await client.arrived()] == [(None, -32022)] * 2
    await client.say(request("server/discover", id="d"))
    assert "result" in await client.response("d")


async def test_every_message_is_shown_to_the_gate(autojump_clock: trio.testing.MockClock) -> None:
    gate = Doorkeeper()
    async with connected("stdio", gate=gate) as client:
        await client.ask("ping")
        await client.open("2025-03-26")
        await client.say([old("ping")], result("q", {}))
        await client.say(request("server/discover", id="d"))
        await client.response("d")
    revision = "revision.2025-03-26"
    assert [(one.method, one.features, one.revision, one.opening) for one in gate.seen] == [
        ("ping", ("ping",), None, False),
        ("initialize", ("protocol.handshake", revision), "2025-03-26", True),
        ("notifications/initialized", (revision,), "2025-03-26", False),
        (None, ("jsonrpc.batch", revision), "2025-03-26", False),
        (None, (revision,), "2025-03-26", False),
        ("ping", ("ping",), "2025-03-26", False),  # The batch is served beside what comes next.
    ]
    assert [one.client.name for one in gate.seen] == [None, *["old-client"] * 5]
    assert {one.client.transport for one in gate.seen} == {"stdio"}


async def test_an_initialize_that_cannot_be_read_is_shown_to_the_gate_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate = Doorkeeper()
    async with connected("stdio", gate=gate) as client:
        assert (await client.ask("initialize", {"protocolVersion": 7}))["error"]["code"] == -32602
    assert [(one.method, one.client.name, one.revision) for one in gate.seen] == [("initialize", None, None)]


async def test_a_gate_may_refuse_single_messages(autojump_clock: trio.testing.MockClock) -> None:
    def refuses(sighting: Sighting) -> Refusal | None:
        gone = Refusal(status=410, code=-32603, message="gone", data={"sunset": "2027-07-28"})
        return gone if "feature.logging" in sighting.features else None

    async with connected("stdio", gate=Doorkeeper(refuses)) as client:
        await client.open()
        error = (await client.ask("logging/setLevel", {"level": "info"}))["error"]
        assert error == {"code": -32603, "message": "gone", "data": {"sunset": "2027-07-28"}}
        assert (await client.ask("ping"))["result"] == {}


async def ended_after(client: RawStdioClient) -> float:
    """Seconds from the end of the input to the end of the server."""
    left_at = trio.current_time()
    await client.leave()
    await client.ended.wait()
    return trio.current_time() - left_at


async def test_the_end_of_input_ends_a_conversation_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with old_stdio(made(settings(), []), []) as client:
        await client.open()
        await client.ask("resources/subscribe", {"uri": "note://text"})
        assert await ended_after(client) == 0


async def test_an_end_right_behind_the_opening_is_an_end(autojump_clock: trio.testing.MockClock) -> None:
    async with old_stdio(made(settings(), []), []) as client:
        await client.say(opening(), INITIALIZED)
        assert await ended_after(client) == 0
        assert (await client.response("init"))["result"]["protocolVersion"] == "2025-11-25"


async def test_a_call_at_work_at_the_end_gets_its_grace(autojump_clock: trio.testing.MockClock) -> None:
    async with old_stdio(made(settings(stdio={"eof_grace_s": 10.0}), []), []) as client:
        await client.open()
        call = await client.start_tool("nap", seconds=7)
        assert await ended_after(client) == 7
        assert text_of(await client.response(call)) == "rested"


async def test_a_question_that_nobody_can_answer_any_more_holds_the_server_no_longer_than_that(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with old_stdio(made(settings(stdio={"eof_grace_s": 2.0}), []), []) as client:
        await client.open()
        await client.start_tool("greet")
        await client.question()
        assert await ended_after(client) <= 2
        assert await client.arrived() == []
        assert client.runtime.dispatcher.at_work == 0


async def test_a_client_that_reads_no_more_ends_the_conversation(autojump_clock: trio.testing.MockClock) -> None:
    async with old_stdio(made(settings(), []), []) as client:
        await client.open()
        client.stall()
        await client.start_tool("nap", seconds=100)
        for number in range(3):
            await client.start_tool("echo", id=number, text="unread")
        assert await ended_after(client) <= 0.5


async def test_a_stop_ends_it_as_the_end_of_input_does(autojump_clock: trio.testing.MockClock) -> None:
    async with old_stdio(made(settings(), []), []) as client:
        await client.open()
        client.server.stop()
        with trio.fail_after(1):
            await client.ended.wait()


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        (b"", []),
        (b"  ", []),
        (b"{", [(None, -32700)]),
        (b"5", [(None, -32600)]),
        (b"[", [(None, -32600)]),
        (b"\xff", [(None, -32700)]),
        (b'{"id":1}', [(1, -32600)]),
        (b'{"jsonrpc":"2.0","id":[],"method":"x"}', [(None, -32600)]),
    ],
)
@over_old_wires("stdio")
async def test_whatever_a_line_is_the_next_one_works(
    client: RawWireClient, line: bytes, answers: list[tuple[object, int]]
) -> None:
    await client.open()
    await client.say(line)
    assert [(message.get("id"), message["error"]["code"]) for message in await client.arrived()] == answers
    assert (await client.ask("ping"))["result"] == {}


@over_old_wires("stdio", config=settings(limits={"max_line_bytes": 2000}))
async def test_a_line_too_long_is_skipped_in_the_middle_of_a_question(client: RawWireClient) -> None:
    await client.open()
    call = await client.start_tool("greet")
    question = await client.question()
    await client.say(result(question["id"], accepted(name="A" * 3000)))
    (error,) = await client.arrived()
    assert (error["error"]["code"], "longer than 2000" in error["error"]["message"]) == (-32600, True)
    await client.say(result(question["id"], accepted(name="Ada")))
    assert text_of(await client.response(call)) == "Hello, Ada!"


async def test_nothing_but_json_lines_reaches_the_output(autojump_clock: trio.testing.MockClock) -> None:
    async with old_stdio(made(settings(), []), []) as client:
        await client.open()
        text = "two\nlines \u2028 and a \r return"
        assert text_of(await client.tool("echo", text=text)) == text
        await client.say(encode(old("tools/call", {"name": "echo", "arguments": {"text": "spaced"}}, id=1)) + b" \r")
        assert json.dumps(await client.response(1)).count("spaced") == 1
