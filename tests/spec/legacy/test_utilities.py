"""Ping, cancellation and progress. Rule: each test shows a demand of 2025-11-25/basic/utilities."""

from typing import Any

import anyio
import pytest

from tests.support.messages import accepted, notification
from tests.support.old_client import OldClient
from tests.support.old_wires import EVERY_OLD_WIRE, over_old
from tests.support.settings import settings

CANCELLED = "notifications/cancelled"


@pytest.mark.spec("2025-11-25/basic/utilities/ping#behavior-requirements", "empty-response")
@over_old(*EVERY_OLD_WIRE, config=settings(limits={"max_concurrent_requests": 1}))
async def test_a_ping_is_answered_at_once_with_an_empty_result(client: OldClient) -> None:
    await client.open()
    call = await client.start_call("nap", {"seconds": 50})
    await client.settle()
    began = anyio.current_time()
    for id_ in (7, "7"):
        response = await client.ask("ping", id=id_)
        assert response == {"jsonrpc": "2.0", "id": id_, "result": {}}
        assert type(response["id"]) is type(id_)
    assert anyio.current_time() == pytest.approx(began, abs=0.5)
    assert "result" in await client.next(call)


@pytest.mark.spec("2025-11-25/basic/utilities/cancellation#behavior-requirements", "own-requests")
@over_old(*EVERY_OLD_WIRE, config=settings(limits={"handler_timeout_s": 10.0}))
async def test_the_server_cancels_none_but_its_own_questions(client: OldClient) -> None:
    await client.open()
    for tool in ("hang", "nap", "crash", "nothing"):
        response = await client.call(tool)
        assert "id" in response  # The response itself: nothing came before it.
    call = await client.start_call("where")
    await client.reply(await client.next(call), {"roots": []})
    assert "result" in await client.next(call)  # A question that was answered is not cancelled either.
    await client.settle()
    assert client.left() == []


@pytest.mark.spec("2025-11-25/basic/utilities/cancellation#behavior-requirements", "stop-and-free")
@over_old(*EVERY_OLD_WIRE)
async def test_a_cancelled_call_stops_and_is_not_answered(client: OldClient) -> None:
    await client.open()
    call = await client.start_call("nap")
    await anyio.sleep(10)
    await client.cancel(call)
    await anyio.sleep(5)
    assert client.journal[1:] == ["nap began", "nap cancelled"]
    assert client.left() == []


@pytest.mark.spec("2025-11-25/basic/utilities/cancellation#behavior-requirements", "stop-and-free")
@over_old(*EVERY_OLD_WIRE, config=settings(limits={"max_concurrent_requests": 1}))
async def test_a_cancelled_call_frees_its_place_and_its_id(client: OldClient) -> None:
    await client.open()
    for _ in range(3):
        call = await client.start_call("nap", id="mine")
        await anyio.sleep(1)
        assert "error" in await client.ask("tools/list")
        await client.cancel(call)
        await anyio.sleep(1)
    assert (await client.ask("tools/call", {"name": "nothing"}, id="mine"))["result"]


@pytest.mark.spec("2025-11-25/basic/utilities/cancellation#behavior-requirements", "stop-and-free")
@over_old(*EVERY_OLD_WIRE)
async def test_a_call_that_waits_for_an_answer_is_cancelled_too(client: OldClient) -> None:
    await client.open()
    call = await client.start_call("greet")
    question = await client.next(call)
    await client.cancel(call)
    await client.reply(question, accepted(name="Ada"))
    await client.settle()
    assert [message for message in client.left() if "result" in message] == []
    assert "result" in await client.call("nothing")


@pytest.mark.spec("2025-11-25/basic/utilities/cancellation#timing-considerations", "races")
@over_old(*EVERY_OLD_WIRE)
async def test_a_cancellation_that_comes_too_late_or_twice_disturbs_nothing(client: OldClient) -> None:
    await client.open()
    await client.ask("ping", id="done")
    await client.send(notification(CANCELLED, {"requestId": "done"}))
    call = await client.start_call("nap", id="nap")
    await client.settle()
    await client.cancel(call)
    await client.cancel(call)
    await client.settle()
    await client.cancel(call)
    assert client.left() == []
    assert client.journal.count("nap cancelled") == 1
    assert (await client.ask("tools/call", {"name": "nothing"}, id="nap"))["result"]


@pytest.mark.spec("2025-11-25/basic/utilities/cancellation#error-handling", "invalid")
@pytest.mark.parametrize(
    "params",
    [{"requestId": "unknown"}, {"requestId": 404}, {"requestId": None}, {"requestId": {"id": 1}}, {"reason": 7}, {}],
)
@over_old(*EVERY_OLD_WIRE)
async def test_a_cancellation_that_is_none_is_ignored(client: OldClient, params: Any) -> None:
    await client.open()
    call = await client.start_call("nap", {"seconds": 9}, id=1)
    assert await client.send(notification(CANCELLED, params)) in {None, 202}
    assert (await client.next(call))["result"]["content"][0]["text"] == "rested"
    assert client.left() == []


def steps_of(messages: list[Any]) -> list[Any]:
    """How far each says that the work is."""
    assert all(message["method"] == "notifications/progress" for message in messages)
    return [message["params"]["progress"] for message in messages]


@pytest.mark.spec("2025-11-25/basic/utilities/progress#progress-flow", "grows")
@over_old(*EVERY_OLD_WIRE)
async def test_progress_that_does_not_grow_is_not_sent(client: OldClient) -> None:
    await client.open()
    call = await client.start("tools/call", {"name": "dither", "_meta": {"progressToken": "t"}})
    assert steps_of([await client.next(call) for _ in range(3)]) == [1, 2, 3]
    assert "result" in await client.next(call)


@pytest.mark.spec("2025-11-25/basic/utilities/progress#progress-flow", "grows")
@over_old(*EVERY_OLD_WIRE)
async def test_progress_grows_from_round_to_round_of_one_request(client: OldClient) -> None:
    """The handler begins anew with the answer, and says the same again: for the client it is one request."""
    await client.open()
    call = await client.start("tools/call", {"name": "ask_late", "_meta": {"progressToken": "t"}})
    assert steps_of([await client.next(call)]) == [1]
    await client.reply(await client.next(call), accepted(name="Ada"))
    assert "result" in await client.next(call)


@pytest.mark.spec("2025-11-25/basic/utilities/progress#behavior-requirements", "active-tokens")
@pytest.mark.parametrize("token", ["t", 7, 0, ""])
@over_old(*EVERY_OLD_WIRE)
async def test_progress_names_the_token_of_its_request(client: OldClient, token: Any) -> None:
    await client.open()
    call = await client.start("tools/call", {"name": "count", "_meta": {"progressToken": token}})
    said = [await client.next(call) for _ in range(3)]
    assert [message["params"]["progressToken"] for message in said] == [token] * 3
    assert {type(message["params"]["progressToken"]) for message in said} == {type(token)}
    assert "result" in await client.next(call)
    assert "result" in await client.call("count")  # Without a token there is none.


@pytest.mark.spec("2025-11-25/basic/utilities/progress#implementation-notes", "stops")
@over_old(*EVERY_OLD_WIRE)
async def test_nothing_comes_after_the_end_or_the_cancellation(client: OldClient) -> None:
    await client.open()
    call = await client.start("tools/call", {"name": "tidy", "_meta": {"progressToken": "t"}})
    await anyio.sleep(1)
    await client.cancel(call)
    await anyio.sleep(2000)
    assert client.journal[-1] == "tidied"
    assert client.left() == []
