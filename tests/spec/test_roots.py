"""Questions for roots. Rule: each test shows a demand of 2026-07-28/client/roots."""

from typing import Any

import pytest

from tests.support.clients import Client
from tests.support.messages import rooted
from tests.support.wires import EVERY_WIRE, over


@pytest.mark.spec("client/roots#listing-roots", "asked-in-result")
@over(*EVERY_WIRE)
async def test_roots_are_asked_for_in_a_result(client: Client) -> None:
    answer = await client.call("where", capabilities={"roots": {}})
    assert answer.asked["folders"]["method"] == "roots/list"
    found = await client.retry(answer, {"folders": rooted("file:///a", "file:///b")})
    assert found.text == "file:///a, file:///b"
    assert (await client.retry(answer, {"folders": {"roots": []}})).text == ""


@pytest.mark.spec("client/roots#listing-roots", "asked-in-result")
@over(*EVERY_WIRE)
async def test_a_client_without_roots_is_not_asked(client: Client) -> None:
    error = (await client.call("where", capabilities={"elicitation": {}, "sampling": {}})).refused(-32021)
    assert error["data"] == {"requiredCapabilities": {"roots": {}}}


@pytest.mark.spec("client/roots#listing-roots", "asked-in-result")
@pytest.mark.parametrize("reply", [{}, {"roots": None}, {"roots": [{}]}, {"roots": ["file:///a"]}, []])
@over(*EVERY_WIRE)
async def test_an_answer_that_is_none_is_refused(client: Client, reply: Any) -> None:
    (await client.retry(await client.call("where"), {"folders": reply})).refused(-32602)
