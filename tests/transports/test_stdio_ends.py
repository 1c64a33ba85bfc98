"""How stdio ends: by end of input, by stop, by a client that is gone; and what a reader that stalls may cost."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
import trio.testing

from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.config import Config
from mcp_runtime.transports.stdio.transport import Stdio
from tests.support.fixture_plugin import make_plugin
from tests.support.messages import Message, encode, notification, request
from tests.support.settings import settings
from tests.support.stdio_client import StdioClient
from tests.support.wires import over

NAP = request("tools/call", {"name": "nap", "arguments": {}}, id="nap")
LISTEN = request("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, id="listen")


@dataclass
class Endless:
    """A client's input: lines handed out one at a time, as long as the server asks for more."""

    line: bytes
    count: int
    handed_out: int = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The next line."""
        del max_bytes
        await trio.lowlevel.checkpoint()
        if self.handed_out == self.count:
            await trio.sleep_forever()
        self.handed_out += 1
        return self.line.replace(b'"N"', str(self.handed_out).encode()) + b"\n"


class Stalled(trio.abc.SendStream):
    """A client's output side that takes what is allowed, and then nothing."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.allowed = 0
        self.broken = False

    async def send_all(self, data: Any) -> None:
        if self.broken:
            raise trio.BrokenResourceError
        while len(self.taken) >= self.allowed:
            await trio.sleep(1)
            if self.broken:
                raise trio.BrokenResourceError
        self.taken.append(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@dataclass
class Serving:
    """A Stdio being served."""

    stdio: Stdio
    runtime: Runtime
    journal: list[str]
    ended: trio.Event = field(default_factory=trio.Event)


@asynccontextmanager
async def serving(reader: Any, writer: Any, config: Config) -> AsyncGenerator[Serving, None]:
    """Serve these streams for as long as the block runs."""
    journal: list[str] = []
    runtime = build_runtime(config, (make_plugin(journal),))
    stdio = Stdio(runtime.dispatcher, reader, writer, limits=config.limits, eof_grace_s=config.stdio.eof_grace_s)
    served = Serving(stdio, runtime, journal)

    async def serve() -> None:
        await stdio.serve()
        served.ended.set()

    async with runtime.running(), trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield served
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("grace_s", [0, 0.5, 3])
async def test_calls_at_work_get_the_grace_period_when_the_input_ends(
    autojump_clock: trio.testing.MockClock, grace_s: float
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    async with serving(theirs, theirs, settings(stdio={"eof_grace_s": grace_s})) as served:
        await ours.send_all(encode(NAP) + b"\n")
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        await ours.send_eof()
        await served.ended.wait()
        assert trio.current_time() - began == pytest.approx(grace_s)
        assert served.journal[-1] == "nap cancelled"


async def test_a_call_that_ends_within_the_grace_period_is_answered(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    async with serving(theirs, theirs, settings(stdio={"eof_grace_s": 3})) as served:
        await ours.send_all(
            encode(request("tools/call", {"name": "nap", "arguments": {"seconds": 2}}, id="nap")) + b"\n"
        )
        began = trio.current_time()
        await ours.send_eof()
        await served.ended.wait()
        assert trio.current_time() - began == 2  # and no longer than that
        assert json.loads(await ours.receive_some())["id"] == "nap"


async def test_an_idle_server_ends_at_once(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    async with serving(theirs, theirs, settings()) as served:
        began = trio.current_time()
        await ours.send_eof()
        await served.ended.wait()
        assert trio.current_time() == began


async def test_stop_ends_the_server_as_the_end_of_input_does(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    async with serving(theirs, theirs, settings()) as served:
        await ours.send_all(encode(LISTEN) + b"\n" + encode(NAP) + b"\n")
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        served.stdio.stop()
        served.stdio.stop()
        await served.ended.wait()
        assert trio.current_time() - began == pytest.approx(0.5)
        lines = [json.loads(line) for line in (await ours.receive_some()).splitlines()]
    assert [line.get("method", "result") for line in lines] == [
        "notifications/subscriptions/acknowledged",
        "result",
        "notifications/cancelled",
    ]


async def test_stop_before_the_start_serves_nothing(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    await ours.send_all(encode(NAP) + b"\n")
    runtime = build_runtime(settings(), (make_plugin([]),))
    stdio = Stdio(runtime.dispatcher, theirs, theirs, limits=runtime.config.limits, eof_grace_s=0.5)
    stdio.stop()
    async with runtime.running():
        with trio.fail_after(1):
            await stdio.serve()


@over("stdio")
async def test_subscriptions_get_their_final_result_when_the_input_ends(client: StdioClient) -> None:
    async with client.listen(id="a", toolsListChanged=True) as a, client.listen(id="b", promptsListChanged=True) as b:
        await a.next()
        await b.next()
        await client.end_input()
        assert (await a.answer()).result["resultType"] == "complete"
        assert (await b.answer()).result["resultType"] == "complete"
        await client.ended.wait()


async def test_a_subscription_opened_with_the_last_line_gets_its_final_result_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    async with serving(theirs, theirs, settings()) as served:
        await ours.send_all(encode(LISTEN) + b"\n")
        await ours.send_eof()
        await served.ended.wait()
        lines = [json.loads(line) for line in (await ours.receive_some()).splitlines()]
    assert [line.get("method", "result") for line in lines[:2]] == [
        "notifications/subscriptions/acknowledged",
        "result",
    ]


async def test_a_client_that_closed_its_end_lets_the_server_end_quietly(autojump_clock: trio.testing.MockClock) -> None:
    writer = Stalled()
    writer.broken = True
    reader = Endless(encode(request("server/discover", id="N")), 10)
    async with serving(reader, writer, settings()) as served:
        with trio.fail_after(1):
            await served.ended.wait()


async def test_a_client_that_goes_while_the_server_waits_for_it_ends_calls_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    writer = Stalled()
    ours, theirs = trio.testing.memory_stream_pair()
    async with serving(theirs, writer, settings()) as served:
        await ours.send_all(encode(NAP) + b"\n" + encode(request("server/discover", id=2)) + b"\n")
        await trio.sleep(5)
        writer.broken = True
        with trio.fail_after(2):
            await served.ended.wait()
        assert served.journal[-1] == "nap cancelled"


async def test_an_input_that_breaks_ends_the_server_quietly(autojump_clock: trio.testing.MockClock) -> None:
    class Broken:
        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            del max_bytes
            raise trio.BrokenResourceError

    async with serving(Broken(), Stalled(), settings()) as served:
        with trio.fail_after(1):
            await served.ended.wait()


@pytest.mark.parametrize(
    "message",
    [
        request("server/discover", id="N"),
        request("tools/call", {"name": "echo", "arguments": {"text": "x" * 1000}}, id="N"),
        request("no/such", id="N"),
        {"jsonrpc": "2.0", "id": "N", "method": "initialize"},
        {"jsonrpc": "1.0"},
    ],
)
async def test_a_client_that_sends_without_reading_is_read_no_further(
    autojump_clock: trio.testing.MockClock, message: Message
) -> None:
    reader, writer = Endless(encode(message), 10_000), Stalled()
    async with serving(reader, writer, settings(limits={"max_concurrent_requests": 20})):
        await trio.sleep(60)
        assert writer.taken == []
        assert reader.handed_out <= 30
        writer.allowed = 10_000
        await trio.sleep(60)
        assert reader.handed_out == 10_000
        assert len(writer.taken) == 10_000  # nothing was lost


@pytest.mark.parametrize("limit", [1, 3])
async def test_no_more_calls_are_taken_than_the_limit_until_their_answers_are_written(
    autojump_clock: trio.testing.MockClock, limit: int
) -> None:
    """Each of these calls is over at once: what waits is its answer, and the writer has one message more."""
    reader, writer = Endless(encode(request("server/discover", id="N")), 10), Stalled()
    async with serving(reader, writer, settings(limits={"max_concurrent_requests": limit})) as served:
        await trio.sleep(60)
        assert served.runtime.dispatcher.at_work == 0
        # The last one is refused, and its refusal is to be written, too; the first may be with the writer by then, or not.
        assert reader.handed_out in {limit + 1, limit + 2}
        writer.allowed = 20
        await trio.sleep(60)
    assert sorted(json.loads(line)["id"] for line in writer.taken) == list(range(1, 11))


async def test_a_client_that_sends_without_reading_can_fill_no_memory_with_notifications_either(
    autojump_clock: trio.testing.MockClock,
) -> None:
    count = request(
        "tools/call", {"name": "count", "arguments": {"steps": 1000}}, id="N", extra_meta={"progressToken": "t"}
    )
    reader, writer = Endless(encode(count), 100), Stalled()
    async with serving(
        reader, writer, settings(limits={"max_concurrent_requests": 5, "handler_timeout_s": 10_000.0})
    ) as served:
        writer.allowed = 50
        await trio.sleep(100)
        assert len(writer.taken) == 50
        assert reader.handed_out <= 60  # five at work; each refusal that was taken made room for one more
        assert served.runtime.dispatcher.at_work <= 5


async def test_changes_for_a_client_that_does_not_read_are_kept_once_each(
    autojump_clock: trio.testing.MockClock,
) -> None:
    listen = request("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["a:1", "a:2"]}}, id=1)
    writer = Stalled()
    async with serving(Endless(encode(listen), 1), writer, settings()) as served:
        await trio.sleep(1)
        for _ in range(1000):
            served.runtime.plugins[0].resource_updated("a:1")
            served.runtime.plugins[0].resource_updated("a:2")
        (subscription,) = served.runtime.subscriptions._open
        assert len(subscription._pending) <= 2
        writer.allowed = 1000
        await trio.sleep(10)
        assert len(writer.taken) <= 4


async def test_a_cancellation_is_heard_although_nobody_reads(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    writer = Stalled()
    async with serving(theirs, writer, settings()) as served:
        await ours.send_all(encode(request("server/discover", id=1)) + b"\n" + encode(NAP) + b"\n")
        await trio.sleep(5)
        await ours.send_all(encode(notification("notifications/cancelled", {"requestId": "nap"})) + b"\n")
        await trio.sleep(5)
        assert served.journal[-1] == "nap cancelled"


async def test_the_end_of_input_ends_the_server_although_nobody_reads(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    async with serving(theirs, Stalled(), settings()) as served:
        await ours.send_all(b"".join(encode(request("server/discover", id=number)) + b"\n" for number in range(10)))
        await ours.send_all(encode(LISTEN) + b"\n")
        await trio.sleep(5)
        began = trio.current_time()
        await ours.send_eof()
        await served.ended.wait()
        assert trio.current_time() - began <= 1


async def test_a_reader_that_stalls_before_the_input_ended_unread_does_not_hold_the_server(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The server waits to answer a broken line, so it does not come to read the end; whoever watches the pipe tells it."""
    ours, theirs = trio.testing.memory_stream_pair()
    hung_up = trio.Event()
    async with serving(theirs, Stalled(), settings()) as served, trio.open_nursery() as nursery:
        nursery.start_soon(served.stdio.stop_when_stuck, hung_up.wait)
        await ours.send_all(b"{\n" * 10)
        await trio.sleep(5)
        hung_up.set()
        with trio.fail_after(2):
            await served.ended.wait()


@pytest.mark.parametrize("grace_s", [0.5, 3])
async def test_a_reader_that_stalls_has_one_grace_period_and_not_a_second_one(
    autojump_clock: trio.testing.MockClock, grace_s: float
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    hung_up = trio.Event()
    config = settings(stdio={"eof_grace_s": grace_s})
    async with serving(theirs, Stalled(), config) as served, trio.open_nursery() as nursery:
        nursery.start_soon(served.stdio.stop_when_stuck, hung_up.wait)
        await ours.send_all(b"{\n" * 10)
        await trio.sleep(5)
        began = trio.current_time()
        hung_up.set()
        await served.ended.wait()
        assert trio.current_time() - began == pytest.approx(grace_s)


async def test_a_reader_that_takes_something_in_each_grace_period_has_another_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It is slow, not stuck: every line that it sent is answered, although that takes many grace periods."""
    ours, theirs = trio.testing.memory_stream_pair()
    writer, hung_up = Stalled(), trio.Event()
    async with serving(theirs, writer, settings(stdio={"eof_grace_s": 3})) as served, trio.open_nursery() as nursery:
        nursery.start_soon(served.stdio.stop_when_stuck, hung_up.wait)
        await ours.send_all(b"{\n" * 10)
        hung_up.set()
        for taken in range(1, 10):
            await trio.sleep(2)
            writer.allowed = taken
        await trio.sleep(2)
        assert len(writer.taken) == 9
        assert not served.ended.is_set()
        with trio.fail_after(7):
            await served.ended.wait()
