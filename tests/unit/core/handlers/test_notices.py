"""A handler may report as often as it likes: its client hears so much a second, and how it ended."""

from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio.testing

from mcp_runtime import Context, ToolError
from mcp_runtime.config.limits import Limits
from mcp_runtime.protocol.errors import PeerError
from tests.support.handlers import FORM, params, sent, serving
from tests.support.messages import PREFIX

Clock = trio.testing.MockClock

THREE = Limits(max_notifications_per_second=3)
TOKEN = {"progressToken": "t"}
DEBUG = {PREFIX + "logLevel": "debug"}


async def count(ctx: Context, first: int, last: int) -> None:
    """Report each number."""
    for number in range(first, last + 1):
        await ctx.progress(number)


def heard(notifications: list[Any]) -> list[float]:
    return [one["progress"] for one in notifications]


@pytest.mark.parametrize("limit", [1, 3, 1000])
@pytest.mark.spec("basic/patterns/progress#implementation-notes")
async def test_progress_is_told_up_to_the_limit_and_then_only_the_last(limit: int, autojump_clock: Clock) -> None:
    async def tool(ctx: Context, last: int) -> None:
        await count(ctx, 1, last)

    for last in (limit, limit + 1, 10 * limit):
        client = serving(tool, limits=Limits(max_notifications_per_second=limit))
        await client.request("tools/call", params(TOKEN, arguments={"last": last}))
        assert heard(sent(client)) == [*range(1, limit + 1), *([] if last == limit else [last])]


async def test_there_is_room_again_as_time_goes_by(autojump_clock: Clock) -> None:
    async def tool(ctx: Context) -> None:
        await count(ctx, 1, 10)
        await anyio.sleep(1 / 3 + 0.001)
        await count(ctx, 11, 20)
        await anyio.sleep(60)
        await count(ctx, 21, 30)

    client = serving(tool, limits=THREE)
    await client.request("tools/call", params(TOKEN))
    assert heard(sent(client)) == [1, 2, 3, 11, 21, 22, 23, 30]


@pytest.mark.parametrize("limit", [0, 1000])
async def test_nothing_is_held_back_of_a_call_that_stays_below_the_limit(limit: int, autojump_clock: Clock) -> None:
    async def tool(ctx: Context) -> None:
        await count(ctx, 1, 1000)
        for number in range(1000):
            await ctx.message("info", number)

    client = serving(tool, limits=Limits(max_notifications_per_second=limit))
    await client.request("tools/call", params(TOKEN | DEBUG))
    assert len(client.notifications) == 2000


async def test_log_messages_past_the_limit_are_left_out_and_counted_as_loud_as_the_loudest(
    autojump_clock: Clock,
) -> None:
    async def tool(ctx: Context) -> None:
        for number in range(5):
            await ctx.message("debug", number, logger="db")
        await ctx.message("error", "loud")
        await ctx.message("info", "quiet")
        await anyio.sleep(60)
        for number in range(4):
            await ctx.message("debug", number)

    client = serving(tool, limits=THREE)
    await client.request("tools/call", params(DEBUG))
    said = [(one["level"], one["data"]) for one in sent(client)]
    left_out = "{} log messages were left out here: a call may send 3 a second"
    assert said == [
        *(("debug", number) for number in range(3)),
        ("error", left_out.format(4)),
        *(("debug", number) for number in range(2)),
        ("debug", left_out.format(2)),
    ]


async def test_progress_and_log_messages_have_room_of_their_own(autojump_clock: Clock) -> None:
    async def tool(ctx: Context) -> None:
        await count(ctx, 1, 100)
        await ctx.message("error", "heard")

    client = serving(tool, limits=THREE)
    await client.request("tools/call", params(TOKEN | DEBUG))
    assert [one["method"] for one in client.notifications] == [
        *["notifications/progress"] * 3,
        "notifications/message",
        "notifications/progress",
    ]


@pytest.mark.parametrize("how", ["tool error", "exception", "exit", "peer error", "question", "unsayable result"])
async def test_the_last_progress_comes_before_any_answer(how: str, autojump_clock: Clock) -> None:
    async def tool(ctx: Context) -> object:
        await count(ctx, 1, 50)
        match how:
            case "tool error":
                raise ToolError("no")
            case "exception":
                raise ValueError
            case "exit":
                raise SystemExit
            case "peer error":
                raise PeerError(-32602, "no")
            case "question":
                await ctx.elicit("Name?", FORM)
            case _:
                return object()
        return None

    client = serving(tool, limits=THREE)
    await client.reply("tools/call", params(TOKEN))
    assert heard(sent(client)) == [1, 2, 3, 50]


async def test_a_call_that_is_given_up_says_nothing_more(autojump_clock: Clock) -> None:
    async def tool(ctx: Context) -> None:
        await count(ctx, 1, 50)
        call.abandon()

    client = serving(tool, limits=THREE)
    call = client.call("tools/call", params(TOKEN))
    assert await client.dispatch(call) is None
    assert heard(sent(client)) == [1, 2, 3]


async def test_who_reports_without_end_lets_others_run_and_is_stopped(autojump_clock: Clock) -> None:
    async def tool(ctx: Context) -> None:
        progress = 0
        while True:
            progress += 1
            await ctx.progress(progress)
            await ctx.message("debug", progress)

    client = serving(tool, limits=THREE)
    call = client.call("tools/call", params(TOKEN | DEBUG))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.dispatch, call)
        await anyio.lowlevel.checkpoint()
        call.abandon()
    assert len(client.notifications) <= 6


async def test_what_is_no_json_is_the_authors_error_though_it_would_be_held(autojump_clock: Clock) -> None:
    async def tool(ctx: Context) -> None:
        await count(ctx, 1, 50)
        await ctx.progress(51, message=object())  # type: ignore[arg-type]

    client = serving(tool, limits=THREE)
    found = await client.request("tools/call", params(TOKEN))
    assert "incident" in found["content"][0]["text"]
    assert heard(sent(client)) == [1, 2, 3, 50]
