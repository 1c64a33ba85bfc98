"""Old sessions at several processes, and at one that was started anew. Rule: no request has to find its process."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from mcp_runtime.config import Config, StateConfig
from mcp_runtime.state.engines import State, open_state
from mcp_runtime.state.memory import MemoryBus
from mcp_runtime.state.port import StateError
from tests.support.messages import accepted
from tests.support.raw_sessions import (
    SESSION_REVISIONS,
    RawSessionClient,
    on_both_loops,
    serving,
)
from tests.support.settings import settings


def on_disk(directory: Path) -> Config:
    """What survives a restart is in `directory`."""
    return settings(state=StateConfig(engine="sqlite", directory=str(directory)))


async def levels(client: RawSessionClient) -> list[str]:
    reply = await client.use("chat")
    return [message["params"]["level"] for message in reply.messages if "method" in message]


# Without a shared store


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@on_both_loops()
async def test_whichever_process_answers_a_session_is_served(revision: str) -> None:
    async with serving() as one, serving() as two:
        client = await one.client(revision)
        other = client.also(two)
        for at in (other, client, other):
            assert (await at.use("echo", text="hi")).text == "hi"
            assert len((await at.ask("tools/list")).result["tools"]) > 10
            assert (await at.ask("resources/read", {"uri": "note://nowhere"})).error["code"] == -32002
            assert len((await at.send(at.call("count", token=1))).messages) == 4


@on_both_loops()
async def test_an_answer_at_another_process_is_refused_with_the_reason() -> None:
    async with serving() as one, serving() as two:
        client = await one.client()
        async with client.open(client.call("greet")) as greeting:
            question = await greeting.next()
            text = (await client.also(two).answer(question, accepted(name="Ada"))).refused(400)
            assert "answers need a shared store there" in text
            assert (await client.answer(question, accepted(name="Ada"))).status == 202
            assert (await greeting.done()).text == "Hello, Ada!"


@on_both_loops()
async def test_a_stream_of_another_process_cannot_be_taken_up_and_the_client_hears_why() -> None:
    async with serving() as one, serving() as two:
        client = await one.client()
        whole = await client.send(client.call("count", id_="c", token=1))
        rest = await client.also(two).rest(whole.events[1].id or "")
        assert (rest.last["id"], rest.error["code"]) == ("c", -32603)
        assert "streams can be taken up only where they share a store" in rest.error["message"]


@on_both_loops()
async def test_a_listener_that_comes_back_to_another_process_is_told_that_anything_may_have_changed() -> None:
    async with serving() as one, serving() as two:
        client = await one.client()
        async with client.listen() as stream:
            primed = await stream.event()
        async with client.also(two).listen(primed.id) as again:
            await again.settle()
            assert len(again.messages) == 3


# With a shared store and bus


def shared() -> State:
    return open_state(settings())


@on_both_loops()
async def test_an_answer_finds_the_process_that_asked() -> None:
    state = shared()
    async with serving(state=state) as one, serving(state=state) as two:
        client = await one.client()
        async with client.open(client.call("interview")) as interview:
            for at, answer in ((two, {"name": "Ada"}), (one, {"colour": "red"})):
                question = await interview.next()
                reply = await client.also(at).answer(question, accepted(**answer))
                assert (reply.status, reply.response.body) == (202, b"")
            assert (await interview.done()).text == "Ada likes red and 7"
        assert one.journal.count("drew a number") == 1


@on_both_loops()
async def test_a_cancellation_finds_the_process_where_the_call_is() -> None:
    state = shared()
    async with serving(state=state) as one, serving(state=state) as two:
        client, stranger = await one.client(), await two.client()
        async with client.open(client.call("nap", id_="long")) as napping:
            await napping.settle()
            assert (await stranger.tell("notifications/cancelled", {"requestId": "long"})).status == 202
            assert (await client.also(two).tell("notifications/cancelled", {"requestId": "other"})).status == 202
            await napping.settle()
            assert one.journal[-1] == "nap began"
            assert (await client.also(two).tell("notifications/cancelled", {"requestId": "long"})).status == 202
            assert (await napping.done()).messages == []
        assert one.journal[-1] == "nap cancelled"
        # Once more: whoever heeds goes on heeding.
        async with client.also(two).open(client.call("nap", id_=7)) as napping:
            await napping.settle()
            await client.tell("notifications/cancelled", {"requestId": 7})
            await napping.done()
        assert two.journal[-1] == "nap cancelled"


@on_both_loops()
async def test_a_lost_stream_is_taken_up_at_another_process_while_the_call_runs() -> None:
    state = shared()
    async with serving(state=state) as one, serving(state=state) as two:
        client = await one.client()
        async with client.open(client.call("slow_count", token=1, steps=4)) as counting:
            await counting.next()
        rest = await client.also(two).rest(counting.events[-1].id or "")
        assert [message.get("params", {}).get("progress") for message in rest.messages] == [2, 3, 4, None]
        assert rest.text == "counted"


@on_both_loops()
async def test_a_new_get_takes_over_whichever_process_has_the_old_one() -> None:
    state = shared()
    async with serving(state=state) as one, serving(state=state) as two:
        client = await one.client()
        async with client.listen() as stale:
            await stale.settle()
            async with client.also(two).listen() as fresh:
                assert (await stale.done()).messages == []
                await fresh.settle()
                await client.also(two).ask("resources/subscribe", {"uri": "note://text"})
                await client.ask("resources/subscribe", {"uri": "note://bytes"})  # heard of over the bus
                await fresh.settle()
                for uri in ("note://text", "note://bytes"):
                    await client.also(two).use("touch", uri=uri)
                await fresh.settle()
                assert [message["params"]["uri"] for message in fresh.messages] == ["note://text", "note://bytes"]
                await client.end()
                await fresh.done()


@on_both_loops()
async def test_what_one_process_is_told_every_process_knows() -> None:
    state = shared()
    async with serving(state=state) as one, serving(state=state) as two:
        client = await one.client()
        other = client.also(two)
        await client.ask("logging/setLevel", {"level": "error"})
        assert await levels(other) == ["error"]
        await other.end()
        for at in (client, other):
            assert (await at.ask("ping")).status == 404


@on_both_loops()
async def test_a_bus_that_hears_too_much_drops_what_it_cannot_hold_and_goes_on() -> None:
    state = shared()
    assert isinstance(state.bus, MemoryBus)
    async with serving(state=state) as one, serving(state=state) as two:
        client = await one.client()
        async with client.open(client.call("nap", id_=1)) as napping:
            await napping.settle()
            for number in range(2000):  # without a pause, so that nobody gets to read
                await state.bus.publish("cancelled", f'["nobody",{number}]'.encode())
            await napping.settle()
            await client.also(two).tell("notifications/cancelled", {"requestId": 1})
            await napping.done()
        assert one.journal[-1] == "nap cancelled"


# A restart


@on_both_loops("real")
async def test_a_process_that_was_started_anew_knows_what_was_changed(tmp_path: Path) -> None:
    config = on_disk(tmp_path)
    async with serving(config) as before:
        quiet, gone, plain = [await before.client() for _ in range(3)]
        await quiet.ask("logging/setLevel", {"level": "error"})
        await quiet.ask("resources/subscribe", {"uri": "note://text"})
        await quiet.ask("resources/subscribe", {"uri": "note://bytes"})
        await quiet.ask("resources/unsubscribe", {"uri": "note://bytes"})
        await gone.end()
        async with quiet.listen() as stream:
            place = (await stream.event()).id
    async with serving(config) as after:
        quiet, gone, plain = quiet.also(after), gone.also(after), plain.also(after)
        assert await levels(quiet) == ["error"]
        assert await levels(plain) == ["info", "error"]
        assert "it was ended" in (await gone.send(gone.request("ping", id_=3))).refused(404, id_=3)
        async with quiet.listen(place) as stream:
            uris = {(await stream.next())["params"].get("uri") for _ in range(4)}
            assert uris == {None, "note://text"}
            await quiet.use("touch", uri="note://bytes")
            await quiet.use("touch", uri="note://text")
            assert (await stream.next())["params"]["uri"] == "note://text"


@on_both_loops("real")
async def test_two_processes_on_one_machine_share_what_is_on_its_disk(tmp_path: Path) -> None:
    config = on_disk(tmp_path)
    async with serving(config) as one, serving(config) as two:
        client = await one.client()
        await client.ask("logging/setLevel", {"level": "error"})
        assert await levels(client.also(two)) == ["error"]
        await client.also(two).end()
        assert (await client.ask("ping")).status == 404


@on_both_loops("real")
async def test_state_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database" * 100)
    failures: list[Any] = []
    try:
        async with serving(on_disk(tmp_path)):
            raise AssertionError("it started")  # to be seen not to happen
    except* StateError as group:
        failures += group.exceptions
    assert "state.db" in str(failures[0])


@on_both_loops()
async def test_the_state_is_open_for_as_long_as_the_server_runs_and_no_longer() -> None:
    events: list[str] = []

    class Engine:
        async def open(self) -> None:
            await anyio.lowlevel.checkpoint()
            events.append("opened")

        async def close(self) -> None:
            events.append("closed")

    async with serving(state=replace(shared(), engine=Engine())) as server:
        assert events == ["opened"]
        assert (await (await server.client()).ask("ping")).result == {}
    assert events == ["opened", "closed"]
