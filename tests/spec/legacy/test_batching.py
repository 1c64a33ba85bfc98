"""Several messages in one body. Rule: each test shows a demand of 2025-03-26, the one revision that has that."""

from typing import Any

import pytest

from tests.support.messages import notification, rooted
from tests.support.old_client import OldClient
from tests.support.old_http import SessionsClient
from tests.support.old_wires import EVERY_OLD_WIRE, SESSIONS, over_old

ROOTS_CHANGED = notification("notifications/roots/list_changed")


def request(id_: Any, method: str, **params: Any) -> dict[str, Any]:
    """A request of the time."""
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


async def responses(client: OldClient) -> list[Any]:
    """The next batch that comes."""
    return list((await client.take(lambda arrival: isinstance(arrival.message, list))).message)


@pytest.mark.spec("2025-03-26/basic/index#batching", "received")
@pytest.mark.spec("2025-03-26/basic/transports#sending-messages-to-the-server", "batch-answered", "each-answered")
@over_old(*EVERY_OLD_WIRE)
async def test_every_request_of_a_batch_is_answered_in_one_array(client: OldClient) -> None:
    await client.open("2025-03-26")
    await client.send(
        [
            request(1, "ping"),
            ROOTS_CHANGED,
            request("1", "tools/call", name="echo", arguments={"text": "hi"}),
            request(2, "unheard/of"),
            request(3, "logging/setLevel", level="error"),
            {"id": 4, "method": "ping"},
        ]
    )
    found = {(type(one["id"]), one["id"]): one.get("error", one.get("result")) for one in await responses(client)}
    assert found[int, 1] == {}
    assert found[str, "1"] == {"content": [{"type": "text", "text": "hi"}]}
    assert found[int, 2]["code"] == -32601
    assert found[int, 3] == {}
    assert found[int, 4]["code"] == -32600
    assert len(found) == 5


@pytest.mark.spec("2025-03-26/basic/transports#sending-messages-to-the-server", "batch-answered", "each-answered")
@over_old(*SESSIONS)
async def test_over_http_a_quiet_batch_is_one_json_body(client: SessionsClient) -> None:
    await client.open("2025-03-26")
    await client.send([request(1, "ping"), request(2, "ping")])
    assert [one["id"] for one in await responses(client)] == [1, 2]
    response = client.exchanges[client.sent[-1]].response
    assert (response.status, response.header("content-type")) == (200, "application/json")


@pytest.mark.spec("2025-03-26/basic/transports#sending-messages-to-the-server", "batch-answered", "each-answered")
@over_old(*SESSIONS)
async def test_over_http_a_talking_batch_is_a_stream_with_each_response(client: SessionsClient) -> None:
    await client.open("2025-03-26")
    await client.send([request(1, "ping"), request(2, "tools/call", name="chat"), request(3, "ping")])
    batch = client.sent[-1]
    await client.exchanges[batch].complete.wait()
    answered = [message["id"] for message in client.left() if "result" in message]
    assert sorted(answered) == [1, 2, 3]
    assert (client.exchanges[batch].response.header("content-type") or "").startswith("text/event-stream")


@pytest.mark.spec("2025-03-26/basic/transports#sending-messages-to-the-server", "batch-accepted")
@over_old(*EVERY_OLD_WIRE)
async def test_a_batch_without_requests_is_accepted_and_not_answered(client: OldClient) -> None:
    await client.open("2025-03-26")
    assert await client.send([ROOTS_CHANGED, notification("notifications/unheard/of")]) in {None, 202}
    assert client.left() == []


@pytest.mark.spec("2025-03-26/basic/transports#sending-messages-to-the-server", "batch-accepted")
@over_old(*EVERY_OLD_WIRE)
async def test_a_batch_of_answers_reaches_the_calls_that_asked(client: OldClient) -> None:
    await client.open("2025-03-26")
    calls = [await client.start_call("where") for _ in range(2)]
    questions = [await client.take(lambda arrival: arrival.message.get("method") == "roots/list") for _ in calls]
    answers = [
        {"jsonrpc": "2.0", "id": asked.message["id"], "result": rooted(f"file:///{index}")}
        for index, asked in enumerate(questions)
    ]
    assert await client.send(answers) in {None, 202}
    texts = [(await client.next(call))["result"]["content"][0]["text"] for call in calls]
    assert sorted(texts) == ["file:///0", "file:///1"]
