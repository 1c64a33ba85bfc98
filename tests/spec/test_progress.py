"""Progress. Rule: each test shows a demand of 2026-07-28/basic/patterns/progress."""

from typing import Any

import anyio
import pytest

from mcp_runtime import Context, Plugin
from tests.support.clients import Client
from tests.support.wires import EVERY_WIRE, over


def late_plugin(journal: list[str]) -> Plugin[Any]:
    """A tool that keeps its context beyond its end."""
    plugin = Plugin("late")
    kept: list[Context] = []

    @plugin.tool
    async def keep(ctx: Context) -> str:
        """Report once, and keep the context."""
        kept.append(ctx)
        await ctx.progress(1)
        return "kept"

    @plugin.tool
    async def use_kept() -> str:
        """Report on a call that has ended."""
        await kept[0].progress(2)
        await kept[0].message("error", "too late")
        journal.append("used")
        return "used"

    return plugin


@pytest.mark.spec("basic/patterns/progress#progress-flow", "token-kinds")
@pytest.mark.parametrize("token", [0, -1, 2**60, "abc", ""])
@over(*EVERY_WIRE)
async def test_a_token_is_any_string_or_integer_and_comes_back_as_it_was(client: Client, token: Any) -> None:
    answer = await client.call("count", extra_meta={"progressToken": token})
    tokens = [message["params"]["progressToken"] for message in answer.notifications]
    assert tokens == [token] * 3
    assert {type(found) for found in tokens} == {type(token)}


@pytest.mark.spec("basic/patterns/progress#progress-flow", "token-kinds")
@pytest.mark.parametrize("token", [1.5, True, None, {}, []])
@over(*EVERY_WIRE)
async def test_other_tokens_are_refused(client: Client, token: Any) -> None:
    (await client.call("count", extra_meta={"progressToken": token})).refused(-32602)


@pytest.mark.spec("basic/patterns/progress#progress-flow", "increases")
@over(*EVERY_WIRE)
async def test_progress_grows_and_what_does_not_grow_is_not_sent(client: Client) -> None:
    answer = await client.call("dither", extra_meta={"progressToken": "t"})
    assert [message["params"]["progress"] for message in answer.notifications] == [1, 2, 3]


@pytest.mark.spec("basic/patterns/progress#progress-flow", "increases")
@over(*EVERY_WIRE)
async def test_progress_says_what_the_handler_said(client: Client) -> None:
    answer = await client.call("count", {"steps": 2}, extra_meta={"progressToken": "t"})
    assert [message["params"] for message in answer.notifications] == [
        {"progressToken": "t", "progress": 1, "total": 2, "message": "step 1"},
        {"progressToken": "t", "progress": 2, "total": 2, "message": "step 2"},
    ]


@pytest.mark.spec("basic/patterns/progress#behavior-requirements", "own-token")
@over(*EVERY_WIRE)
async def test_without_a_token_there_is_no_progress(client: Client) -> None:
    assert (await client.call("count")).notifications == []


@pytest.mark.spec("basic/patterns/progress#implementation-notes", "stops")
@over(*EVERY_WIRE, plugin=late_plugin)
async def test_progress_stops_once_the_request_is_answered(client: Client) -> None:
    assert len((await client.call("keep", extra_meta={"progressToken": "t"})).notifications) == 1
    assert (await client.call("use_kept")).notifications == []
    await anyio.sleep(1)
    assert client.journal == ["used"]
