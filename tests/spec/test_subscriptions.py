"""subscriptions/listen. Rule: each test shows a demand of 2026-07-28/basic/patterns/subscriptions."""

from typing import Any

import anyio
import pytest

from tests.support import official
from tests.support.clients import Client
from tests.support.messages import LOG_LEVEL, Message, request
from tests.support.settings import settings
from tests.support.wires import EVERY_WIRE, over

ALL: Message = {
    "toolsListChanged": True,
    "promptsListChanged": True,
    "resourcesListChanged": True,
    "resourceSubscriptions": ["note://text"],
}


async def change_everything(client: Client, name: str = "later") -> None:
    """Make one change of each kind."""
    for kind in ("tool", "prompt", "resource"):
        await client.call("grow", {"kind": kind, "name": name})
    await client.call("touch", {"uri": "note://text"})


@pytest.mark.spec("basic/patterns/subscriptions#opening-a-stream", "only-requested")
@pytest.mark.parametrize(
    ("wanted", "methods"),
    [
        ({}, []),
        ({"toolsListChanged": True}, ["notifications/tools/list_changed"]),
        ({"promptsListChanged": True}, ["notifications/prompts/list_changed"]),
        ({"resourcesListChanged": True}, ["notifications/resources/list_changed"]),
        ({"resourceSubscriptions": ["note://text"]}, ["notifications/resources/updated"]),
        ({"resourceSubscriptions": ["note://other", "note://tex", "NOTE://text"]}, []),
        ({"toolsListChanged": False, "resourceSubscriptions": []}, []),
        (
            ALL,
            [
                "notifications/tools/list_changed",
                "notifications/prompts/list_changed",
                "notifications/resources/list_changed",
                "notifications/resources/updated",
            ],
        ),
    ],
)
@over(*EVERY_WIRE)
async def test_only_what_was_asked_for_is_sent(client: Client, wanted: Message, methods: list[str]) -> None:
    async with client.listen(**wanted) as stream:
        await stream.next()
        await change_everything(client)
        await client.settle()
        heard = stream.arrived()
        assert [message["method"] for message in heard] == methods
        assert all(message["params"].get("uri", "note://text") == "note://text" for message in heard)


@pytest.mark.spec("basic/patterns/subscriptions#opening-a-stream", "only-requested")
@over(*EVERY_WIRE)
async def test_progress_and_log_messages_are_not_for_a_subscription(client: Client) -> None:
    extra = {"progressToken": "p", LOG_LEVEL: "debug"}
    async with client.open(request("subscriptions/listen", {"notifications": ALL}, id="s", extra_meta=extra)) as stream:
        await stream.next()
        await client.call("count", extra_meta={"progressToken": "q"})
        await client.call("chat", extra_meta={LOG_LEVEL: "debug"})
        await client.settle()
        assert stream.arrived() == []


@pytest.mark.spec("basic/patterns/subscriptions#acknowledgment", "first")
@pytest.mark.parametrize("id_", [1, 1795366308710, "listen-1", ""])
@over(*EVERY_WIRE)
async def test_the_acknowledgment_comes_first_and_at_once(client: Client, id_: Any) -> None:
    began = anyio.current_time()
    async with client.listen(id=id_, toolsListChanged=True) as stream:
        await client.settle()
        await change_everything(client)
        first = await stream.next()
        assert first["method"] == "notifications/subscriptions/acknowledged"
        assert official.subscription_id(first) == id_
        assert (await stream.next())["method"] == "notifications/tools/list_changed"
    assert anyio.current_time() - began < 1


@pytest.mark.spec("basic/patterns/subscriptions#acknowledgment", "subset")
@pytest.mark.parametrize(
    ("wanted", "acknowledged"),
    [
        (ALL, ALL),
        ({"toolsListChanged": True}, {"toolsListChanged": True}),
        ({"resourceSubscriptions": ["note://a", "note://b"]}, {"resourceSubscriptions": ["note://a", "note://b"]}),
        ({"toolsListChanged": True, "tasksChanged": True, "other": [1]}, {"toolsListChanged": True}),
        ({"toolsListChanged": False, "promptsListChanged": True}, {"promptsListChanged": True}),
        ({}, {}),
    ],
)
@over(*EVERY_WIRE)
async def test_the_acknowledgment_names_what_will_be_sent(
    client: Client, wanted: Message, acknowledged: Message
) -> None:
    async with client.listen(**wanted) as stream:
        assert (await stream.next())["params"]["notifications"] == acknowledged


@pytest.mark.spec("basic/patterns/subscriptions#acknowledgment", "subset")
@over(*EVERY_WIRE)
async def test_what_is_acknowledged_is_what_discover_declares(client: Client) -> None:
    capabilities = (await client.ask("server/discover")).result["capabilities"]
    async with client.listen(**ALL) as stream:
        honoured = (await stream.next())["params"]["notifications"]
    assert capabilities["tools"].get("listChanged", False) == honoured.get("toolsListChanged", False)
    assert capabilities["prompts"].get("listChanged", False) == honoured.get("promptsListChanged", False)
    assert capabilities["resources"].get("listChanged", False) == honoured.get("resourcesListChanged", False)
    assert capabilities["resources"].get("subscribe", False) == bool(honoured.get("resourceSubscriptions"))


@pytest.mark.spec("basic/patterns/subscriptions#opening-a-stream", "only-requested")
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"notifications": None},
        {"notifications": []},
        {"notifications": {"toolsListChanged": 1}},
        {"notifications": {"resourceSubscriptions": [7]}},
    ],
)
@over(*EVERY_WIRE)
async def test_a_filter_that_is_none_is_refused(client: Client, params: Message) -> None:
    (await client.ask("subscriptions/listen", params)).refused(-32602)


@pytest.mark.spec("basic/patterns/subscriptions#receiving-notifications", "tagged")
@pytest.mark.parametrize("id_", [7, "7", 0])
@over(*EVERY_WIRE)
async def test_everything_on_the_stream_carries_the_id_as_it_was_written(client: Client, id_: Any) -> None:
    async with client.listen(id=id_, **ALL) as stream:
        heard = [await stream.next()]
        await change_everything(client)
        heard += [await stream.next() for _ in range(4)]
        client.runtime.subscriptions.close()
        heard.append((await stream.answer()).response)
    ids = [official.subscription_id(message) for message in heard]
    assert ids == [id_] * 6
    assert {type(found) for found in ids} == {type(id_)}


@pytest.mark.spec("basic/patterns/subscriptions#receiving-notifications", "tagged")
@over(*EVERY_WIRE)
async def test_a_change_that_happens_again_is_told_again(client: Client) -> None:
    async with client.listen(resourceSubscriptions=["note://text"]) as stream:
        await stream.next()
        for _ in range(3):
            await client.call("touch", {"uri": "note://text"})
            assert (await stream.next())["params"]["uri"] == "note://text"


@pytest.mark.spec("basic/patterns/subscriptions#multiple-concurrent-subscriptions", "independent")
@over(*EVERY_WIRE)
async def test_several_subscriptions_live_side_by_side(client: Client) -> None:
    async with client.listen(id="a", toolsListChanged=True) as a, client.listen(id="b", toolsListChanged=True) as b:
        await a.next()
        await b.next()
        await client.call("grow", {"kind": "tool", "name": "one"})
        assert official.subscription_id(await a.next()) == "a"
        assert official.subscription_id(await b.next()) == "b"
        await a.cancel()
        await client.settle()
        await client.call("grow", {"kind": "tool", "name": "two"})
        assert official.subscription_id(await b.next()) == "b"
        assert a.arrived() == []
    assert len(client.runtime.subscriptions) == 0


@pytest.mark.spec("basic/patterns/subscriptions#cancellation", "client-cancels")
@over(*EVERY_WIRE)
async def test_a_subscription_ends_without_a_word_when_its_client_cancels_it(client: Client) -> None:
    async with client.listen(**ALL) as stream:
        await stream.next()
        assert len(client.runtime.subscriptions) == 1
        await stream.cancel()
        await client.settle()
        assert len(client.runtime.subscriptions) == 0
        await change_everything(client)
        await client.settle()
        assert stream.arrived() == []


@pytest.mark.spec("basic/patterns/subscriptions#graceful-closure", "final-result")
@over(*EVERY_WIRE)
async def test_a_stream_that_the_server_ends_says_what_is_pending_and_then_its_result(client: Client) -> None:
    async with client.listen(id="last", **ALL) as stream:
        await stream.next()
        client.runtime.plugins[0].resource_updated("note://text")
        client.runtime.subscriptions.close()
        answer = await stream.answer()
        assert [message["method"] for message in answer.notifications] == ["notifications/resources/updated"]
        assert answer.result["resultType"] == "complete"
        assert official.subscription_id(answer.response) == "last"
    refused = await client.ask("subscriptions/listen", {"notifications": ALL})
    refused.refused(-32603, 503)


@pytest.mark.spec("basic/patterns/subscriptions#multiple-concurrent-subscriptions", "independent")
@over(*EVERY_WIRE, config=settings(limits={"max_subscriptions": 2, "max_subscription_uris": 3}))
async def test_subscriptions_are_bounded_in_number_and_size(client: Client) -> None:
    too_many = request("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["a:b"] * 4}}, id="x")
    (await client.send(too_many)).refused(-32602)
    async with client.listen(toolsListChanged=True) as one, client.listen(toolsListChanged=True) as two:
        await one.next()
        await two.next()
        answer = await client.ask("subscriptions/listen", {"notifications": {}})
        answer.refused(-32603, 503)
        assert client.transport == "stdio" or int(answer.headers["retry-after"]) > 0
        await two.cancel()
        await client.settle()
        async with client.listen(toolsListChanged=True) as three:
            await three.next()
