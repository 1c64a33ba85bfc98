"""What old clients answer, and what they answer instead. Rule: no answer is worse than none."""

from typing import Any

import pytest

from tests.support.legacy_messages import failure, result, text_of
from tests.support.messages import accepted, encode, sampled
from tests.support.raw_wires import RawWireClient, over_old_wires

ASK = "elicitation/create"
BIG = b"9" * 5000


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "Ada",
        7,
        {},
        {"action": None},
        {"action": "maybe"},
        {"action": ["accept"]},
        {"action": "accept", "content": []},
        {"action": "accept", "content": "Ada"},
        b'{"action":"accept","content":{"name":1e999}}',
        b'{"action":"accept","content":{"name":' + BIG + b"}}",
        b"[" * 200 + b"]" * 200,
    ],
)
@over_old_wires()
async def test_an_answer_of_no_use_ends_the_call_with_an_error_the_model_can_read(
    client: RawWireClient, content: Any
) -> None:
    await client.open()
    call = await client.start_tool("greet")
    question = await client.question(ASK)
    if isinstance(content, bytes):
        await client.say(encode(result(question["id"], "HERE")).replace(b'"HERE"', content))
    else:
        await client.say(result(question["id"], content))
    response = await client.response(call)
    assert response["result"]["isError"] is True
    assert "of no use" in text_of(response)
    assert text_of(await client.tool("echo", text="alive")) == "alive"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": -1, "message": "User rejected"}, "User rejected"),
        ({"code": -1, "message": ""}, "it gave no reason"),
        ({"code": -1, "message": 5}, "it gave no reason"),
        ({}, "it gave no reason"),
        (None, "it gave no reason"),
        ("boom", "it gave no reason"),
        ([1], "it gave no reason"),
        (b'{"message":"x","data":1e999}', "it gave no reason"),
    ],
)
@over_old_wires()
async def test_an_error_for_an_answer_ends_the_call_with_its_reason(
    client: RawWireClient, error: Any, reason: str
) -> None:
    await client.open()
    call = await client.start_tool("greet")
    question = await client.question(ASK)
    body = encode(failure(question["id"], "HERE" if isinstance(error, bytes) else error))
    await client.say(body.replace(b'"HERE"', error) if isinstance(error, bytes) else body)
    response = await client.response(call)
    assert response["result"]["isError"] is True
    assert text_of(response) == f"The client answered {ASK} with an error: {reason}"


@over_old_wires()
async def test_an_answer_that_the_form_does_not_allow_is_the_tools_to_judge(client: RawWireClient) -> None:
    await client.open()
    call = await client.start_tool("greet")
    await client.say(result((await client.question(ASK))["id"], accepted(name=5)))
    response = await client.response(call)
    assert response.get("result", {}).get("isError") or "error" in response
    assert text_of(await client.tool("echo", text="alive")) == "alive"


@over_old_wires()
async def test_answers_nobody_asked_for_are_dropped(client: RawWireClient) -> None:
    await client.open()
    stray = [
        result(1, {}),
        result("x", accepted(name="x")),
        failure(None, {"code": 1, "message": "?"}),
        result(None, {}),
    ]
    await client.say(*stray)
    call = await client.start_tool("greet")
    question = await client.question(ASK)
    await client.say(*stray, result(call, accepted(name="wrong id")), result(question["id"] + "x", accepted(name="x")))
    assert [message for message in await client.arrived() if "error" not in message] == []
    await client.say(result(question["id"], accepted(name="Ada")))
    assert text_of(await client.response(call)) == "Hello, Ada!"


@over_old_wires()
async def test_the_first_of_two_answers_counts(client: RawWireClient) -> None:
    await client.open()
    call = await client.start_tool("interview")
    question = (await client.question(ASK))["id"]
    await client.say(*(result(question, accepted(name=name)) for name in ("first", "second", "third")))
    await client.say(result((await client.question(ASK))["id"], accepted(colour="red")))
    assert text_of(await client.response(call)) == "first likes red and 7"
    await client.say(result(question, accepted(name="long after")))
    assert await client.arrived() == []


@over_old_wires("stdio")
async def test_two_answers_in_one_breath_are_one(client: RawWireClient) -> None:
    await client.open("2025-03-26")
    call = await client.start_tool("think")
    question = (await client.question())["id"]
    await client.say([result(question, sampled("one")), result(question, sampled("two"))])
    assert text_of(await client.response(call)) == "The model said: one"
