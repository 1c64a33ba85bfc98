"""How a stream of HTTP+SSE ends: the server stops, or the client leaves. Rule: what was said is heard, and nothing is left."""

from typing import Any

import anyio
import pytest

from tests.support.clocks import Backend, run
from tests.support.legacy_messages import old, opening, result, text_of
from tests.support.messages import accepted
from tests.support.raw_wires import old_http, old_sse

BACKENDS: tuple[Backend, ...] = ("trio", "asyncio")
both = pytest.mark.parametrize("backend", BACKENDS)


@both
def test_a_stop_lets_a_call_finish_then_ends_the_stream(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http, old_sse(http) as client:
            await client.open()
            call = await client.start_tool("nap", seconds=5)
            await client.settle()
            http.runtime.close_streams()
            http.runtime.close_streams()
            await client.settle()
            assert not client.stream.complete.is_set()
            response = await http.get("GET", "/sse")
            assert (response.status, b"stopping" in response.body) == (503, True)
            assert text_of(await client.response(call)) == "rested"
            await client.stream.returned.wait()
            assert client.stream.complete.is_set()
            assert (await client.post(old("ping"))).status == 404

    run(backend, test)


@both
def test_a_stop_lets_a_question_be_answered(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http, old_sse(http) as client:
            await client.open()
            call = await client.start_tool("interview")
            first = await client.question()
            http.runtime.close_streams()
            await client.say(result(first["id"], accepted(name="Ada")))
            await client.say(result((await client.question())["id"], accepted(colour="red")))
            assert text_of(await client.response(call)) == "Ada likes red and 7"
            await client.pumped.wait()
            assert client.stream.complete.is_set()

    run(backend, test)


@both
def test_a_stop_ends_a_stream_with_nothing_at_work_at_once(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http, old_sse(http) as one, old_sse(http) as two:
            await one.open()
            http.runtime.close_streams()
            for client in (one, two):
                await client.pumped.wait()
                assert client.stream.complete.is_set()

    run(backend, test)


@both
def test_a_message_to_a_stream_that_is_about_to_end_does_no_harm(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http, old_sse(http) as client:
            await client.open()
            client.stall()
            await client.start_tool("echo", text="the last word", id="last")
            await client.settle()
            http.runtime.close_streams()
            await client.settle()
            # What has been said waits for its reader; nothing more is said.
            statuses = [(await client.post(message)).status for message in (old("ping", id="p"), opening(), b"[]")]
            assert set(statuses) <= {202, 404, 503}
            await client.start_tool("echo", text="too late")
            await client.settle()
            client.resume()
            await client.pumped.wait()
            assert text_of(await client.response("last")) == "the last word"
            assert client.stream.complete.is_set()

    run(backend, test)


@both
def test_a_question_waits_no_longer_than_its_client_is_there(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http, old_sse(http) as client:
            await client.open()
            await client.start_tool("interview")
            await client.question()
            await client.leave()
            await client.settle()
            assert http.runtime.dispatcher.at_work == 0
            assert client.stream.returned.is_set()

    run(backend, test)


@both
@pytest.mark.parametrize("gone", ["silent", "raises"])
def test_a_client_that_leaves_without_reading_leaves_nothing_behind(backend: Backend, gone: Any) -> None:
    async def test() -> None:
        async with old_http() as http:
            async with old_sse(http, gone=gone) as client:
                await client.open()
                client.stall()
                await client.start_tool("nap")
                for number in range(5):
                    await client.start_tool("echo", text=f"unread {number}")
                await client.say(old("ping", id="unread"))
                await client.settle()
                await client.leave()
                await client.settle()
                assert http.runtime.dispatcher.at_work == 0
                assert http.journal == ["started", "nap began", "nap cancelled"]
                assert (await client.post(old("ping"))).status == 404
            assert len(http.runtime.subscriptions) == 0
            async with old_sse(http) as again:
                assert (await again.ask("ping"))["result"] == {}

    run(backend, test)


@both
def test_a_handler_that_talks_while_it_cleans_up_does_not_hold_the_stream(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http, old_sse(http) as client:
            await client.open()
            await client.start("tools/call", {"name": "tidy", "_meta": {"progressToken": 1}})
            await client.settle()
            await client.leave()
            with anyio.fail_after(1):
                await client.stream.returned.wait()
            assert http.journal == ["started", "tidied"]

    run(backend, test)
