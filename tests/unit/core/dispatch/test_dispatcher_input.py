"""What the dispatcher does with a handler that asks: its question ends the call, and the answer finishes it."""

import json
from collections.abc import Generator
from typing import Any

import pytest
import trio

from mcp_runtime import Context
from mcp_runtime.config import Limits
from tests.support.captured_log import Events, captured_log
from tests.support.dispatcher_client import meta, text_of
from tests.support.dispatching import (
    ELICITS,
    FORM,
    SERVER_INFO,
    error_of,
    fails,
    serving,
    serving_elsewhere,
)


@pytest.fixture
def log() -> Generator[Events]:
    with captured_log() as events:
        yield events


async def ask(ctx: Context) -> str:
    return f"Hello, {(await ctx.elicit('Name?', FORM, key='name')).data['name']}!"


def params_of_ask(**more: Any) -> dict[str, Any]:
    return {"name": "tool", "arguments": {}, "_meta": meta(**ELICITS), **more}


@pytest.mark.spec("basic/patterns/mrtr#basic-workflow")
async def test_a_question_ends_the_call_and_its_answer_finishes_it() -> None:
    client = serving(ask)
    asked = await client.request("tools/call", params_of_ask())
    assert asked["resultType"] == "input_required"
    assert asked["_meta"][SERVER_INFO]
    assert asked["inputRequests"]["name"]["params"]["requestedSchema"] == FORM
    answers = {"name": {"action": "accept", "content": {"name": "Ada"}}}
    retry = params_of_ask(requestState=asked["requestState"], inputResponses=answers)
    done = await client.request("tools/call", retry, id=2)
    assert (done["resultType"], text_of(done)) == ("complete", "Hello, Ada!")


@pytest.mark.spec("basic/patterns/mrtr#supported-requests")
@pytest.mark.parametrize("kind", ["resource", "prompt"])
async def test_resources_and_prompts_may_ask_too(kind: str) -> None:
    client, method, params = serving_elsewhere(kind, ask)
    asked = await client.request(method, {**params, "_meta": meta(**ELICITS)})
    assert asked["resultType"] == "input_required"
    answers = {"name": {"action": "accept", "content": {"name": "Ada"}}}
    retry = {**params, "_meta": meta(**ELICITS), "requestState": asked["requestState"], "inputResponses": answers}
    assert "Hello, Ada!" in json.dumps(await client.request(method, retry))


@pytest.mark.spec("basic/patterns/mrtr#supported-requests")
async def test_a_completion_cannot_ask(log: Events) -> None:
    client, method, params = serving_elsewhere("completion", ask)
    error = await error_of(client, method, {**params, "_meta": meta(**ELICITS)})
    assert (error.code, error.status) == (-32603, 200)
    assert "cannot ask for input" in log()[0]["exception"]


@pytest.mark.spec("basic#meta")
async def test_a_question_that_the_client_cannot_put_is_a_missing_capability() -> None:
    error = await error_of(serving(ask), "tools/call", {"name": "tool"})
    assert (error.code, error.status) == (-32021, 400)
    assert error.data == {"requiredCapabilities": {"elicitation": {}}}


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow")
@pytest.mark.parametrize("state", ["", "garbage", "v1.", "v1.AAAA"])
async def test_a_state_that_is_not_the_servers_is_invalid_params(state: str) -> None:
    error = await error_of(serving(ask), "tools/call", params_of_ask(requestState=state))
    assert (error.code, error.status) == (-32602, 400)
    assert "requestState" in error.message


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow")
async def test_a_state_is_refused_with_other_arguments_or_for_another_principal() -> None:
    async def tool(ctx: Context, amount: int = 1) -> str:
        return await ask(ctx) + str(amount)

    client = serving(tool)
    asked = await client.request("tools/call", params_of_ask(arguments={"amount": 5}), principal="alice")
    state = asked["requestState"]
    for arguments, principal in (({"amount": 6}, "alice"), ({"amount": 5}, "bob"), ({"amount": 5}, None)):
        params = params_of_ask(arguments=arguments, requestState=state)
        assert (await error_of(client, "tools/call", params, principal=principal)).code == -32602
    again = params_of_ask(arguments={"amount": 5}, requestState=state)
    assert (await client.request("tools/call", again, principal="alice"))["resultType"] == "input_required"


async def test_a_call_that_never_stops_asking_is_stopped() -> None:
    client = serving(ask, limits=Limits(max_input_rounds=2))
    params = params_of_ask()
    for _ in range(2):
        asked = await client.request("tools/call", params)
        params = params_of_ask(requestState=asked["requestState"])
    stopped = await client.request("tools/call", params)
    assert (stopped["isError"], text_of(stopped)) == (True, "This call asked for input 2 times, which is the limit")


async def test_questions_of_a_nursery_are_put_together() -> None:
    async def tool(ctx: Context) -> None:
        async def one(key: str) -> None:
            await ctx.elicit("Name?", FORM, key=key)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, "first")
            nursery.start_soon(one, "second")

    asked = await serving(tool).request("tools/call", params_of_ask())
    assert set(asked["inputRequests"]) == {"first", "second"}


async def test_a_question_in_a_nursery_goes_before_the_failure_beside_it() -> None:
    async def tool(ctx: Context) -> None:
        async def question() -> None:
            await ctx.elicit("Name?", FORM, key="name")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(question)
            nursery.start_soon(fails)

    asked = await serving(tool).request("tools/call", params_of_ask())
    assert list(asked["inputRequests"]) == ["name"]


async def test_a_handler_that_catches_exceptions_lets_its_question_through() -> None:
    async def tool(ctx: Context) -> str:
        try:
            return await ask(ctx)
        except Exception:  # noqa: BLE001  # what authors do
            return "caught"

    assert (await serving(tool).request("tools/call", params_of_ask()))["resultType"] == "input_required"
