"""What a server asks its client. Rule: each test shows a demand of {2025-11-25,2025-06-18}/client."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from mcp_runtime import Context, Plugin
from tests.support.messages import Message, accepted, rooted, sampled
from tests.support.old_client import OldClient
from tests.support.old_http import SessionsClient
from tests.support.old_wires import EVERY_OLD_WIRE, SESSIONS, over_old

MISSING = -32021
TOOLS: list[Message] = [{"name": "weather", "inputSchema": {"type": "object"}}]


def equipped_plugin(_: list[str]) -> Plugin[Any]:
    """A tool that lends tools to the client's model."""
    plugin = Plugin("equipped")

    @plugin.tool
    async def converse(ctx: Context) -> str:
        """Ask with tools."""
        return (await ctx.sample("Weather?", max_tokens=10, tools=TOOLS, key="reply")).text

    return plugin


@pytest.mark.spec("2025-11-25/client/elicitation#capabilities", "declared-modes")
@pytest.mark.parametrize(
    ("declared", "tool", "asked"),
    [
        ({}, "greet", True),  # An empty capability means forms.
        ({}, "sign_in", False),
        ({"form": {}}, "greet", True),
        ({"form": {}}, "sign_in", False),
        ({"url": {}}, "greet", False),
        ({"url": {}}, "sign_in", True),
    ],
)
@over_old(*EVERY_OLD_WIRE)
async def test_a_question_is_of_a_mode_that_was_declared(
    client: OldClient, declared: Message, tool: str, asked: bool
) -> None:
    await client.open(capabilities={"elicitation": declared})
    call = await client.start_call(tool)
    message = await client.next(call)
    if asked:
        assert message["method"] == "elicitation/create"
        await client.reply(message, {"action": "cancel"})
        assert "result" in await client.next(call)
    else:
        assert message["error"]["code"] == MISSING


async def asked_by(client: OldClient, tool: str) -> Message:
    """The params of the first question of a tool; it is cancelled."""
    call = await client.start_call(tool)
    question = await client.next(call)
    await client.reply(question, {"action": "cancel"})
    assert "result" in await client.next(call)
    return dict(question["params"])


@pytest.mark.spec("2025-11-25/client/elicitation#elicitation-requests", "message")
@pytest.mark.spec("2025-11-25/client/elicitation#form-mode-elicitation-requests", "form")
@over_old(*EVERY_OLD_WIRE)
async def test_a_form_says_what_it_is_and_has_message_and_schema(client: OldClient) -> None:
    await client.open()
    assert await asked_by(client, "greet") == {
        "mode": "form",
        "message": "What is your name?",
        "requestedSchema": {
            "type": "object",
            "properties": {"name": {"type": "string", "minLength": 1}},
            "required": ["name"],
        },
    }


@pytest.mark.spec("2025-06-18/client/elicitation#creating-elicitation-requests", "no-mode")
@over_old(*EVERY_OLD_WIRE)
async def test_a_form_of_2025_06_18_names_no_mode(client: OldClient) -> None:
    await client.open("2025-06-18")
    assert set(await asked_by(client, "greet")) == {"message", "requestedSchema"}


@pytest.mark.spec("2025-11-25/client/elicitation#elicitation-requests", "message")
@pytest.mark.spec("2025-11-25/client/elicitation#url-mode-elicitation-requests", "url")
@over_old(*EVERY_OLD_WIRE)
async def test_a_page_has_a_url_and_an_id_of_its_own(client: OldClient) -> None:
    await client.open()
    pages = [await asked_by(client, "sign_in") for _ in range(3)]
    for page in pages:
        assert page["mode"] == "url"
        assert page["message"] == "Please sign in"
        assert urlsplit(page["url"]).scheme == "https"
    assert len({page["elicitationId"] for page in pages}) == len(pages)


@pytest.mark.spec("2025-11-25/client/elicitation#form-mode-security", "validated")
@pytest.mark.parametrize("content", [{}, {"name": 7}, {"name": ""}, {"named": "Ada"}])
@over_old(*EVERY_OLD_WIRE)
async def test_what_does_not_fit_the_form_is_asked_for_again(client: OldClient, content: Message) -> None:
    await client.open()
    call = await client.start_call("greet")
    await client.reply(await client.next(call), accepted(**content))
    again = await client.next(call)
    assert again["method"] == "elicitation/create"
    await client.reply(again, accepted(name="Ada"))
    assert (await client.next(call))["result"]["content"][0]["text"] == "Hello, Ada!"


@pytest.mark.spec("2025-11-25/client/elicitation#security-considerations", "bound-to-client")
@over_old(*SESSIONS)
async def test_an_answer_counts_only_in_the_session_that_was_asked(client: SessionsClient) -> None:
    thief = client.another()
    await client.open()
    await thief.open()
    call = await client.start_call("greet")
    question = await client.next(call)
    assert await thief.reply(question, accepted(name="Mallory")) == 400
    assert await client.reply(question, accepted(name="Ada")) == 202
    assert (await client.next(call))["result"]["content"][0]["text"] == "Hello, Ada!"


@pytest.mark.spec("2025-11-25/client/sampling#tools-in-sampling", "declared-tools")
@pytest.mark.parametrize(
    ("revision", "declared", "asked"),
    [
        ("2025-11-25", {}, False),
        ("2025-11-25", {"context": {}}, False),
        ("2025-11-25", {"tools": {}}, True),
        ("2025-06-18", {"tools": {}}, False),  # There it means nothing.
    ],
)
@over_old(*EVERY_OLD_WIRE, plugin=equipped_plugin)
async def test_tools_are_offered_only_to_clients_that_declared_them(
    client: OldClient, revision: str, declared: Message, asked: bool
) -> None:
    await client.open(revision, {"sampling": declared})
    call = await client.start_call("converse")
    message = await client.next(call)
    if asked:
        assert message["params"]["tools"] == TOOLS
        await client.reply(message, sampled("sunny"))
        assert (await client.next(call))["result"]["content"][0]["text"] == "sunny"
    else:
        assert message["error"]["code"] == MISSING


@pytest.mark.spec("2025-11-25/client/sampling#capabilities", "context")
@pytest.mark.parametrize("revision", ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"])
@over_old(*EVERY_OLD_WIRE)
async def test_a_sampling_request_asks_for_no_context(client: OldClient, revision: str) -> None:
    await client.open(revision)
    call = await client.start_call("think")
    question = await client.next(call)
    assert set(question["params"]) == {"messages", "maxTokens"}
    await client.reply(question, sampled("Paris"))
    assert (await client.next(call))["result"]["content"][0]["text"] == "The model said: Paris"


@pytest.mark.spec("2025-11-25/client/roots#implementation-guidelines", "declared")
@pytest.mark.parametrize("capabilities", [{}, {"sampling": {}, "elicitation": {}}])
@over_old(*EVERY_OLD_WIRE)
async def test_roots_are_asked_for_only_where_they_were_declared(client: OldClient, capabilities: Message) -> None:
    await client.open(capabilities=capabilities)
    assert (await client.call("where"))["error"]["data"] == {"requiredCapabilities": {"roots": {}}}


@pytest.mark.spec("2025-11-25/client/roots#error-handling", "unavailable")
@over_old(*EVERY_OLD_WIRE)
async def test_a_client_without_roots_after_all_fails_the_call_and_nothing_more(client: OldClient) -> None:
    await client.open()
    call = await client.start_call("where")
    question = await client.next(call)
    error = {"code": -32601, "message": "Roots not supported"}
    await client.send({"jsonrpc": "2.0", "id": question["id"], "error": error})
    result = (await client.next(call))["result"]
    assert result["isError"]
    assert "Roots not supported" in result["content"][0]["text"]
    again = await client.start_call("where")
    await client.reply(await client.next(again), rooted("file:///a"))
    assert (await client.next(again))["result"]["content"][0]["text"] == "file:///a"
