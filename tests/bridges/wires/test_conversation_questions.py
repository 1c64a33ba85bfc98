"""Questions to an old client in the middle of its call. Rule: whatever comes back, or does not, the call ends once."""

import anyio
import pytest

from mcp_bridges.gate.port import Refusal, Sighting
from mcp_runtime.config.sections import BridgesConfig, LegacyClientsConfig
from tests.support.legacy_messages import ABLE, REVISIONS, cancelled, failure, result, text_of
from tests.support.messages import Message, accepted, rooted, sampled
from tests.support.raw_wires import WIRES, Doorkeeper, RawWireClient, Wire, connected, on_wire, over_old_wires
from tests.support.settings import settings

ASK = "elicitation/create"
IMPATIENT = settings(bridges=BridgesConfig(clients=LegacyClientsConfig(answer_timeout_s=5)))


@pytest.mark.parametrize("revision", ["2025-11-25", "2025-06-18"])
@over_old_wires()
async def test_a_form_is_asked_for_and_the_call_goes_on_with_the_answer(client: RawWireClient, revision: str) -> None:
    await client.open(revision)
    call = await client.start_tool("greet")
    question = await client.question()
    assert question["method"] == ASK
    assert question["params"]["message"] == "What is your name?"
    assert question["params"]["requestedSchema"]["required"] == ["name"]
    assert ("mode" in question["params"]) == (revision == "2025-11-25")
    await client.say(result(question["id"], accepted(name="Ada")))
    assert text_of(await client.response(call)) == "Hello, Ada!"


@pytest.mark.parametrize(("action", "text"), [("decline", "No name: decline"), ("cancel", "No name: cancel")])
@over_old_wires()
async def test_a_user_may_say_no(client: RawWireClient, action: str, text: str) -> None:
    await client.open()
    call = await client.start_tool("greet")
    await client.say(result((await client.question(ASK))["id"], {"action": action, "content": {"name": "x"}}))
    assert text_of(await client.response(call)) == text


@pytest.mark.parametrize("revision", REVISIONS)
@over_old_wires()
async def test_every_revision_can_be_asked_for_roots_and_a_sample(client: RawWireClient, revision: str) -> None:
    await client.open(revision)
    call = await client.start_tool("where")
    await client.say(result((await client.question("roots/list"))["id"], rooted("file:///a", "file:///b")))
    assert text_of(await client.response(call)) == "file:///a, file:///b"
    call = await client.start_tool("think")
    question = await client.question("sampling/createMessage")
    assert question["params"]["messages"][0]["content"]["type"] == "text"
    assert question["params"]["maxTokens"] == 100
    await client.say(result(question["id"], sampled("Paris")))
    assert text_of(await client.response(call)) == "The model said: Paris"


@pytest.mark.parametrize("revision", ["2025-03-26", "2024-11-05"])
@pytest.mark.parametrize("tool", ["greet", "sign_in"])
@over_old_wires()
async def test_a_revision_without_forms_is_not_asked(client: RawWireClient, tool: str, revision: str) -> None:
    await client.open(revision)
    response = await client.tool(tool)
    assert "elicitation" in response["error"]["message"]
    assert await client.arrived() == []


@over_old_wires()
async def test_a_page_is_only_opened_where_the_revision_has_that(client: RawWireClient) -> None:
    await client.open()
    call = await client.start_tool("sign_in")
    question = await client.question(ASK)
    assert question["params"]["url"] == "https://example.com/sign-in"
    assert question["params"]["elicitationId"]
    await client.say(result(question["id"], {"action": "accept"}))
    assert text_of(await client.response(call)) == "sign-in: accept"
    await client.open("2025-06-18")
    assert "error" in await client.tool("sign_in")
    assert await client.arrived() == []


@pytest.mark.parametrize("tool", ["greet", "think", "where"])
@over_old_wires()
async def test_a_client_that_cannot_is_not_asked(client: RawWireClient, tool: str) -> None:
    await client.open(capabilities={})
    assert "error" in await client.tool(tool)
    assert await client.arrived() == []


@over_old_wires()
async def test_two_rounds_ask_twice_and_work_once(client: RawWireClient) -> None:
    await client.open()
    call = await client.start_tool("interview")
    name = await client.question(ASK)
    await client.say(result(name["id"], accepted(name="Ada")))
    taste = await client.question(ASK)
    assert taste["id"] != name["id"]
    await client.say(result(taste["id"], accepted(colour="blue")))
    assert text_of(await client.response(call)) == "Ada likes blue and 7"
    assert client.journal == ["started", "drew a number"]


@over_old_wires()
async def test_questions_gathered_are_put_one_after_the_other(client: RawWireClient) -> None:
    await client.open()
    call = await client.start_tool("survey")
    answers: dict[str, Message] = {
        ASK: accepted(name="Ada"),
        "sampling/createMessage": sampled("a haiku"),
        "roots/list": rooted("file:///a"),
    }
    asked: list[str] = []
    for _ in answers:
        (question,) = await client.arrived()
        asked.append(question["method"])
        await client.say(result(question["id"], answers[question["method"]]))
    assert sorted(asked) == sorted(answers)
    assert text_of(await client.response(call)) == "Ada: a haiku (file:///a)"


@over_old_wires()
async def test_two_calls_that_ask_get_their_own_answers(client: RawWireClient) -> None:
    await client.open()
    calls = [await client.start_tool("greet", greeting=greeting) for greeting in ("Hi", "Ho")]
    first, second = await client.question(ASK), await client.question(ASK)
    await client.say(result(second["id"], accepted(name="second")), result(first["id"], accepted(name="first")))
    texts = [text_of(await client.response(call)) for call in calls]
    assert sorted(text.split(", ")[1] for text in texts) == ["first!", "second!"]


@over_old_wires(config=settings(limits={"max_input_rounds": 3}))
async def test_a_call_that_never_stops_asking_is_stopped(client: RawWireClient) -> None:
    await client.open()
    call = await client.start_tool("nag")
    for _ in range(3):
        await client.say(result((await client.question(ASK))["id"], accepted(name="again")))
    response = await client.response(call)
    assert response["result"]["isError"] is True
    assert await client.arrived() == []


@over_old_wires()
async def test_resources_and_prompts_ask_too(client: RawWireClient) -> None:
    await client.open()
    for method, params, expected in (
        ("resources/read", {"uri": "vault://combination"}, "opened for Ada"),
        ("prompts/get", {"name": "personal"}, "Tell the story of Ada."),
    ):
        call = await client.start(method, params)
        await client.say(result((await client.question(ASK))["id"], accepted(name="Ada")))
        assert expected in str((await client.response(call))["result"])
        call = await client.start(method, params)
        await client.say(failure((await client.question(ASK))["id"], {"code": -1, "message": "no"}))
        error = (await client.response(call))["error"]
        assert error == {"code": -32603, "message": f"The client answered {ASK} with an error: no"}


@over_old_wires(config=IMPATIENT)
async def test_a_client_that_does_not_answer_is_told_so_and_the_call_ends(client: RawWireClient) -> None:
    await client.open()
    call = await client.start_tool("greet")
    question = (await client.question(ASK))["id"]
    asked_at = anyio.current_time()
    response = await client.response(call)
    assert anyio.current_time() - asked_at == pytest.approx(5)
    why = f"The client did not answer {ASK} within 5 s"
    assert response["result"] == {"content": [{"type": "text", "text": why}], "isError": True}
    assert await client.notified("notifications/cancelled") == {"requestId": question, "reason": why}
    await client.say(result(question, accepted(name="late")))
    assert await client.arrived() == []
    assert text_of(await client.tool("echo", text="alive")) == "alive"


@over_old_wires(config=IMPATIENT)
async def test_each_question_has_its_own_time(client: RawWireClient) -> None:
    await client.open()
    call = await client.start_tool("interview")
    for answer in (accepted(name="Ada"), accepted(colour="red")):
        question = await client.question(ASK)
        await anyio.sleep(4)
        await client.say(result(question["id"], answer))
    assert text_of(await client.response(call)) == "Ada likes red and 7"


@over_old_wires()
async def test_a_call_cancelled_while_it_asks_ends_without_an_answer(client: RawWireClient) -> None:
    await client.open()
    call = await client.start_tool("interview")
    first = await client.question(ASK)
    await client.say(result(first["id"], accepted(name="Ada")))
    second = await client.question(ASK)
    await client.say(cancelled(call), result(second["id"], accepted(colour="red")))
    assert await client.arrived() == []
    assert client.journal == ["started", "drew a number"]
    assert text_of(await client.tool("echo", text="alive")) == "alive"


@over_old_wires()
async def test_a_call_cancelled_while_its_question_is_not_read_ends(client: RawWireClient) -> None:
    await client.open()
    client.stall()
    calls = [await client.start_tool("greet") for _ in range(4)]
    await client.settle()
    await client.say(*(cancelled(call) for call in calls))
    await client.settle()
    client.resume()
    left = await client.arrived()
    assert len(left) <= 2  # what was on its way
    assert {message["method"] for message in left} == {ASK}
    assert text_of(await client.tool("echo", text="alive")) == "alive"


@over_old_wires()
async def test_pings_are_answered_while_a_question_waits(client: RawWireClient) -> None:
    await client.open()
    call = await client.start_tool("greet")
    question = await client.question(ASK)
    assert (await client.ask("ping"))["result"] == {}
    assert (await client.ask("logging/setLevel", {"level": "error"}))["result"] == {}
    await client.say(result(question["id"], accepted(name="Ada")))
    assert text_of(await client.response(call)) == "Hello, Ada!"


@over_old_wires()
async def test_progress_comes_ahead_of_a_question(client: RawWireClient) -> None:
    await client.open()
    call = await client.start("tools/call", {"name": "ask_late", "_meta": {"progressToken": 9}})
    progress, question = await client.arrived()
    assert (progress["params"]["progress"], question["method"]) == (1, ASK)
    await client.say(result(question["id"], accepted(name="Ada")))
    assert text_of(await client.response(call)) == "Hello, Ada!"


@over_old_wires()
async def test_initialize_while_a_question_waits_leaves_the_call_what_it_was(client: RawWireClient) -> None:
    await client.open()
    call = await client.start_tool("interview")
    question = await client.question(ASK)
    await client.open("2024-11-05", capabilities={})
    await client.say(result(question["id"], accepted(name="Ada")))
    await client.say(result((await client.question(ASK))["id"], accepted(colour="red")))
    assert text_of(await client.response(call)) == "Ada likes red and 7"


@pytest.mark.parametrize("wire", WIRES)
def test_a_feature_that_is_not_served_any_more_is_not_used_on_a_client(wire: Wire) -> None:
    gone = Refusal(status=400, code=-32022, message="Roots are not served here any more")

    def refuses(sighting: Sighting) -> Refusal | None:
        return gone if "feature.roots" in sighting.features else None

    async def test() -> None:
        gate = Doorkeeper(refuses)
        async with connected(wire, gate=gate) as client:
            await client.open(capabilities=ABLE)
            response = await client.tool("where")
            assert (response["result"]["isError"], text_of(response)) == (True, gone.message)
            assert await client.arrived() == []
            call = await client.start_tool("greet")
            await client.say(result((await client.question(ASK))["id"], accepted(name="Ada")))
            assert text_of(await client.response(call)) == "Hello, Ada!"
        (asked,) = [sighting for sighting in gate.seen if "feature.roots" in sighting.features]
        assert (asked.method, asked.revision, asked.client.name) == ("roots/list", "2025-11-25", "old-client")

    on_wire(wire, test)


@pytest.mark.parametrize("wire", WIRES)
def test_a_client_that_leaves_in_the_middle_of_a_question_leaves_nothing_behind(wire: Wire) -> None:
    async def test() -> None:
        async with connected(wire) as client:
            await client.open()
            await client.start_tool("greet")
            await client.question(ASK)
            await client.start_tool("nap")
            await client.settle()
            await client.leave()
            await anyio.sleep(1)
            assert client.runtime.dispatcher.at_work == 0
            assert len(client.runtime.subscriptions) == 0
            assert client.journal == ["started", "nap began", "nap cancelled"]

    on_wire(wire, test)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("wire", WIRES)
def test_a_call_whose_answer_is_refused_for_good_does_not_wait_for_another(wire: Wire, status: int) -> None:
    shut: list[Refusal] = []

    async def test() -> None:
        gate = Doorkeeper(lambda sighting: shut[0] if shut and sighting.method is None else None)
        async with connected(wire, gate=gate) as client:
            await client.open()
            first, second = await client.start_tool("greet"), await client.start_tool("greet")
            questions = [await client.question(ASK), await client.question(ASK)]
            shut.append(Refusal(status=503, code=-32603, message="Try later", retry_after_s=60))
            await client.say(result(questions[0]["id"], accepted(name="Ada")))
            await client.settle()
            shut[0] = Refusal(status=status, code=-32022, message="No more")
            await client.say(result(questions[1]["id"], accepted(name="Ada")))
            text = "The client answered elicitation/create with an error: No more"
            assert text_of(await client.response(second)) == text
            shut.clear()
            await client.say(result(questions[0]["id"], accepted(name="Ada")))
            assert text_of(await client.response(first)) == "Hello, Ada!"

    on_wire(wire, test)
