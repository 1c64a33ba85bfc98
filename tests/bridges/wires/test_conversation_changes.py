"""An old client hears of changes once it said that it is ready. Rule: of every list, and of what it subscribed to."""

import pytest

from tests.support.legacy_messages import INITIALIZED, REVISIONS, opening
from tests.support.raw_wires import RawWireClient, over_old_wires
from tests.support.settings import settings

UPDATED = "notifications/resources/updated"
TOOLS = "notifications/tools/list_changed"


async def heard(client: RawWireClient) -> list[tuple[str, str | None]]:
    """The changes that have come."""
    return [(message["method"], message["params"].get("uri")) for message in await client.arrived()]


@pytest.mark.parametrize("revision", REVISIONS)
@over_old_wires()
async def test_every_list_is_told_of(client: RawWireClient, revision: str) -> None:
    await client.open(revision)
    for kind, method in (("tool", "tools"), ("prompt", "prompts"), ("resource", "resources")):
        await client.tool("grow", kind=kind, name="extra")
        assert await heard(client) == [(f"notifications/{method}/list_changed", None)]
        await client.tool("shrink", kind=kind, name="extra")
        assert await heard(client) == [(f"notifications/{method}/list_changed", None)]


@over_old_wires()
async def test_a_resource_is_told_of_from_subscribing_to_unsubscribing(client: RawWireClient) -> None:
    await client.open()
    await client.tool("touch", uri="note://text")
    assert await heard(client) == []
    for _ in range(2):  # twice is once
        assert (await client.ask("resources/subscribe", {"uri": "note://text"}))["result"] == {}
    await client.tool("touch", uri="note://text")
    await client.tool("touch", uri="note://bytes")
    assert await heard(client) == [(UPDATED, "note://text")]
    for _ in range(2):
        assert (await client.ask("resources/unsubscribe", {"uri": "note://text"}))["result"] == {}
    await client.tool("touch", uri="note://text")
    assert await heard(client) == []
    assert len(client.runtime.subscriptions) == 1


@over_old_wires()
async def test_what_was_subscribed_to_before_the_client_was_ready_counts(client: RawWireClient) -> None:
    await client.say(opening())
    await client.response("init")
    await client.ask("resources/subscribe", {"uri": "note://text"})
    await client.tool("touch", uri="note://text")
    assert await heard(client) == []
    await client.say(INITIALIZED)
    await client.settle()
    await client.tool("touch", uri="note://text")
    assert await heard(client) == [(UPDATED, "note://text")]


@over_old_wires()
async def test_a_client_that_never_said_it_is_ready_hears_nothing(client: RawWireClient) -> None:
    await client.say(opening())
    await client.response("init")
    await client.tool("grow", kind="tool", name="extra")
    assert await heard(client) == []
    assert len(client.runtime.subscriptions) == 0


@over_old_wires(config=settings(limits={"max_subscription_uris": 2}))
async def test_subscriptions_are_bounded_at_the_exact_edge(client: RawWireClient) -> None:
    await client.open()
    for uri in ("a://1", "a://2", "a://2"):
        assert (await client.ask("resources/subscribe", {"uri": uri}))["result"] == {}
    error = (await client.ask("resources/subscribe", {"uri": "a://3"}))["error"]
    assert (error["code"], "2 URIs" in error["message"]) == (-32602, True)
    await client.ask("resources/unsubscribe", {"uri": "a://1"})
    assert (await client.ask("resources/subscribe", {"uri": "a://3"}))["result"] == {}


@over_old_wires(config=settings(limits={"max_subscriptions": 0}))
async def test_a_client_is_served_where_there_is_no_room_for_its_subscription(client: RawWireClient) -> None:
    await client.open()
    await client.ask("resources/subscribe", {"uri": "note://text"})
    await client.tool("touch", uri="note://text")
    assert await heard(client) == []


@over_old_wires()
async def test_a_client_that_does_not_read_is_told_of_each_change_once(client: RawWireClient) -> None:
    await client.open()
    await client.ask("resources/subscribe", {"uri": "note://text"})
    client.stall()
    for _ in range(4):
        await client.start_tool("touch", uri="note://text")
        await client.start_tool("grow", kind="tool", name="extra")
        await client.start_tool("shrink", kind="tool", name="extra")
        await client.settle()
    client.resume()
    changes = [message["method"] for message in await client.arrived() if "id" not in message]
    # One of each may have been on its way when it happened again.
    assert set(changes) == {UPDATED, TOOLS}
    assert len(changes) <= 4


@over_old_wires()
async def test_a_server_that_stops_tells_what_it_still_has_to_tell(client: RawWireClient) -> None:
    await client.open()
    await client.ask("resources/subscribe", {"uri": "note://text"})
    client.stall()
    for kind in ("tool", "prompt", "resource"):
        await client.start_tool("grow", kind=kind, name="extra")
    await client.start_tool("touch", uri="note://text")
    await client.settle()
    client.runtime.close_streams()
    await client.settle()
    client.resume()
    changes = {message["method"] for message in await client.arrived() if "id" not in message}
    assert changes == {UPDATED, TOOLS, "notifications/prompts/list_changed", "notifications/resources/list_changed"}
    assert len(client.runtime.subscriptions) == 0
