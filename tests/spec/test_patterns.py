"""The shape of every interaction. Rule: each test shows a demand of 2026-07-28/basic/patterns."""

import pytest

from tests.support.clients import Client
from tests.support.messages import LOG_LEVEL, accepted, request, rooted, sampled
from tests.support.wires import EVERY_WIRE, over


@pytest.mark.spec("basic/patterns/index#top", "no-requests")
@over(*EVERY_WIRE)
async def test_a_server_answers_and_never_asks_by_itself(client: Client) -> None:
    extra = {"progressToken": "p", LOG_LEVEL: "debug"}
    seen = []
    for tool in ("greet", "survey", "think", "where", "sign_in", "interview", "ask_late", "chat", "count"):
        message = request("tools/call", {"name": tool, "arguments": {}}, id=tool, extra_meta=extra)
        async with client.open(message) as opened:
            answer = await opened.answer()
            await client.settle()
            seen += [*answer.notifications, answer.response, *opened.arrived()]
    assert [message for message in seen if "method" in message and "id" in message] == []
    survey = await client.call("survey")
    answers = {"user_name": accepted(name="Ada"), "haiku": sampled("x"), "folders": rooted()}
    assert (await client.retry(survey, answers)).result["resultType"] == "complete"
