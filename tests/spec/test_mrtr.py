"""Questions to the client, over several rounds. Rule: each test shows a demand of 2026-07-28/basic/patterns/mrtr."""

import base64
import time
from typing import Any

import pytest

from mcp_runtime import Context, Plugin
from tests.support.clients import Answer, Client
from tests.support.clocks import run
from tests.support.fixture_plugin import Name
from tests.support.messages import ABLE, UNABLE, Message, accepted, request, rooted, sampled
from tests.support.settings import settings
from tests.support.wires import EVERY_WIRE, Wire, connect, over

NAMED = {"user_name": accepted(name="Ada")}


def twin_plugin(_: list[str]) -> Plugin[Any]:
    """Asks two questions under one key."""
    plugin = Plugin("twins")

    @plugin.tool
    async def twins(ctx: Context) -> str:
        """Ask twice under one key."""
        first, second = await ctx.gather(ctx.elicit("One?", Name, key="same"), ctx.elicit("Two?", Name, key="same"))
        return first.data.name + second.data.name

    @plugin.tool
    async def unnamed(ctx: Context) -> str:
        """Ask twice without keys."""
        first, second = await ctx.gather(ctx.elicit("One?", Name), ctx.elicit("Two?", Name))
        return first.data.name + second.data.name

    @plugin.completion(prompt="topic", argument="topic")
    async def topics(value: str, ctx: Context) -> list[str]:
        await ctx.elicit("Which?", Name)
        return [value]

    @plugin.prompt
    async def topic(topic: str) -> str:
        """A prompt."""
        return topic

    return plugin


@pytest.mark.spec("basic/patterns/mrtr#top", "only-in-results")
@pytest.mark.spec("basic/patterns/index#top", "no-requests")
@over(*EVERY_WIRE)
async def test_every_kind_of_question_travels_in_a_result(client: Client) -> None:
    answer = await client.call("survey")
    assert answer.notifications == []
    assert {asked["method"] for asked in answer.asked.values()} == {
        "elicitation/create",
        "sampling/createMessage",
        "roots/list",
    }
    final = await client.retry(answer, {**NAMED, "haiku": sampled("An old pond"), "folders": rooted("file:///home")})
    assert final.text == "Ada: An old pond (file:///home)"


@pytest.mark.spec("basic/patterns/mrtr#supported-requests", "only-three")
@over(*EVERY_WIRE)
async def test_tools_prompts_and_resources_may_ask(client: Client) -> None:
    tool = await client.call("greet")
    assert (await client.retry(tool, NAMED)).text == "Hello, Ada!"
    prompt = await client.ask("prompts/get", {"name": "personal"})
    story = await client.retry(prompt, {"whose": accepted(name="Ada")})
    assert story.result["messages"][0]["content"]["text"] == "Tell the story of Ada."
    resource = await client.ask("resources/read", {"uri": "vault://combination"})
    opened = await client.retry(resource, {"who": accepted(name="Ada")})
    assert opened.result["contents"][0]["text"] == "opened for Ada"


@pytest.mark.spec("basic/patterns/mrtr#supported-requests", "only-three")
@over(*EVERY_WIRE, plugin=twin_plugin)
async def test_a_completion_that_asks_is_an_internal_error(client: Client) -> None:
    params = {"ref": {"type": "ref/prompt", "name": "topic"}, "argument": {"name": "topic", "value": "x"}}
    (await client.ask("completion/complete", params)).refused(-32603, 200)


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "unique-keys")
@over(*EVERY_WIRE, plugin=twin_plugin)
async def test_two_questions_never_share_a_key(client: Client) -> None:
    assert (await client.call("twins")).result["isError"]
    answer = await client.call("unnamed")
    assert len(answer.asked) == 2
    one, two = answer.asked
    final = await client.retry(answer, {one: accepted(name="a"), two: accepted(name="b")})
    assert final.text == "ab"


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "known-kinds", "something-to-go-on")
@pytest.mark.parametrize("tool", ["greet", "interview", "survey", "think", "where", "sign_in", "nag"])
@over(*EVERY_WIRE)
async def test_a_result_that_needs_input_carries_questions_and_state(client: Client, tool: str) -> None:
    answer = await client.call(tool)
    assert answer.asked
    assert answer.state


def _mangled(state: str) -> list[str]:
    raw = bytearray(base64.urlsafe_b64decode(state.partition(".")[2] + "=="))
    changed: list[str] = []
    for index in (0, 3, 4, 19, 20, 31, 32, len(raw) // 2, len(raw) - 1):
        copy = raw.copy()
        copy[index] ^= 1
        changed.append("v1." + base64.urlsafe_b64encode(copy).rstrip(b"=").decode())
    return [*changed, state + "-TAMPERED", state[:-1], state[1:], state + "=", state + "A", state.upper(), " " + state]


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "rejected-state", "untrusted-state")
@pytest.mark.spec("basic/patterns/mrtr#security-considerations", "validated")
@over(*EVERY_WIRE)
async def test_state_that_was_changed_in_any_bit_is_refused(client: Client) -> None:
    answer = await client.call("greet")
    for state in _mangled(answer.state):
        params = {"name": "greet", "arguments": {}, "inputResponses": NAMED, "requestState": state}
        (await client.ask("tools/call", params)).refused(-32602)


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "untrusted-state")
@pytest.mark.parametrize(
    "state", ["", "v1.", "v1.AAAA", "v2.AAAA", "é" * 100, "\0", "{}", "v1." + "A" * 60_000, 7, None, {}]
)
@over(*EVERY_WIRE)
async def test_any_text_for_a_state_is_refused_cleanly(client: Client, state: Any) -> None:
    for params in (
        {"name": "greet", "arguments": {}, "inputResponses": NAMED, "requestState": state},
        {"name": "nothing", "requestState": state},
    ):
        (await client.ask("tools/call", params)).refused(-32602)
    assert client.journal == ["started"]


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "protected-state")
@over(*EVERY_WIRE)
async def test_state_can_not_be_read(client: Client) -> None:
    answer = await client.call("interview")
    second = await client.retry(answer, {"name": accepted(name="Ada Lovelace")})
    token = second.state.partition(".")[2]
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert b"Ada" not in raw
    assert b"number" not in raw
    assert (await client.call("greet")).state != (await client.call("greet")).state


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "bound-state")
@over(*EVERY_WIRE)
async def test_state_serves_only_the_request_it_was_made_for(client: Client) -> None:
    answer = await client.call("greet", {"greeting": "Hi"})

    async def present(method: str, params: Message) -> Answer:
        return await client.ask(method, {**params, "inputResponses": NAMED, "requestState": answer.state})

    assert (await present("tools/call", {"name": "greet", "arguments": {"greeting": "Hi"}})).text == "Hi, Ada!"
    for method, params in (
        ("tools/call", {"name": "greet", "arguments": {"greeting": "Bye"}}),
        ("tools/call", {"name": "greet", "arguments": {}}),
        ("tools/call", {"name": "greet"}),
        ("tools/call", {"name": "ask_late", "arguments": {"greeting": "Hi"}}),
        ("prompts/get", {"name": "personal"}),
        ("resources/read", {"uri": "vault://combination"}),
    ):
        (await present(method, params)).refused(-32602)


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "bound-state")
@over(*EVERY_WIRE)
async def test_the_order_of_arguments_is_no_part_of_the_request(client: Client) -> None:
    answer = await client.ask("tools/call", {"name": "greet", "arguments": {"greeting": "Hi"}})
    params = {"requestState": answer.state, "inputResponses": NAMED, "arguments": {"greeting": "Hi"}, "name": "greet"}
    assert (await client.ask("tools/call", params)).text == "Hi, Ada!"


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "bound-state")
@pytest.mark.parametrize("wire", ["http-trio", "stdio"])
def test_state_expires(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with connect(wire, settings(limits={"request_state_ttl_s": 60.0})) as client:
            answer = await client.call("greet")
            asked_at = time.time()
            # The seal's clock is the wall's: it has to be the same on every machine that shares the keys.
            sealer = client.runtime.sealer()
            monkeypatch.setattr(sealer, "_now", lambda: asked_at + 50)
            assert (await client.retry(answer, NAMED)).text == "Hello, Ada!"
            monkeypatch.setattr(sealer, "_now", lambda: asked_at + 61)
            assert "expired" in (await client.retry(answer, NAMED)).refused(-32602)["message"]

    run("trio", talk)


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "rejected-state")
@pytest.mark.parametrize("wire", ["http-trio", "stdio"])
def test_state_of_a_server_with_other_keys_is_refused(wire: Wire) -> None:
    async def talk() -> None:
        async with connect(wire, settings(seal_keys=("the one key of these tests, long enough",))) as client:
            answer = await client.call("greet")
        async with connect(wire, settings(seal_keys=("another key of these tests, long enough",))) as other:
            (await other.retry(answer, NAMED)).refused(-32602)
        async with connect(
            wire,
            settings(seal_keys=("another key of these tests, long enough", "the one key of these tests, long enough")),
        ) as rotated:
            assert (await rotated.retry(answer, NAMED)).text == "Hello, Ada!"

    run("trio", talk)


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "declared-only")
@over(*EVERY_WIRE)
async def test_a_client_is_asked_for_nothing_that_it_did_not_declare(client: Client) -> None:
    for missing in ("elicitation", "sampling", "roots"):
        declared = {key: value for key, value in ABLE.items() if key != missing}
        error = (await client.call("survey", capabilities=declared)).refused(-32021)
        assert missing in error["data"]["requiredCapabilities"]


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "declared-only")
@over(*EVERY_WIRE)
async def test_a_capability_counts_only_where_it_is_declared_even_in_the_next_round(client: Client) -> None:
    answer = await client.call("interview")
    (await client.retry(answer, {"name": accepted(name="Ada")}, capabilities=UNABLE)).refused(-32021)


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "no-retry-needed")
@over(*EVERY_WIRE, config=settings(limits={"max_concurrent_requests": 2}))
async def test_clients_that_never_come_back_hold_nothing(client: Client) -> None:
    for _ in range(20):
        assert (await client.call("interview")).asked
    assert client.runtime.dispatcher.at_work == 0


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "no-retry-needed")
@over(*EVERY_WIRE)
async def test_a_retry_may_come_twice(client: Client) -> None:
    answer = await client.call("greet")
    assert (await client.retry(answer, NAMED)).text == "Hello, Ada!"
    assert (await client.retry(answer, {"user_name": accepted(name="Bob")})).text == "Hello, Bob!"


@pytest.mark.spec("basic/patterns/mrtr#error-handling", "malformed")
@pytest.mark.parametrize(
    "responses",
    [
        None,
        [],
        "text",
        7,
        {"user_name": 12345},
        {"user_name": None},
        {"user_name": []},
        {"user_name": {}},
        {"user_name": {"action": "maybe"}},
        {"user_name": {"action": "accept", "content": "Ada"}},
        {"user_name": {"action": "accept", "content": {"name": {"first": "Ada"}}}},
        {"user_name": sampled("Ada")},
    ],
)
@over(*EVERY_WIRE)
async def test_malformed_responses_are_an_error(client: Client, responses: Any) -> None:
    params = {"name": "greet", "arguments": {}, "inputResponses": responses}
    (await client.ask("tools/call", params)).refused(-32602)
    answer = await client.call("greet")
    (await client.ask("tools/call", {**params, "requestState": answer.state})).refused(-32602)


@pytest.mark.spec("basic/patterns/mrtr#error-handling", "unexpected")
@over(*EVERY_WIRE)
async def test_responses_that_nobody_asked_for_are_ignored(client: Client) -> None:
    extra: dict[str, Any] = {**NAMED, "unknown": {"action": "accept"}, "odd": 17, "empty": None, "deep": [[[]]]}
    first_contact = await client.ask("tools/call", {"name": "greet", "arguments": {}, "inputResponses": extra})
    assert set(first_contact.asked) == {"user_name"}
    assert (await client.retry(first_contact, extra)).text == "Hello, Ada!"
    answer = await client.call("greet")
    assert (await client.retry(answer, extra)).text == "Hello, Ada!"
    assert (await client.ask("tools/call", {"name": "nothing", "inputResponses": extra})).result["content"] == []


@pytest.mark.spec("basic/patterns/mrtr#error-handling", "missing")
@pytest.mark.parametrize("responses", [{}, {"wrong_key": accepted(data="wrong")}])
@over(*EVERY_WIRE)
async def test_what_is_missing_is_asked_for_again(client: Client, responses: Message) -> None:
    answer = await client.call("greet")
    again = await client.retry(answer, responses)
    assert set(again.asked) == {"user_name"}
    assert (await client.retry(again, NAMED)).text == "Hello, Ada!"
    first_contact = await client.ask("tools/call", {"name": "greet", "arguments": {}, "inputResponses": responses})
    assert set(first_contact.asked) == {"user_name"}


@pytest.mark.spec("basic/patterns/mrtr#error-handling", "missing")
@over(*EVERY_WIRE)
async def test_of_several_questions_only_the_open_ones_are_asked_again(client: Client) -> None:
    answer = await client.call("survey")
    answer = await client.retry(answer, {"haiku": sampled("An old pond")})
    assert set(answer.asked) == {"user_name", "folders"}
    answer = await client.retry(answer, {"folders": rooted("file:///home")})
    assert set(answer.asked) == {"user_name"}
    assert (await client.retry(answer, NAMED)).text == "Ada: An old pond (file:///home)"


@pytest.mark.spec("basic/patterns/mrtr#error-handling", "missing")
@over(*EVERY_WIRE)
async def test_an_answer_that_does_not_fit_its_form_is_asked_for_again(client: Client) -> None:
    answer = await client.call("greet")
    for content in ({}, {"name": ""}, {"name": 7}, {"other": "Ada"}):
        again = await client.retry(answer, {"user_name": accepted(**content)})
        assert set(again.asked) == {"user_name"}
    assert (await client.retry(answer, NAMED)).text == "Hello, Ada!"


@pytest.mark.spec("basic/patterns/mrtr#top", "only-in-results")
@over(*EVERY_WIRE)
async def test_each_round_has_a_state_of_its_own_and_work_is_done_once(client: Client) -> None:
    first = await client.call("interview")
    second = await client.retry(first, {"name": accepted(name="Ada")})
    assert first.state != second.state
    assert set(second.asked) == {"taste"}
    third = await client.retry(second, {"taste": accepted(colour="blue")})
    assert third.text == "Ada likes blue and 7"
    assert client.journal.count("drew a number") == 1


@pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow", "untrusted-state")
@over(*EVERY_WIRE, config=settings(limits={"max_input_rounds": 3, "max_request_state_bytes": 2048}))
async def test_rounds_and_state_are_bounded(client: Client) -> None:
    answer = await client.call("nag")
    for turn in range(2):
        answer = await client.retry(answer, {f"turn{turn}": accepted(name="x")})
    over_the_limit = await client.retry(answer, {"turn2": accepted(name="x")})
    assert over_the_limit.result["isError"]
    assert (await client.call("hoard", {"size": 100})).asked
    too_much = await client.call("hoard", {"size": 5000})
    assert too_much.result["isError"]
    assert "2048" in too_much.text


@pytest.mark.spec("basic/patterns/mrtr#top", "only-in-results")
@over(*EVERY_WIRE)
async def test_a_retry_is_a_request_of_its_own_under_any_id(client: Client) -> None:
    first = await client.send(request("tools/call", {"name": "greet", "arguments": {}}, id="same"))
    params = {"name": "greet", "arguments": {}, "inputResponses": NAMED, "requestState": first.state}
    again = await client.send(request("tools/call", params, id="same"))
    assert again.text == "Hello, Ada!"
