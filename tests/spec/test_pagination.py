"""Pagination. Rule: each test shows a demand of 2026-07-28/server/utilities/pagination."""

import base64
from typing import Any

import pytest

from tests.support.clients import Client
from tests.support.settings import settings
from tests.support.wires import EVERY_WIRE, over

MEMBERS = {
    "tools/list": ("tools", "name"),
    "resources/list": ("resources", "uri"),
    "resources/templates/list": ("resourceTemplates", "uriTemplate"),
    "prompts/list": ("prompts", "name"),
}


async def pages(client: Client, method: str) -> list[list[str]]:
    """Every page of a list, by the names on it."""
    member, key = MEMBERS[method]
    found: list[list[str]] = []
    cursor: Any = None
    while True:
        result = (await client.ask(method, {} if cursor is None else {"cursor": cursor})).result
        found.append([entry[key] for entry in result[member]])
        if "nextCursor" not in result:
            return found
        cursor = result["nextCursor"]


@pytest.mark.spec("server/utilities/pagination#response-format", "next-cursor")
@pytest.mark.parametrize("method", MEMBERS)
@over(*EVERY_WIRE, config=settings(limits={"page_size": 2}))
async def test_the_pages_of_a_list_are_the_whole_list_once(client: Client, method: str) -> None:
    found = await pages(client, method)
    assert all(len(page) == 2 for page in found[:-1])
    assert 1 <= len(found[-1]) <= 2
    names = [name for page in found for name in page]
    assert len(set(names)) == len(names)
    assert await pages(client, method) == found


@pytest.mark.spec("server/utilities/pagination#response-format", "next-cursor")
@over(*EVERY_WIRE)
async def test_a_short_list_has_no_next_page(client: Client) -> None:
    for method in MEMBERS:
        assert len(await pages(client, method)) == 1
        assert "nextCursor" not in (await client.ask(method, {"cursor": None})).result


@pytest.mark.spec("server/utilities/pagination#implementation-guidelines", "stable")
@over(*EVERY_WIRE, config=settings(limits={"page_size": 3}))
async def test_a_cursor_stays_good_while_other_entries_come_and_go(client: Client) -> None:
    first = (await client.ask("tools/list")).result
    second = (await client.ask("tools/list", {"cursor": first["nextCursor"]})).result
    await client.call("grow", {"kind": "tool", "name": "later"})
    await client.call("shrink", {"kind": "tool", "name": first["tools"][0]["name"]})
    again = (await client.ask("tools/list", {"cursor": first["nextCursor"]})).result
    assert again["tools"] == second["tools"]


@pytest.mark.spec("server/utilities/pagination#error-handling", "invalid-cursor")
@over(*EVERY_WIRE, config=settings(limits={"page_size": 3}))
async def test_a_cursor_whose_place_is_gone_is_invalid(client: Client) -> None:
    first = (await client.ask("tools/list")).result
    await client.call("shrink", {"kind": "tool", "name": first["tools"][-1]["name"]})
    (await client.ask("tools/list", {"cursor": first["nextCursor"]})).refused(-32602)


@pytest.mark.spec("server/utilities/pagination#error-handling", "invalid-cursor")
@pytest.mark.parametrize(
    "cursor",
    ["", "none", "=", "é", "\0", "A" * 100_000, base64.b64encode(b"tools\0none").decode(), "dG9vbHM", 7, [], {}, True],
)
@pytest.mark.parametrize("method", MEMBERS)
@over(*EVERY_WIRE)
async def test_a_cursor_that_is_none_is_refused(client: Client, method: str, cursor: Any) -> None:
    (await client.ask(method, {"cursor": cursor})).refused(-32602)


@pytest.mark.spec("server/utilities/pagination#error-handling", "invalid-cursor")
@over(*EVERY_WIRE, config=settings(limits={"page_size": 1}))
async def test_a_cursor_of_another_list_or_another_spelling_is_refused(client: Client) -> None:
    cursor = (await client.ask("tools/list")).result["nextCursor"]
    for method in ("resources/list", "resources/templates/list", "prompts/list"):
        (await client.ask(method, {"cursor": cursor})).refused(-32602)
    for spelling in (cursor + "=", cursor + "==", " " + cursor, cursor[:-1]):
        (await client.ask("tools/list", {"cursor": spelling})).refused(-32602)
