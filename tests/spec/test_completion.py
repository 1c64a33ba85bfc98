"""Completion. Rule: each test shows a demand of 2026-07-28/server/utilities/completion."""

from typing import Any

import pytest

from mcp_runtime import Plugin
from tests.support.clients import Answer, Client
from tests.support.clocks import run
from tests.support.fixture_plugin import SECRET, bare_plugin, make_plugin
from tests.support.http_client import HttpClient
from tests.support.messages import Message, request
from tests.support.settings import settings
from tests.support.wires import EVERY_WIRE, HTTP, Wire, connect, over


def params(kind: str, target: str, argument: str, value: str, **settled: str) -> Message:
    """What completion/complete takes."""
    ref = {"type": "ref/prompt", "name": target} if kind == "prompt" else {"type": "ref/resource", "uri": target}
    found: Message = {"ref": ref, "argument": {"name": argument, "value": value}}
    return {**found, "context": {"arguments": settled}} if settled else found


async def complete(client: Client, kind: str, target: str, argument: str, value: str, **settled: str) -> Answer:
    """Ask for suggestions."""
    return await client.ask("completion/complete", params(kind, target, argument, value, **settled))


def slow_plugin(_: list[str]) -> Plugin[Any]:
    """A completion that takes its time."""
    plugin = Plugin("slow")

    @plugin.prompt
    async def topic(topic: str) -> str:
        """A prompt."""
        return topic

    @plugin.completion(prompt="topic", argument="topic")
    async def topics(value: str) -> list[str]:
        import anyio

        await anyio.sleep(50)
        return [value]

    return plugin


@pytest.mark.spec("server/utilities/completion#capabilities", "declared")
@pytest.mark.parametrize("make", [bare_plugin, make_plugin])
@pytest.mark.parametrize("wire", EVERY_WIRE)
def test_completions_are_served_exactly_where_they_are_declared(wire: Wire, make: Any) -> None:
    async def talk() -> None:
        async with connect(wire, settings(), make) as client:
            declared = "completions" in (await client.ask("server/discover")).result["capabilities"]
            answer = await complete(client, "prompt", "review", "language", "py")
            assert declared == ("result" in answer.response)
            if not declared:
                answer.refused(-32601, 404)

    run("asyncio" if wire == "http-asyncio" else "trio", talk)


@pytest.mark.spec("server/utilities/completion#completion-results", "at-most-100")
@over(*EVERY_WIRE)
async def test_suggestions_come_in_the_order_of_the_author(client: Client) -> None:
    found = (await complete(client, "prompt", "review", "language", "py")).result["completion"]
    assert found == {"values": ["python", "pytorch"], "hasMore": False}
    settled = (await complete(client, "prompt", "review", "language", "", code="import this")).result["completion"]
    assert settled["values"] == ["python"]


@pytest.mark.spec("server/utilities/completion#completion-results", "at-most-100")
@over(*EVERY_WIRE)
async def test_at_most_100_suggestions_travel_and_what_was_cut_is_said(client: Client) -> None:
    found = (await complete(client, "resource", "users://{id}/profile", "id", "")).result["completion"]
    assert (len(found["values"]), found["total"], found["hasMore"]) == (100, 1000, True)
    few = (await complete(client, "resource", "users://{id}/profile", "id", "99")).result["completion"]
    assert (len(few["values"]), few["total"], few["hasMore"]) == (11, 11, False)


@pytest.mark.spec("server/utilities/completion#error-handling", "codes")
@pytest.mark.parametrize(
    ("kind", "target", "argument"),
    [
        ("prompt", "none", "language"),
        ("prompt", "REVIEW", "language"),
        ("prompt", "review", "none"),
        ("prompt", "plain", "language"),
        ("resource", "users://{name}/profile", "id"),
        ("resource", "users://{id}/profile", "none"),
        ("resource", "none", "id"),
    ],
)
@over(*EVERY_WIRE)
async def test_unknown_references_and_arguments_are_invalid_params(
    client: Client, kind: str, target: str, argument: str
) -> None:
    (await complete(client, kind, target, argument, "x")).refused(-32602)


@pytest.mark.spec("server/utilities/completion#error-handling", "codes")
@over(*EVERY_WIRE)
async def test_an_argument_without_suggestions_gets_none(client: Client) -> None:
    found = (await complete(client, "resource", "file:///srv/{+path}", "path", "x")).result["completion"]
    assert found["values"] == []


@pytest.mark.spec("server/utilities/completion#security", "validated")
@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"ref": {"type": "ref/prompt", "name": "review"}},
        {"ref": {"type": "ref/prompt"}, "argument": {"name": "language", "value": ""}},
        {"ref": {"type": "ref/tool", "name": "review"}, "argument": {"name": "language", "value": ""}},
        {"ref": {"name": "review"}, "argument": {"name": "language", "value": ""}},
        {"ref": "review", "argument": {"name": "language", "value": ""}},
        {"ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "language"}},
        {"ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "language", "value": 7}},
        {"ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "language", "value": ""}, "context": []},
        {
            "ref": {"type": "ref/prompt", "name": "review"},
            "argument": {"name": "language", "value": ""},
            "context": {"arguments": {"code": 7}},
        },
    ],
)
@over(*EVERY_WIRE)
async def test_what_is_to_be_completed_is_validated(client: Client, broken: Message) -> None:
    (await client.ask("completion/complete", broken)).refused(-32602)


@pytest.mark.spec("server/utilities/completion#security", "rate-limit")
@over(*HTTP, plugin=slow_plugin, config=settings(limits={"max_concurrent_requests": 2}))
async def test_completions_at_once_are_limited(client: HttpClient) -> None:
    def ask(id_: int) -> Message:
        return request("completion/complete", params("prompt", "topic", "topic", "x"), id=id_)

    async with client.open(ask(1)) as one, client.open(ask(2)) as two:
        await client.settle()
        (await client.send(ask(3))).refused(-32603, 503)
        assert (await one.answer()).result["completion"]["values"] == ["x"]
        assert (await two.answer()).result["completion"]["values"] == ["x"]


@pytest.mark.spec("server/utilities/completion#security", "no-disclosure")
@pytest.mark.spec("server/utilities/completion#error-handling", "codes")
@over(*EVERY_WIRE)
async def test_a_completion_that_fails_gives_nothing_away(client: Client) -> None:
    answer = await complete(client, "prompt", "review", "code", "x")
    answer.refused(-32603, 200)
    assert SECRET not in str(answer.response)
    assert "Traceback" not in str(answer.response)
