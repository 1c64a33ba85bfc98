"""Clients of sessions that leave: what cannot be taken up again ends, what can waits for so long, and no longer."""

from typing import Any

import anyio

from mcp_bridges.http_sessions.forsaken import ForsakenCalls
from tests.support.captured_log import captured_log
from tests.support.messages import accepted
from tests.support.raw_sessions import NEWEST, OldServer, bridge_settings, on_both_loops, served, serving

KEPT_S = 40.0
CONFIG = bridge_settings(sessions={"replay_max_age_s": KEPT_S})
ONE: Any = ("203.0.113.9", 5)
OTHER: Any = ("203.0.113.10", 5)


async def settled(server: OldServer, at_work: int) -> None:
    await anyio.wait_all_tasks_blocked()
    assert server.runtime.dispatcher.at_work == at_work


@served(CONFIG)
async def test_a_client_that_leaves_before_the_first_event_has_left_for_good(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("nap")) as napping:
        await napping.settle()
    await anyio.sleep(10)  # until it is watched
    await settled(server, 0)


@served(bridge_settings(sessions={"replay_max_events": 0}))
async def test_where_no_replay_is_kept_every_client_that_leaves_has_left_for_good(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("slow_count", token=1, steps=1000)) as counting:
        await counting.next()
        await anyio.sleep(10)
    await settled(server, 0)


@served(CONFIG)
async def test_a_client_that_could_come_back_is_waited_for_as_long_as_its_events_are_kept(server: OldServer) -> None:
    client = await server.client("2025-06-18")
    with captured_log() as events:
        async with client.open(client.call("slow_count", token=1, steps=1000)) as counting:
            await counting.next()
            await anyio.sleep(10)
        await anyio.sleep(KEPT_S - 1)
        await settled(server, 1)
        await anyio.sleep(KEPT_S / 2)
        await settled(server, 0)
        assert [event["method"] for event in events() if event["event"] == "forsaken_call_cancelled"] == ["tools/call"]


@served(CONFIG)
async def test_a_client_that_was_primed_is_waited_for_too(server: OldServer) -> None:
    client = await server.client(NEWEST)
    async with client.open(client.call("nap")) as napping:
        await anyio.sleep(30)  # It was kept alive, which primes the stream.
        await napping.settle()
    await anyio.sleep(KEPT_S / 2)
    await settled(server, 1)
    await anyio.sleep(KEPT_S)
    await settled(server, 0)


@served(CONFIG)
async def test_nobody_is_cancelled_while_somebody_listens_and_who_leaves_again_has_as_long_again(
    server: OldServer,
) -> None:
    client = await server.client()
    async with client.open(client.call("slow_count", token=1, steps=1000, pause_s=7)) as counting:
        await counting.next()
        place = counting.events[-1].id
        await anyio.sleep(10)
    async with client.listen(place) as rest:
        await anyio.sleep(5 * KEPT_S)
        await rest.settle()
        assert len(rest.messages) > 20
    await anyio.sleep(KEPT_S - 15)
    await settled(server, 1)
    await anyio.sleep(KEPT_S)
    await settled(server, 0)


@served(CONFIG)
async def test_a_call_that_ends_while_nobody_listens_is_forgotten_with_its_answer_kept(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("slow_count", token=1, steps=20)) as counting:
        await counting.next()
        place = counting.events[-1].id
        await anyio.sleep(10)
    await anyio.sleep(25)
    await settled(server, 0)
    assert (await client.rest(place or "")).text == "counted"
    await anyio.sleep(2 * KEPT_S)


@served(CONFIG)
async def test_a_question_to_a_client_that_left_ends_with_its_session(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("greet")) as greeting:
        await greeting.next()
    services: Any = server.runtime.bridges
    assert services._services.waiting.held == 1
    await client.end()
    await anyio.wait_all_tasks_blocked()
    assert services._services.waiting.held == 0


async def looks(answers: list[bool]) -> int:
    """How often somebody is looked for, while the answers last."""
    left = iter(answers)
    seen = 0

    class Call:
        request: Any = type("R", (), {"method": "tools/call"})

        def __init__(self) -> None:
            self.abandoned = anyio.Event()

        def abandon(self) -> None:
            self.abandoned.set()

    calls, call = ForsakenCalls(patience_s=8), Call()

    async def is_heard() -> bool:
        nonlocal seen
        seen += 1
        return next(left, False)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(calls.watch)
        await anyio.wait_all_tasks_blocked()
        calls.enter(call, is_heard)  # type: ignore[arg-type]  # as much of a call as is used
        await call.abandoned.wait()
        calls.leave(call)  # type: ignore[arg-type]  # as above
        tasks.cancel_scope.cancel()
    return seen


@on_both_loops()
async def test_who_does_not_answer_once_may_be_reading() -> None:
    assert await looks([]) == 4
    assert await looks([False, False, False, True]) == 8
    assert await looks([True, False, True]) == 7


# What a client may have at once


@on_both_loops()
async def test_one_client_has_half_of_the_calls_whatever_sessions_it_opens_and_the_others_have_theirs() -> None:
    async with serving(bridge_settings(limits={"max_concurrent_requests": 8})) as server:
        client, second, other = await server.client(), await server.client(), await server.client()
        async with (
            client.open(client.call("nap"), client=ONE),
            client.open(client.call("nap"), client=ONE),
            second.open(second.call("nap"), client=ONE),
            second.open(second.call("nap"), client=ONE),
        ):
            await anyio.wait_all_tasks_blocked()
            refused = await second.send(second.call("echo", id_="e", text="x"), client=ONE)
            assert "as others leave it; wait for one to end" in refused.refused(429, id_="e", code=-32603)
            assert refused.header("retry-after") == "1"
            assert (await other.send(other.call("echo", text="x"), client=OTHER)).text == "x"
            assert (await client.send(client.request("ping"), client=ONE)).result == {}
            assert (await client.send(client.call("echo", text="x"))).text == "x"  # from this machine
        await client.end()
        await second.end()
        await anyio.wait_all_tasks_blocked()
        assert (await other.send(other.call("echo", text="x"), client=ONE)).text == "x"


@on_both_loops()
async def test_one_client_has_half_of_the_questions() -> None:
    async with serving(bridge_settings(limits={"max_concurrent_requests": 4})) as server:
        client, other = await server.client(), await server.client()
        async with (
            client.open(client.call("greet"), client=ONE) as one,
            client.open(client.call("greet"), client=ONE) as two,
        ):
            questions = [await one.next(), await two.next()]
            assert len(questions) == 2
            third = await client.send(client.call("greet", id_="g"), client=ONE)
            assert "calls of this client's at work" in third.refused(429, id_="g", code=-32603)
            async with other.open(other.call("greet"), client=OTHER) as others:
                question = await others.next()
                await other.answer(question, accepted(name="Ada"))
                assert (await others.done()).text == "Hello, Ada!"


@served(bridge_settings(sessions={"max_calls_per_session": 1}))
async def test_a_session_has_its_calls_at_the_exact_edge(server: OldServer) -> None:
    client, other = await server.client("2025-03-26"), await server.client()
    async with client.open(client.call("nap", id_="n")) as napping:
        await napping.settle()
        assert "its 1 calls at work" in (await client.send(client.call("echo", id_=5, text="x"))).refused(
            429, id_=5, code=-32603
        )
        answers: Any = (await client.send([client.call("echo", id_=6, text="x")])).messages[0]
        assert "its 1 calls at work" in answers[0]["error"]["message"]
        assert (await other.use("echo", text="x")).text == "x"
        await client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "n"}})
        await napping.done()
    assert (await client.use("echo", text="x")).text == "x"


# What is left of an ended session


@served(bridge_settings(limits={"max_ended_sessions": 2}))
async def test_a_session_that_cannot_be_ended_goes_on_without_what_it_had_at_work(server: OldServer) -> None:
    client, *others = [await server.client() for _ in range(3)]
    for other in others:
        assert (await other.end()).status == 200
    async with client.open(client.call("nap")) as napping, client.listen() as stream:
        await stream.settle()
        refused = await client.end()
        assert "ends no more; try again later" in refused.refused(503, code=-32603)
        assert refused.header("retry-after") == "60"
        assert (await napping.done()).messages == []
        await stream.done()
    assert (await client.ask("ping")).result == {}
    visitor = server.visitor()
    reply = await visitor.begin_only()
    assert "begins no more" in reply.refused(503, id_=reply.last["id"], code=-32603)


@served(bridge_settings(limits={"max_state_entries": 4}))
async def test_a_subscription_that_there_is_no_room_for_is_refused_and_the_others_stay(server: OldServer) -> None:
    clients = [await server.client() for _ in range(5)]
    for client in clients[:4]:
        assert (await client.ask("resources/subscribe", {"uri": "note://text"})).result == {}
    refused = await clients[4].send(
        clients[4].request("resources/subscribe", {"uri": "note://text"}, id_="s"), client=ONE
    )
    assert "keeps no more" in refused.refused(503, id_="s", code=-32603)
