"""Coming back for what was sent on a POST's stream: exactly once, in order, then live, then its end.

Rule: whatever is lost, a client that waits for an answer gets one, if only that the real one is gone.
"""

import re
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from mcp_bridges.http_sessions.replay import EndLostError, Place, Replayed, ReplayLog, StreamLog, read_event_id
from mcp_bridges.sessions.session import Session
from mcp_runtime import Context, Plugin
from mcp_runtime.protocol.jsonrpc import RequestId
from mcp_runtime.state.engines import State, open_state
from mcp_runtime.state.memory import MemoryBus, MemoryStore
from tests.support.clocks import run
from tests.support.messages import accepted
from tests.support.old_events import Event
from tests.support.raw_sessions import (
    LOOPS,
    NEWEST,
    SESSION_REVISIONS,
    OldServer,
    Reply,
    Ticking,
    bridge_settings,
    on_both_loops,
    served,
    serving,
)
from tests.support.settings import settings


def progress(events: list[Event]) -> list[Any]:
    """How far each event says that the call is; of an answer, its text."""
    messages = [event.message for event in events if event.data]
    return [
        message["params"]["progress"] if "method" in message else message["result"]["content"][0]["text"]
        for message in messages
    ]


def lost(reply: Reply, id_: Any, *, after: int = 0) -> None:
    """The client hears that the rest of its answer is gone, and nothing else `after` some events."""
    assert (reply.status, reply.is_stream, len(reply.events)) == (200, True, after + 1)
    assert reply.last["id"] == id_
    assert reply.error["code"] == -32603
    assert "is not kept here any more; send the request again" in reply.error["message"]


# Over HTTP


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@served()
async def test_a_client_that_was_cut_off_gets_the_rest_from_each_place_in_the_stream(
    server: OldServer, revision: str
) -> None:
    client = await server.client(revision)
    whole = await client.send(client.call("count", id_="c", token=1, steps=4))
    answers = progress(whole.events)
    assert answers == [1, 2, 3, 4, "counted to 4"]
    ids = [event.id or "" for event in whole.events]
    assert len(set(ids)) == len(ids) == (6 if revision == NEWEST else 5)
    if revision != NEWEST:
        ids.insert(0, re.sub(r"\d+$", "0", ids[0]))  # its beginning, which older clients are not told
    for place, last in enumerate(ids):
        rest = await client.rest(last)
        ends = place == len(ids) - 1  # Who has seen all of it shall not come again.
        assert (rest.status, progress(rest.events)) == (405 if ends else 200, answers[place:])
        assert [event.id for event in rest.events] == ids[place + 1 :]


@served()
async def test_the_end_of_a_stream_has_nothing_after_it(server: OldServer) -> None:
    client = await server.client()
    whole = await client.send(client.call("count", token=1))
    last = whole.events[-1].id or ""
    for place in (last, re.sub(r"\d+$", "999999999", last)):
        assert (await client.rest(place)).events == []


@served()
async def test_a_call_goes_on_without_its_client_which_comes_back_while_it_runs(server: OldServer) -> None:
    client = await server.client()
    began = anyio.current_time()
    async with client.open(client.call("slow_count", token=1, steps=6)) as counting:
        assert (await counting.next())["params"]["progress"] == 1
        counting.leave()
    last = counting.events[-1].id or ""
    await anyio.sleep(2.5)
    async with client.listen(last) as again:
        await again.settle()
        assert progress(again.events) == [2, 3]
        assert [(await again.next())["params"]["progress"] for _ in range(3)] == [2, 3, 4]
        assert anyio.current_time() == pytest.approx(began + 3)  # at once
        reply = await again.done()
    assert progress(reply.events) == [2, 3, 4, 5, 6, "counted"]


@served()
async def test_a_client_may_be_cut_off_again_and_again(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("slow_count", token=1, steps=6)) as opened:
        await opened.next()
    events = list(opened.events)
    while not (events[-1].data and "result" in events[-1].message):
        async with client.listen(events[-1].id) as opened:
            await opened.next()
        events += opened.events
    assert progress(events) == [1, 2, 3, 4, 5, 6, "counted"]


@served()
async def test_a_client_that_left_before_the_first_word_comes_back_to_the_beginning(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("nap", id_=1, seconds=20)) as napping:
        primed = await napping.event()  # with the first sign of life
        assert (primed.data, napping.reader.comments) == ("", 0)
    assert progress((await client.rest(primed.id or "")).events) == ["rested"]
    assert server.journal[-1] == "nap ended"


@pytest.mark.parametrize("gone", ["silent", "raises"])
@served()
async def test_however_a_server_says_that_the_client_left_the_answer_is_kept(server: OldServer, gone: str) -> None:
    client = await server.client()
    async with client.open(client.call("slow_count", token=1, steps=3), gone=gone) as counting:
        await counting.next()
        await anyio.sleep(0.5)
    last = counting.events[-1].id or ""
    await anyio.sleep(10)
    assert counting.exchange.returned.is_set()
    assert progress((await client.rest(last)).events) == [2, 3, "counted"]


@served()
async def test_a_question_that_was_missed_is_put_again_and_answered(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("ask_late", token=1)) as asking:
        await asking.next()
    async with client.listen(asking.events[1].id) as again:
        question = await again.next()
        assert question["method"] == "elicitation/create"
        assert (await client.answer(question, accepted(name="Ada"))).status == 202
        reply = await again.done()
    assert reply.text == "Hello, Ada!"


@served()
async def test_two_calls_have_two_streams(server: OldServer) -> None:
    client = await server.client()
    async with (
        client.open(client.call("slow_count", id_="a", token="ta", steps=3)) as one,
        client.open(client.call("slow_count", id_="b", token="tb", steps=3)) as two,
    ):
        await one.next()
        await two.next()
    rests = [await client.rest(opened.events[-1].id or "") for opened in (one, two)]
    for rest, id_ in zip(rests, "ab", strict=True):
        assert rest.last["id"] == id_
        assert {message["params"]["progressToken"] for message in rest.messages[:-1]} == {f"t{id_}"}


@served()
async def test_a_batch_that_was_cut_off_is_taken_up_too(server: OldServer) -> None:
    client = await server.client("2025-03-26")
    batch = [client.call("slow_count", id_="a", token=1), client.request("ping", id_="b")]
    async with client.open(batch) as counting:
        await counting.next()
    rest = await client.rest(counting.events[-1].id or "")
    assert [message.get("id") for message in rest.messages] == [None, None, "a", "b"]


# What is not there


@served()
async def test_a_stream_of_another_session_is_not_there(server: OldServer) -> None:
    client, stranger = await server.client(), await server.client()
    whole = await client.send(client.call("count", id_="mine", token=1))
    lost(await stranger.rest(whole.events[0].id or ""), "mine")


@pytest.mark.parametrize(
    ("last", "id_"),
    [
        ("p.AAAAAAAAAAAAAAAA~MQ.0", 1),
        ("p.AAAAAAAAAAAAAAAA~ImEi.17", "a"),
        ("p.AAAAAAAAAAAAAAAA~LTE.000000000", -1),
        ("p.AAAAAAAA~MTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA.1", 10**25),
    ],
)
@served()
async def test_a_stream_that_never_was_is_gone(server: OldServer, last: str, id_: RequestId) -> None:
    lost(await (await server.client()).rest(last), id_)


@pytest.mark.parametrize(
    "last",
    [
        "p.AAAAAAAAAAAAAAAA~.0",  # a batch's, or one whose id was too long
        "p.AAAAAAAAAAAAAAAA~bnVsbA.0",
        "p.AAAAAAAAAAAAAAAA~A.0",  # no base64
        "p.AAAAAAAAAAAAAAAA~e30.0",  # {}
        "p.AAAAAAAAAAAAAAAA~MS41.0",  # 1.5
        "p.AAAAAAAAAAAAAAAA~_w.0",  # no UTF-8
    ],
)
@served()
async def test_a_stream_that_names_no_request_ends_in_silence(server: OldServer, last: str) -> None:
    rest = await (await server.client()).rest(last)
    assert (rest.status, rest.is_stream, rest.events) == (200, True, [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17",
        "g.AAAAAAAAAAAAAAAA.0",
        "p.AAAAAAAAAAAAAAAA~MQ",
        "p.AAAAAAAAAAAAAAAA.0",
        "p.AAAAAAA~MQ.0",
        "p.AAAAAAAAAAAAAAAA~MQ.-1",
        "p.AAAAAAAAAAAAAAAA~MQ.1234567890",
        "p.AAAAAAAAAAAAAAAA~MQ.0\n",
        "p.AAAA/AAAAAAAAAAA~MQ.0",
        "P.AAAAAAAAAAAAAAAA~MQ.0",
    ],
)
def test_other_texts_are_no_places_in_a_stream(text: str) -> None:
    assert read_event_id(text) is None


@served(bridge_settings(sessions={"replay_max_events": 0}))
async def test_where_nothing_is_kept_events_have_no_ids_and_connections_are_held(server: OldServer) -> None:
    client = await server.client()
    reply = await client.send(client.call("slow_count", token=1))
    assert progress(reply.events) == [1, 2, 3, "counted"]
    assert all(event.id is None and event.retry_ms is None for event in reply.events)


@pytest.mark.parametrize("kept", [1, 2, 3])
@on_both_loops()
async def test_of_a_long_stream_the_last_events_are_kept(kept: int) -> None:
    async with serving(bridge_settings(sessions={"replay_max_events": kept})) as server:
        client = await server.client()
        whole = await client.send(client.call("count", token=1, steps=5))
        assert progress((await client.rest(whole.events[1].id or "")).events) == [1, 2, 3, 4, 5, "counted to 5"][-kept:]
        assert progress((await client.rest(whole.events[-2].id or "")).events) == ["counted to 5"]


@on_both_loops()
async def test_what_is_too_old_is_gone_and_the_client_is_told() -> None:
    clock = Ticking(1000.0)
    store = MemoryStore(max_entries=1000, max_bytes=1_000_000, now=clock)
    async with serving(bridge_settings(sessions={"replay_max_age_s": 60.0}), state=stated(store)) as server:
        client = await server.client()
        whole = await client.send(client.call("count", id_="c", token=1))
        first = whole.events[0].id or ""
        clock.now += 59.9
        assert progress((await client.rest(first)).events) == [1, 2, 3, "counted to 3"]
        clock.now += 0.1
        lost(await client.rest(first), "c")
        assert len(store) == 0


@on_both_loops()
async def test_silent_work_may_take_longer_than_events_are_kept() -> None:
    clock = Ticking(1000.0)
    store = MemoryStore(max_entries=1000, max_bytes=1_000_000, now=clock)
    async with serving(bridge_settings(sessions={"replay_max_age_s": 60.0}), state=stated(store)) as server:
        client = await server.client()
        async with client.open(client.call("slow_count", token=1, steps=2, pause_s=100)) as counting:
            await counting.next()
        clock.now += 600
        async with client.listen(counting.events[0].id) as again:
            await again.settle()
            assert again.events == []  # what was said is gone; the work is not
            assert progress((await again.done()).events) == [2, "counted"]


@on_both_loops()
async def test_an_answer_that_is_too_long_to_keep_is_gone_and_the_client_is_told() -> None:
    async with serving(state=stated(MemoryStore(max_entries=1000, max_bytes=2000)), plugin=_long_plugin) as server:
        client = await server.client()
        whole = await client.send(client.call("long", id_="l", token=1, size=2000))
        assert len(whole.text) == 2000  # on its own connection it got through
        rest = await client.rest(whole.events[0].id or "")
        assert rest.messages[0]["params"]["progress"] == 1
        lost(rest, "l", after=1)


def _long_plugin(_: list[str]) -> Any:
    plugin: Plugin[Any] = Plugin("long")

    @plugin.tool
    async def long(ctx: Context, size: int) -> str:
        """Say something, then much."""
        await ctx.progress(1)
        return "x" * size

    return plugin


@pytest.mark.parametrize("room", [2, 3, 4, 50])
@on_both_loops()
async def test_where_others_need_the_room_the_oldest_goes_first_and_nobody_waits_in_vain(room: int) -> None:
    async with serving(state=stated(MemoryStore(max_entries=room, max_bytes=1_000_000))) as server:
        client = await server.client()
        whole = await client.send(client.call("count", id_="c", token=1))
        answers = [1, 2, 3, "counted to 3"]
        rest = await client.rest(whole.events[0].id or "")
        assert progress(rest.events) == answers[-min(room - 1, 4) :]  # one entry says how far the stream goes
        await client.send(client.call("count", token=1, steps=50))
        rest = await client.rest(whole.events[0].id or "")
        if room < 50:
            lost(rest, "c")


@served()
async def test_who_was_told_that_the_end_is_lost_is_not_told_again_and_again(server: OldServer) -> None:
    client = await server.client()
    told = await client.rest("p.0123456789abcdef~ImMi.3")
    lost(told, "c")
    assert (await client.rest(told.events[-1].id or "")).status == 405


@served()
async def test_who_comes_back_to_a_cancelled_call_hears_what_it_missed_and_then_that_it_has_ended(
    server: OldServer,
) -> None:
    client = await server.client()
    async with client.open(client.call("slow_count", id_="s", token=1, steps=1000)) as counting:
        first = await counting.next()
        assert first["params"]["progress"] == 1
        await counting.next()
        await client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "s"}})
        await counting.done()
    ids = [event.id or "" for event in counting.events]
    assert len(ids) == 3  # the priming one first
    assert progress((await client.rest(ids[1])).events) == [2]
    refused = await client.rest(ids[2])
    assert (refused.status, refused.header("allow")) == (405, "POST")
    assert (await client.ask("ping")).result == {}


@on_both_loops()
async def test_nothing_is_kept_for_a_session_that_ended_whatever_was_at_work() -> None:
    store = room()
    async with serving(state=stated(store)) as server:
        client, other = await server.client(), await server.client()
        kept = await other.send(other.call("count", token=1))
        await client.send(client.call("count", token=1))
        async with client.open(client.call("slow_count", token=1, steps=1000)) as counting:
            await counting.next()
            with_both = len(store)
            await client.end()
            assert (await counting.done()).messages[1:] == []
        assert len(store) == with_both - 7 == 5  # an entry an event, and one for each stream
        assert progress((await other.rest(kept.events[-2].id or "")).events) == ["counted to 3"]


def stated(volatile: MemoryStore) -> State:
    """A state that keeps events in `volatile`."""
    return replace(open_state(settings()), volatile=volatile)


# The log alone

SESSION = Session("session", NEWEST, "", "", {}, 0, 0)


def log(store: MemoryStore, *, max_events: int = 100, bus: MemoryBus | None = None) -> ReplayLog:
    return ReplayLog(store, bus or MemoryBus(), max_events=max_events, max_age_s=60, new_id=lambda: "0123456789abcdef")


def room() -> MemoryStore:
    return MemoryStore(max_entries=1000, max_bytes=1_000_000)


async def all_of(replay: ReplayLog, place: Place) -> list[Replayed]:
    return [event async for event in replay.follow(SESSION, place)]


def place_of(event_id: str) -> Place:
    place = read_event_id(event_id)
    assert place is not None
    return place


def begun(replay: ReplayLog, request_id: RequestId | None) -> StreamLog:
    stream = replay.begin(SESSION, request_id)
    assert stream is not None
    return stream


@pytest.mark.parametrize("request_id", [0, -5, 2**70, "", "a", "\u6f22\u5b57", "x" * 180, None])
@pytest.mark.parametrize("loop", LOOPS)
def test_an_event_id_names_its_stream_place_and_request(request_id: RequestId | None, loop: Any) -> None:
    async def test() -> None:
        stream = begun(log(room()), request_id)
        assert place_of(stream.position).seen == 0
        found = place_of(await stream.append(b"1"))
        assert (found.seen, found.request_id) == (1, request_id)
        assert found == place_of(stream.position)

    run(loop, test)


def test_a_request_id_that_is_too_long_is_left_out_of_event_ids() -> None:
    for length, named in ((189, "x" * 189), (200, None), (100_000, None)):
        position = begun(log(room()), "x" * length).position
        assert (place_of(position).request_id, len(position) < 300) == (named, True)


@pytest.mark.parametrize("loop", LOOPS)
def test_who_follows_hears_each_event_once_however_fast_they_come(loop: Any) -> None:
    async def test() -> None:
        replay = log(room())
        stream = begun(replay, 1)
        await stream.begin()
        start = place_of(stream.position)
        heard: list[list[Replayed]] = [[], []]

        async def follow(number: int) -> None:
            heard[number] += await all_of(replay, start)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow, 0)
            tasks.start_soon(follow, 1)
            await anyio.wait_all_tasks_blocked()
            for number in range(50):
                await stream.append(str(number).encode(), ended=number == 49)
                if number % 7 == 0:
                    await anyio.wait_all_tasks_blocked()
        for one in heard:
            assert [event.message for event in one] == [str(number).encode() for number in range(50)]

    run(loop, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_stream_that_is_forgotten_while_it_is_followed_is_gone(loop: Any) -> None:
    async def test() -> None:
        store, bus = room(), MemoryBus()
        replay = log(store, bus=bus)
        stream = begun(replay, 1)
        await stream.begin()
        place = place_of(stream.position)
        key = f"replay/session/{place.stream}"

        async def forget() -> None:
            await anyio.wait_all_tasks_blocked()
            await store.delete(key)
            await bus.publish(key, b"")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(forget)
            with pytest.raises(EndLostError):
                await all_of(replay, place)

    run(loop, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_known_to_be_gone_is_not_looked_for(loop: Any) -> None:
    class Counting(MemoryStore):
        looks = 0

        async def get(self, key: str) -> bytes | None:
            self.looks += 1
            return await super().get(key)

    async def test() -> None:
        store = Counting(max_entries=1000, max_bytes=1_000_000)
        replay = log(store, max_events=3)
        stream = begun(replay, 1)
        start = place_of(stream.position)
        for number in range(1000):
            await stream.append(str(number).encode(), ended=number == 999)
        assert [event.message for event in await all_of(replay, start)] == [b"997", b"998", b"999"]
        assert store.looks <= 3 + 1

    run(loop, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_no_more_entries_are_kept_than_events_and_one_for_the_stream(loop: Any) -> None:
    async def test() -> None:
        store = room()
        stream = begun(log(store, max_events=3), 1)
        await stream.begin()
        for number in range(100):
            await stream.append(str(number).encode())
            assert len(store) <= 3 + 1

    run(loop, test)


async def test_an_end_without_a_message_is_no_event() -> None:
    replay = log(room())
    stream = replay.begin(SESSION, 1)
    assert stream is not None
    first = await stream.append(b"{}")
    await stream.append(b"", ended=True)
    place = read_event_id(first)
    assert place is not None
    assert await all_of(replay, replace(place, seen=0)) == [Replayed(event_id=first, message=b"{}")]
    assert await all_of(replay, place) == []


@pytest.mark.parametrize(("chars", "is_named"), [(190, True), (191, False)])
async def test_a_request_is_named_as_long_as_its_name_fits(chars: int, *, is_named: bool) -> None:
    """With its quotes 192 bytes are 256 characters of base64."""
    request_id = "x" * chars
    stream = log(room()).begin(SESSION, request_id)
    assert stream is not None
    place = read_event_id(stream.position)
    assert place is not None
    assert place.request_id == (request_id if is_named else None)


@pytest.mark.parametrize(("max_age_s", "known_s"), [(60, 86_400), (200_000, 200_000)])
async def test_a_stream_without_an_end_is_known_for_a_day_and_no_shorter_than_its_events(
    max_age_s: float, known_s: float
) -> None:
    clock = [0.0]
    store = MemoryStore(max_entries=1000, max_bytes=1_000_000, now=lambda: clock[0])
    replay = ReplayLog(store, MemoryBus(), max_events=10, max_age_s=max_age_s, new_id=lambda: "0123456789abcdef")
    stream = replay.begin(SESSION, 1)
    assert stream is not None
    await stream.append(b"{}")
    key = f"replay/{SESSION.id}/{stream._name}"
    clock[0] = known_s - 1
    assert await store.get(key) is not None
    clock[0] = known_s + 1
    assert await store.get(key) is None


@pytest.mark.parametrize("loop", LOOPS)
def test_who_follows_a_stream_whose_session_ends_hears_nothing_more(loop: Any) -> None:
    async def test() -> None:
        store, bus = room(), MemoryBus()
        replay = log(store, bus=bus)
        stream = begun(replay, 1)
        await stream.append(b"1")
        heard: list[Replayed] = []

        async def follow() -> None:
            heard.extend(await all_of(replay, place_of(stream.position)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await anyio.wait_all_tasks_blocked()
            await replay.end(SESSION)
            await stream.append(b"2", ended=True)
        assert (heard, len(store)) == ([], 0)

    run(loop, test)


async def test_sessions_that_ended_long_ago_are_not_remembered() -> None:
    replay = log(room())
    for number in range(3000):
        await replay.end(replace(SESSION, id=str(number)))
    assert len(replay._ended) < 2000
