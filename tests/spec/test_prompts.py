"""Prompts. Rule: each test shows a demand of 2026-07-28/server/prompts."""

import base64
from typing import Any

import pytest

from tests.support.clients import Client
from tests.support.clocks import run
from tests.support.fixture_plugin import PIXEL, SECRET, SOUND, bare_plugin, make_plugin
from tests.support.messages import Message
from tests.support.settings import settings
from tests.support.wires import EVERY_WIRE, Wire, connect, over


@pytest.mark.spec("server/prompts#capabilities", "declared")
@pytest.mark.parametrize("make", [bare_plugin, make_plugin])
@pytest.mark.parametrize("wire", EVERY_WIRE)
def test_prompts_are_served_exactly_where_they_are_declared(wire: Wire, make: Any) -> None:
    async def talk() -> None:
        async with connect(wire, settings(), make) as client:
            declared = "prompts" in (await client.ask("server/discover")).result["capabilities"]
            assert declared == ("result" in (await client.ask("prompts/list")).response)

    run("asyncio" if wire == "http-asyncio" else "trio", talk)


@pytest.mark.spec("server/prompts#capabilities", "listed")
@over(*EVERY_WIRE)
async def test_the_list_has_the_prompts_there_are_now(client: Client) -> None:
    async def names() -> list[str]:
        return [prompt["name"] for prompt in (await client.ask("prompts/list")).result["prompts"]]

    before = await names()
    await client.call("grow", {"kind": "prompt", "name": "later"})
    assert await names() == [*before, "later"]
    assert (await client.ask("prompts/get", {"name": "later"})).result["messages"][0]["content"]["text"] == "extra"
    await client.call("shrink", {"kind": "prompt", "name": "later"})
    assert await names() == before


@pytest.mark.spec("server/prompts#capabilities", "listed")
@over(*EVERY_WIRE)
async def test_a_prompt_is_listed_with_everything_that_was_said_of_it(client: Client) -> None:
    prompts = {prompt["name"]: prompt for prompt in (await client.ask("prompts/list")).result["prompts"]}
    assert prompts["plain"] == {"name": "plain", "description": "No arguments."}
    review = prompts["review"]
    assert (review["title"], review["description"]) == ("Review", "Review some code.")
    assert review["icons"] == [{"src": "https://example.com/review.svg", "sizes": ["any"]}]
    code, language = review["arguments"]
    assert (code["name"], code["required"], code["description"]) == ("code", True, "The code.")
    assert (language["name"], language["required"]) == ("language", False)


@pytest.mark.spec("server/prompts#capabilities", "no-variation")
@over(*EVERY_WIRE)
async def test_getting_a_prompt_changes_nothing_in_the_list(client: Client) -> None:
    before = (await client.ask("prompts/list")).result
    for name in ("plain", "crashing", "personal", "none"):
        await client.ask("prompts/get", {"name": name})
    assert (await client.ask("prompts/list", capabilities={})).result == before


@pytest.mark.spec("server/prompts#list-changed-notification", "list-changed")
@over(*EVERY_WIRE)
async def test_those_who_listen_hear_that_the_list_changed(client: Client) -> None:
    async with client.listen(promptsListChanged=True) as stream:
        await stream.next()
        for change in ("grow", "shrink"):
            await client.call(change, {"kind": "prompt", "name": "later"})
            assert (await stream.next())["method"] == "notifications/prompts/list_changed"


@pytest.mark.spec("server/prompts#image-content", "base64")
@pytest.mark.spec("server/prompts#audio-content", "base64")
@pytest.mark.spec("server/prompts#embedded-resources", "complete")
@over(*EVERY_WIRE)
async def test_every_kind_of_content_comes_as_the_specification_has_it(client: Client) -> None:
    messages = (await client.ask("prompts/get", {"name": "illustrated"})).result["messages"]
    assert {message["role"] for message in messages} == {"user"}
    text, image, audio, embedded, blob, link = (message["content"] for message in messages)
    assert text == {"type": "text", "text": "Look:", "annotations": {"priority": 0.1}}
    assert image == {"type": "image", "data": base64.b64encode(PIXEL).decode(), "mimeType": "image/png"}
    assert audio == {"type": "audio", "data": base64.b64encode(SOUND).decode(), "mimeType": "audio/wav"}
    assert embedded["resource"] == {"uri": "note://text", "mimeType": "text/plain", "text": "a note"}
    assert blob["resource"] == {
        "uri": "note://bytes",
        "mimeType": "image/png",
        "blob": base64.b64encode(PIXEL).decode(),
    }
    assert link == {"type": "resource_link", "uri": "note://text", "name": "text"}


@pytest.mark.spec("server/prompts#error-handling", "codes")
@pytest.mark.parametrize(
    "params",
    [
        {"name": "none"},
        {"name": "PLAIN"},
        {"name": "review"},
        {"name": "review", "arguments": {}},
        {"name": "review", "arguments": {"language": "rust"}},
    ],
)
@over(*EVERY_WIRE)
async def test_unknown_prompts_and_missing_arguments_are_invalid_params(client: Client, params: Message) -> None:
    (await client.ask("prompts/get", params)).refused(-32602)


@pytest.mark.spec("server/prompts#error-handling", "codes")
@over(*EVERY_WIRE)
async def test_a_prompt_that_fails_is_an_internal_error(client: Client) -> None:
    answer = await client.ask("prompts/get", {"name": "crashing"})
    answer.refused(-32603, 200)
    assert SECRET not in str(answer.response)


@pytest.mark.spec("server/prompts#security", "validated")
@pytest.mark.parametrize(
    "arguments", [{"code": 7}, {"code": None}, {"code": ["x"]}, {"code": "x", "other": "y"}, [], "code", None]
)
@over(*EVERY_WIRE)
async def test_arguments_are_validated_before_the_prompt_sees_them(client: Client, arguments: Any) -> None:
    (await client.ask("prompts/get", {"name": "review", "arguments": arguments})).refused(-32602)


@pytest.mark.spec("server/prompts#security", "validated")
@over(*EVERY_WIRE)
async def test_arguments_reach_the_prompt_as_they_are(client: Client) -> None:
    code = 'print("{name}")\n# %s \\u0000 </user>'
    messages = (await client.ask("prompts/get", {"name": "review", "arguments": {"code": code}})).result["messages"]
    assert [message["content"]["text"] for message in messages] == ["Review this python:", code]
    assert [message["role"] for message in messages] == ["user", "assistant"]
