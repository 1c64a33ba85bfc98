"""A handler tells, asks and remembers through its context, and of that the client gets what it asked for."""

import json
import random
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
import trio
import trio.testing

from mcp_runtime import Context, SamplingMessage, SyncContext, TextContent, ToolError
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.call import Call, Reply
from mcp_runtime.core.handlers.sampling import CreateMessageRequestParams, SamplingOptions
from mcp_runtime.protocol.meta import LOGGING_LEVELS
from tests.support.dispatcher_client import text_of
from tests.support.handlers import FORM, params, refused, sent, serving
from tests.support.messages import PREFIX

# Progress and messages


@pytest.mark.spec("basic/patterns/progress#progress-flow")
@pytest.mark.parametrize("token", ["t", "", 0, 7])
async def test_progress_is_told_to_who_asked_and_only_grows(token: str | int) -> None:
    async def tool(ctx: Context) -> None:
        await ctx.progress(0, total=2)
        await ctx.progress(0)
        await ctx.progress(0.5, message="half")
        await ctx.progress(0.25)
        await ctx.progress(float("nan"))
        await ctx.progress(2, 2, "done")

    client = serving(tool)
    await client.request("tools/call", params({"progressToken": token}))
    assert sent(client) == [
        {"progressToken": token, "progress": 0, "total": 2},
        {"progressToken": token, "progress": 0.5, "message": "half"},
        {"progressToken": token, "progress": 2, "total": 2, "message": "done"},
    ]
    assert {message["method"] for message in client.notifications} == {"notifications/progress"}


@pytest.mark.spec("basic/patterns/progress#progress-flow")
async def test_every_progress_that_is_told_is_a_number() -> None:
    async def tool(ctx: Context) -> None:
        await ctx.progress(1, total=float("inf"))
        await ctx.progress(float("inf"))

    client = serving(tool)
    await client.request("tools/call", params({"progressToken": 1}))
    assert sent(client) == [{"progressToken": 1, "progress": 1}]


async def test_without_a_token_nothing_is_told() -> None:
    async def tool(ctx: Context) -> None:
        await ctx.progress(1)

    client = serving(tool)
    await client.request("tools/call", params())
    assert client.notifications == []


@pytest.mark.spec("server/utilities/logging#per-request-log-level")
@pytest.mark.parametrize("wanted", [None, *LOGGING_LEVELS])
async def test_messages_of_the_level_asked_for_and_above_are_sent(wanted: str | None) -> None:
    async def tool(ctx: Context) -> None:
        for level in LOGGING_LEVELS:
            await ctx.message(level, {"n": 1}, logger="db")

    client = serving(tool)
    await client.request("tools/call", params({} if wanted is None else {PREFIX + "logLevel": wanted}))
    expected = [] if wanted is None else list(LOGGING_LEVELS)[list(LOGGING_LEVELS).index(wanted) :]  # type: ignore[arg-type]  # one of them
    assert [told["level"] for told in sent(client)] == expected
    assert all(told["data"] == {"n": 1} and told["logger"] == "db" for told in sent(client))


async def test_a_plain_function_tells_too() -> None:
    def tool(ctx: SyncContext) -> None:
        ctx.progress(1)
        ctx.message("info", None)

    client = serving(tool)
    await client.request("tools/call", params({"progressToken": 1, PREFIX + "logLevel": "debug"}))
    assert sent(client) == [{"progressToken": 1, "progress": 1}, {"level": "info", "data": None}]


@pytest.mark.spec("basic/patterns/progress#implementation-notes")
async def test_nothing_is_told_once_the_handler_has_returned() -> None:
    kept: list[Context] = []

    async def tool(ctx: Context) -> None:
        kept.append(ctx)

    client = serving(tool)
    await client.request("tools/call", params({"progressToken": 1, PREFIX + "logLevel": "debug"}))
    await kept[0].progress(1)
    await kept[0].message("error", "late")
    assert client.notifications == []


# Questions


@pytest.mark.spec("client/elicitation#url-mode-elicitation-requests")
@pytest.mark.parametrize("url", ["", "example.com", "/sign-in", "not a url", "https://", "https://a b/", "http://[::1"])
async def test_what_is_no_url_is_never_sent(url: str) -> None:
    async def tool(ctx: Context) -> None:
        await ctx.elicit_url("Sign in", url)

    assert (await serving(tool).request("tools/call", params()))["isError"] is True


async def test_questions_are_numbered_unless_they_have_a_key() -> None:
    async def tool(ctx: Context) -> None:
        await ctx.gather(ctx.elicit("a", FORM), ctx.elicit_url("b", "https://b/", key="own"), ctx.roots())

    asked = await serving(tool).request("tools/call", params())
    assert list(asked["inputRequests"]) == ["input-1", "own", "input-3"]
    assert [request["method"] for request in asked["inputRequests"].values()] == [
        "elicitation/create",
        "elicitation/create",
        "roots/list",
    ]


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow")
async def test_two_questions_cannot_share_a_key() -> None:
    async def tool(ctx: Context) -> None:
        await ctx.gather(ctx.roots(key="same"), ctx.roots(key="same"))

    found = await serving(tool).request("tools/call", params())
    assert (found["isError"], "incident" in text_of(found)) == (True, True)


async def test_answers_of_a_gather_come_in_the_order_of_its_questions() -> None:
    @dataclass
    class Name:
        name: str

    async def tool(ctx: Context) -> str:
        named, roots, sampled = await ctx.gather(
            ctx.elicit("Name?", Name, key="n"), ctx.roots(key="r"), ctx.sample("Hi", max_tokens=5, key="s")
        )
        return f"{named.data.name} {roots[0].uri} {sampled.text}"

    client = serving(tool)
    asked = await client.request("tools/call", params())
    answers = {
        "s": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Hello"}},
        "r": {"roots": [{"uri": "file:///a"}]},
        "n": {"action": "accept", "content": {"name": "Ada"}},
    }
    retry = params(requestState=asked["requestState"], inputResponses=answers)
    assert text_of(await client.request("tools/call", retry)) == "Ada file:///a Hello"


@pytest.mark.parametrize("seed", range(20))
async def test_questions_of_one_nursery_get_their_own_answers_whoever_runs_first(seed: int) -> None:
    shuffled = random.Random(seed)
    messages = ["Account?", "Amount?", "Really?"]

    async def tool(ctx: Context) -> dict[str, str]:
        found: dict[str, str] = {}

        async def ask(message: str) -> None:
            found[message] = (await ctx.elicit(message, FORM)).data["name"]

        async with anyio.create_task_group() as tasks:
            for message in shuffled.sample(messages, 3):
                tasks.start_soon(ask, message)
        return found

    client = serving(tool)
    result = await client.request("tools/call", params())
    asked: list[str] = []
    while "inputRequests" in result:
        put = {key: one["params"]["message"] for key, one in result["inputRequests"].items()}
        asked += put.values()
        answers = {key: {"action": "accept", "content": {"name": f"{text} Yes"}} for key, text in put.items()}
        retry = params(requestState=result["requestState"], inputResponses=answers)
        result = await client.request("tools/call", retry)
    assert json.loads(text_of(result)) == {message: f"{message} Yes" for message in messages}
    assert sorted(asked) == messages


async def test_a_question_whose_text_has_changed_is_put_again() -> None:
    price = iter([10, 1000])

    async def tool(ctx: Context) -> str:
        amount = next(price)
        await ctx.elicit(f"Pay {amount}?", FORM, key="pay")
        return f"paid {amount}"

    client = serving(tool)
    asked = await client.request("tools/call", params())
    retry = params(requestState=asked["requestState"], inputResponses={"pay": {"action": "accept", "content": {}}})
    again = await client.request("tools/call", retry)
    assert again["inputRequests"]["pay"]["params"]["message"] == "Pay 1000?"


@pytest.mark.spec("client/sampling#creating-messages")
async def test_a_model_is_asked_with_just_the_options_given() -> None:
    async def tool(ctx: Context) -> None:
        await ctx.gather(
            ctx.sample("Hi", max_tokens=5, key="plain"),
            ctx.sample(
                [SamplingMessage("user", TextContent("Hi"))],
                max_tokens=6,
                system_prompt="S",
                temperature=0.0,
                stop_sequences=["."],
                model_preferences={"speedPriority": 1},
                metadata={"a": 1},
                tools=[{"name": "t", "inputSchema": {"type": "object"}}],
                tool_choice={"mode": "auto"},
                key="full",
            ),
        )

    asked = (await serving(tool).request("tools/call", params()))["inputRequests"]
    messages = [{"role": "user", "content": {"type": "text", "text": "Hi"}}]
    assert asked["plain"] == {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": 5}}
    assert asked["full"]["params"] == {
        "messages": messages,
        "maxTokens": 6,
        "systemPrompt": "S",
        "temperature": 0.0,
        "stopSequences": ["."],
        "modelPreferences": {"speedPriority": 1},
        "metadata": {"a": 1},
        "tools": [{"name": "t", "inputSchema": {"type": "object"}}],
        "toolChoice": {"mode": "auto"},
    }


@pytest.mark.spec("client/sampling#sampling-with-tools")
async def test_tools_are_offered_only_to_a_model_that_takes_them() -> None:
    async def tool(ctx: Context) -> None:
        await ctx.sample("Hi", max_tokens=5, tools=[])

    error = await refused(tool, capabilities={"sampling": {}})
    assert error.data == {"requiredCapabilities": {"sampling": {"tools": {}}}}


async def test_who_declines_ends_the_call_with_a_readable_error() -> None:
    async def tool(ctx: Context) -> str:
        return str((await ctx.elicit("Name?", FORM, key="n")).data)

    client = serving(tool)
    declined = {"n": {"action": "decline"}}
    asked = await client.request("tools/call", params(inputResponses=declined))
    retry = params(inputResponses=declined, requestState=asked["requestState"])
    found = await client.request("tools/call", retry)
    assert (found["isError"], text_of(found)) == (True, "The user declined to answer")


async def test_a_plain_function_asks_too() -> None:
    def tool(ctx: SyncContext) -> str:
        ctx.require(elicitation=True)
        value = ctx.memo("once", lambda: 5)
        name = ctx.elicit("Name?", FORM, key="n").data["name"]
        opened = ctx.elicit_url("Open", "https://a/", key="u").accepted
        said = ctx.sample("Hi", max_tokens=5, key="s").text
        return f"{value} {name} {opened} {said} {ctx.roots(key='r')[0].uri}"

    client = serving(tool)
    answers: dict[str, Any] = {
        "n": {"action": "accept", "content": {"name": "Ada"}},
        "u": {"action": "accept"},
        "s": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Hello"}},
        "r": {"roots": [{"uri": "file:///a"}]},
    }
    state: dict[str, Any] = {}
    for key, answer in answers.items():
        asked = await client.request("tools/call", params(**state))
        assert list(asked["inputRequests"]) == [key]
        state = {"requestState": asked["requestState"], "inputResponses": {key: answer}}
    assert text_of(await client.request("tools/call", params(**state))) == "5 Ada True Hello file:///a"


# Memos


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_memo_runs_once_over_all_rounds(*, is_async: bool) -> None:
    runs: list[int] = []

    def plain() -> dict[str, Any]:
        runs.append(1)
        return {"n": len(runs), "pair": (1, 2)}

    async def waiting() -> dict[str, Any]:
        await anyio.lowlevel.checkpoint()
        return plain()

    async def tool(ctx: Context) -> str:
        value = await ctx.memo("once", waiting if is_async else plain)
        again = await ctx.memo("once", waiting if is_async else plain)
        assert value == again
        await ctx.elicit("Name?", FORM, key="n")
        return json.dumps(value)

    client = serving(tool)
    asked = await client.request("tools/call", params())
    asked = await client.request("tools/call", params(requestState=asked["requestState"]))
    answers = {"n": {"action": "accept", "content": {}}}
    done = await client.request("tools/call", params(requestState=asked["requestState"], inputResponses=answers))
    assert json.loads(text_of(done)) == {"n": 1, "pair": [1, 2]}
    assert runs == [1]


async def test_a_memo_too_large_is_a_readable_error() -> None:
    async def tool(ctx: Context) -> None:
        await ctx.memo("big", lambda: "x" * 5000)

    found = await serving(tool, limits=Limits(max_request_state_bytes=1024)).request("tools/call", params())
    assert found["isError"] is True
    assert text_of(found).startswith("memo('big') does not fit")


async def test_a_memo_that_fails_is_tried_again_by_the_next_call() -> None:
    runs: list[int] = []

    async def tool(ctx: Context) -> int:
        def value() -> int:
            runs.append(1)
            if len(runs) == 1:
                raise ToolError("not yet")
            return len(runs)

        return await ctx.memo("m", value)

    client = serving(tool)
    assert text_of(await client.request("tools/call", params())) == "not yet"
    assert (await client.request("tools/call", params()))["structuredContent"] == 2


async def test_a_slow_reader_slows_down_who_tells() -> None:
    async def tool(ctx: Context) -> str:
        await ctx.progress(1)
        return "done"

    client = serving(tool)
    call: Call = client.call("tools/call", params({"progressToken": 1}))
    ready = trio.Event()
    taken: list[bytes] = []

    async def notify(message: bytes) -> None:
        await ready.wait()
        taken.append(message)

    call.notify = notify
    answers: list[object] = []

    async def serve() -> None:
        answers.append(await client.dispatch(call))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await trio.testing.wait_all_tasks_blocked()
        assert answers == []
        ready.set()
    assert isinstance(answers[0], Reply)
    assert len(taken) == 1


def test_every_field_of_a_sampling_request_is_an_option_for_authors() -> None:
    assert SamplingOptions.__optional_keys__ == set(CreateMessageRequestParams.__struct_fields__) - {
        "messages",
        "max_tokens",
    }
