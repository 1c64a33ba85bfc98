"""How an old session ends, and what ends with it: its stream, its calls, and the questions that they wait with."""

from typing import Any, Final

import anyio
import pytest
from msgspec.structs import replace

from mcp_bridges.gate.port import Refusal, Sighting, Verdict
from mcp_runtime.state.engines import open_state
from mcp_runtime.state.memory import MemoryStore
from tests.support.messages import accepted
from tests.support.raw_sessions import (
    SESSION_REVISIONS,
    OldServer,
    on_both_loops,
    served,
    serving,
)
from tests.support.settings import settings

ASKING_SINCE: Final = "2025-06-18"
"""The revision that elicitation came with."""


@pytest.mark.parametrize("revision", [one for one in SESSION_REVISIONS if one >= ASKING_SINCE])
@served()
async def test_a_call_that_waits_for_an_answer_ends_with_its_session(server: OldServer, revision: str) -> None:
    client = await server.client(revision)
    async with client.open(client.call("greet")) as greeting:
        question = await greeting.next()
        assert (await client.end()).status == 200
        assert (await greeting.done()).messages == [question]  # and no answer: nobody asks any more
    assert server.runtime.dispatcher.at_work == 0
    assert (await client.answer(question, accepted(name="Ada"))).status == 404


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@served()
async def test_a_call_at_work_ends_with_its_session(server: OldServer, revision: str) -> None:
    client = await server.client(revision)
    async with client.open(client.call("nap")) as napping:
        await napping.settle()
        await client.end()
        assert (await napping.done()).messages == []
    assert server.journal[-1] == "nap cancelled"


@served()
async def test_all_of_a_session_ends_and_nothing_of_another(server: OldServer) -> None:
    client, other = await server.client(), await server.client()
    async with (
        client.open(client.call("greet", id_=1)) as greeting,
        client.open(client.call("interview", id_=2)) as interview,
        client.listen() as stream,
        other.open(other.call("greet", id_=1)) as others_greeting,
        other.listen() as others_stream,
    ):
        await greeting.next()
        await interview.next()
        question = await others_greeting.next()
        await client.end()
        for opened in (greeting, interview, stream):
            await opened.done()
        await other.answer(question, accepted(name="Ada"))
        assert (await others_greeting.done()).text == "Hello, Ada!"
        await others_stream.settle()
        assert not others_stream.pumped.is_set()


@served()
async def test_a_call_whose_client_was_let_go_ends_with_its_session(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("greet")) as greeting:
        await greeting.next()
        place = greeting.events[-1].id
    async with client.listen(place) as rest:
        await rest.settle()
        await client.end()
        assert (await rest.done()).messages == []
    assert server.runtime.dispatcher.at_work == 0


@served()
async def test_what_is_left_of_a_batch_is_not_begun(server: OldServer) -> None:
    client = await server.client("2025-03-26")
    async with client.open([client.call("nap", id_="n"), client.call("nap", id_="m")]) as batch:
        await batch.settle()
        await client.end()
        replies: Any = (await batch.done()).messages[0]
    (reply,) = replies
    assert (reply["id"], "it was ended" in reply["error"]["message"]) == ("m", True)
    assert server.journal.count("nap began") == 1


@on_both_loops()
async def test_the_end_finds_the_processes_where_calls_are() -> None:
    state = open_state(settings())
    async with serving(state=state) as one, serving(state=state) as two:
        client, stranger = await one.client(), await one.client()
        async with (
            client.open(client.call("greet", id_=1)) as greeting,
            client.also(two).open(client.call("nap", id_=2)) as napping,
            stranger.open(stranger.call("nap", id_=1)) as others_nap,
        ):
            await greeting.next()
            await napping.settle()
            await client.also(two).end()
            await greeting.done()
            assert (await napping.done()).messages == []
            await others_nap.settle()
            assert not others_nap.pumped.is_set()


class Late(MemoryStore):
    """A store that, while it is `held`, is slow to hand over what it has read."""

    def __init__(self) -> None:
        super().__init__(max_entries=100, max_bytes=100_000)
        self.held: anyio.Event | None = None

    async def get(self, key: str) -> bytes | None:
        held, value = self.held, await super().get(key)
        if held is not None:
            await held.wait()
        return value


@on_both_loops()
async def test_a_stream_that_opens_as_its_session_ends_ends_too() -> None:
    store = Late()
    async with serving(state=replace(open_state(settings()), durable=store)) as server:
        client = await server.client()
        held = store.held = anyio.Event()
        async with client.listen() as stream:
            await stream.settle()  # It has read that the session goes on, and does not know it yet.
            store.held = None
            assert (await client.end()).status == 200
            held.set()
            assert (await stream.done()).messages == []


class Closing:
    """A gate that refuses everything once it is `shut`; for a time, where it says so."""

    def __init__(self, retry_after_s: int | None = None) -> None:
        self.shut = False
        self._retry_after_s = retry_after_s

    def admit(self, sighting: Sighting) -> Verdict:
        del sighting
        if not self.shut:
            return Verdict()
        refusal = Refusal(status=400, code=-32022, message="No more", retry_after_s=self._retry_after_s)
        return Verdict(refusal=refusal)


@on_both_loops()
async def test_a_client_that_is_refused_may_still_end_its_session() -> None:
    gate = Closing()
    async with serving(gate=gate) as server:
        client = await server.client()
        async with client.open(client.call("nap")) as napping, client.listen() as stream:
            await stream.settle()
            gate.shut = True
            assert (await client.end()).status == 400
            await napping.done()
            await stream.done()
        gate.shut = False
        assert (await client.ask("ping")).status == 404


@on_both_loops()
async def test_a_call_whose_answer_is_refused_does_not_wait_for_another() -> None:
    gate = Closing()
    async with serving(gate=gate) as server:
        client = await server.client()
        async with client.open(client.call("greet")) as greeting:
            question = await greeting.next()
            gate.shut = True
            assert (await client.answer(question, accepted(name="Ada"))).status == 400
            assert (await greeting.done()).text == "The client answered elicitation/create with an error: No more"
            assert (await client.answer(question, accepted(name="Ada"))).status == 400  # nobody waits, and still no


@on_both_loops()
async def test_an_answer_that_is_refused_for_a_time_may_come_again() -> None:
    gate = Closing(retry_after_s=60)
    async with serving(gate=gate) as server:
        client = await server.client()
        async with client.open(client.call("greet")) as greeting:
            question = await greeting.next()
            gate.shut = True
            assert (await client.answer(question, accepted(name="Ada"))).status == 400
            gate.shut = False
            await client.answer(question, accepted(name="Ada"))
            assert (await greeting.done()).text == "Hello, Ada!"
