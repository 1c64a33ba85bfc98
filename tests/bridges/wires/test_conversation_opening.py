"""How an old conversation begins, and how it begins wrong. Rule: nothing that a client sends ends the conversation."""

from typing import Any

import pytest

from mcp_bridges.attach import AttachedBridges
from mcp_runtime.telemetry.log import call_fields
from tests.support.legacy_messages import ABLE, INITIALIZED, REVISIONS, old, opening, text_of
from tests.support.messages import request
from tests.support.raw_wires import SSE, RawWireClient, Wire, made, old_http, old_sse, on_wire, over_old_wires
from tests.support.settings import settings


@pytest.mark.parametrize("revision", REVISIONS)
@over_old_wires()
async def test_the_client_gets_the_revision_it_asks_for(client: RawWireClient, revision: str) -> None:
    answer = await client.open(revision)
    assert answer["protocolVersion"] == revision
    assert (answer["serverInfo"]["name"], answer["serverInfo"]["version"]) == ("test-server", "1.2.3")
    assert answer["instructions"] == "Call echo to hear yourself."
    assert {"tools", "resources", "prompts"} <= set(answer["capabilities"])
    assert not {"_meta", "resultType", "supportedVersions", "ttlMs"} & set(answer)


@pytest.mark.parametrize("revision", ["2026-07-28", "2099-01-01", "1.0", "", "2024-11-05 "])
@over_old_wires()
async def test_another_revision_becomes_the_newest_of_the_old_ones(client: RawWireClient, revision: str) -> None:
    assert (await client.open(revision))["protocolVersion"] == "2025-11-25"


@over_old_wires(config=settings(server={"expose_server_info": False}))
async def test_who_serves_is_not_said_where_the_operator_does_not_want_it(client: RawWireClient) -> None:
    assert (await client.open())["serverInfo"] == {"name": "server", "version": "0"}


@pytest.mark.parametrize("params", [None, {}, {"protocolVersion": 7}, {"protocolVersion": None}])
@over_old_wires()
async def test_an_initialize_without_a_revision_is_minus_32602(client: RawWireClient, params: Any) -> None:
    error = (await client.ask("initialize", params))["error"]
    assert error["code"] == -32602
    assert "$" not in error["message"]
    await client.open()  # and the client may try again


@pytest.mark.parametrize(
    "changes",
    [
        {"capabilities": None},
        {"capabilities": []},
        {"capabilities": "all"},
        {"capabilities": {"elicitation": True, "sampling": [], "roots": None, "experimental": 1}},
        {"capabilities": {"elicitation": {"form": 1, "url": []}, "sampling": {"tools": "yes"}}},
        {"capabilities": {"experimental": {"a": 1, "b": {"deep": [{}] * 9}}, "extensions": {"x": 1}}},
        {"clientInfo": None},
        {"clientInfo": []},
        {"clientInfo": {"name": 5, "version": {}}},
        {"clientInfo": {"name": "", "version": ""}},
        {"clientInfo": {"name": "n" * 100_000, "version": "v" * 100_000}},
        {"clientInfo": {"name": "\u0000\n\U0001f980", "version": "\u2028"}},
        {"extra": {"what": "ever"}, "_meta": "none"},
    ],
)
@over_old_wires()
async def test_what_a_client_says_of_itself_in_the_wrong_shape_does_no_harm(
    client: RawWireClient, changes: dict[str, Any]
) -> None:
    await client.open(**changes)
    known = (await client.tool("about_me"))["result"]["structuredContent"]
    assert known["client"] is None or len(known["client"]) <= 128
    assert known["version"] == "2026-07-28"


@over_old_wires()
async def test_a_client_is_known_by_the_name_it_gave(client: RawWireClient) -> None:
    await client.open(clientInfo={"name": "x" * 128 + "y", "version": "1"})
    assert (await client.tool("about_me"))["result"]["structuredContent"]["client"] == "x" * 128


@over_old_wires()
async def test_the_last_initialize_counts(client: RawWireClient) -> None:
    await client.open("2025-11-25")
    assert "outputSchema" in str(await client.ask("tools/list"))
    answer = await client.open("2024-11-05", clientInfo={"name": "second", "version": "2"}, capabilities={})
    assert answer["protocolVersion"] == "2024-11-05"
    assert "outputSchema" not in str(await client.ask("tools/list"))
    assert '"second"' in (await client.tool("about_me"))["result"]["content"][0]["text"]
    assert "elicitation" in (await client.tool("greet"))["error"]["message"]


@over_old_wires()
async def test_an_initialize_that_fails_changes_nothing(client: RawWireClient) -> None:
    await client.open("2025-03-26", capabilities=ABLE)
    assert (await client.ask("initialize", {"protocolVersion": 1}))["error"]["code"] == -32602
    await client.say([old("ping", id=7)])
    assert (await client.take(lambda message: isinstance(message, list))) == [{"jsonrpc": "2.0", "id": 7, "result": {}}]


@over_old_wires("stdio")
async def test_before_initialize_a_client_may_ping_and_no_more(client: RawWireClient) -> None:
    assert (await client.ask("ping"))["result"] == {}
    for method in ("tools/list", "tools/call", "logging/setLevel", "resources/subscribe", "no/such"):
        error = (await client.ask(method))["error"]
        assert error["code"] == -32602
        assert error["message"].startswith(f"Invalid params: {method} came before initialize")
    await client.open()
    assert "result" in await client.ask("tools/list")


@over_old_wires(*SSE)
async def test_a_stream_that_was_opened_again_works_without_initialize(client: RawWireClient) -> None:
    # What clients do whose stream broke: they open another one and go on.
    assert len((await client.ask("tools/list"))["result"]["tools"]) > 5
    assert (await client.tool("echo", text="still here"))["result"]["content"][0]["text"] == "still here"
    assert "elicitation" in (await client.tool("greet"))["error"]["message"]


@over_old_wires("stdio")
async def test_initialized_before_initialize_means_nothing(client: RawWireClient) -> None:
    await client.say(INITIALIZED)
    await client.settle()
    assert len(client.runtime.subscriptions) == 0
    await client.open()
    assert len(client.runtime.subscriptions) == 1


@over_old_wires()
async def test_initialized_twice_listens_once(client: RawWireClient) -> None:
    await client.open()
    await client.say(INITIALIZED, INITIALIZED)
    await client.settle()
    assert len(client.runtime.subscriptions) == 1


@over_old_wires()
async def test_notifications_that_mean_nothing_are_taken_in_silence(client: RawWireClient) -> None:
    await client.open()
    for method in ("notifications/roots/list_changed", "notifications/progress", "notifications/x", "tools/list"):
        await client.say({"jsonrpc": "2.0", "method": method, "params": [1, "odd"]})
    assert await client.arrived() == []
    assert (await client.ask("ping"))["result"] == {}


@over_old_wires(config=settings(limits={"max_concurrent_requests": 1}))
async def test_initialize_while_the_client_has_its_requests_at_work_is_told_to_wait(client: RawWireClient) -> None:
    await client.open()
    nap = await client.start_tool("nap", seconds=5)
    await client.settle()
    await client.say(opening(id="again"))
    error = (await client.response("again"))["error"]
    assert error["code"] == -32603
    assert "at work" in error["message"]
    assert text_of(await client.response(nap)) == "rested"
    await client.open()


@over_old_wires("stdio", config=settings(limits={"max_concurrent_requests": 1}))
async def test_initialize_while_others_have_the_server_at_work_is_told_to_wait(client: RawWireClient) -> None:
    await client.say(request("tools/call", {"name": "nap", "arguments": {"seconds": 5}}, id="modern"))
    await client.settle()
    await client.say(opening())
    error = (await client.response("init"))["error"]
    assert error == {"code": -32603, "message": "The server has its 1 requests at work; try again"}
    await client.response("modern")
    await client.open()


@pytest.mark.parametrize("wire", SSE)
def test_initialize_over_sse_while_others_have_the_server_at_work_is_told_to_wait(wire: Wire) -> None:
    async def test() -> None:
        config = settings(limits={"max_concurrent_requests": 1})
        async with old_http(config) as http, old_sse(http) as one, old_sse(http) as other:
            nap = await one.start_tool("nap", seconds=5)
            await one.settle()
            await other.say(opening())
            assert (await other.response("init"))["error"]["code"] == -32603
            await one.response(nap)
            await other.open()

    on_wire(wire, test)


async def test_what_is_logged_after_initialize_is_logged_under_no_discovery() -> None:
    runtime = made(settings(), [])
    assert isinstance(runtime.bridges, AttachedBridges)
    async with runtime.running():
        assert "capabilities" in await runtime.bridges._discover()
    assert call_fields.current_fields() == {}
