"""A list comes in pages that are encoded once, and its cursors hold while entries come and go elsewhere."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UnsetType

from mcp_runtime.core.catalog.listing import Listing, decode_cursor, encode_cursor
from mcp_runtime.protocol.errors import INVALID_PARAMS, PeerError
from mcp_runtime.protocol.messages import ListToolsResult, Tool

CURSORS = pytest.mark.spec("server/utilities/pagination#implementation-guidelines")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class Pages:
    """A list of tools, and how often a page was made and a change was told."""

    def __init__(self, *names: str, page_size: int = 2) -> None:
        self.made = 0
        self.changes = 0
        self.listing: Listing[Tool] = Listing("tools", page_size, self._make, self._changed)
        for name in names:
            self.listing.add(name, Tool(name, {}))

    def _make(self, entries: Sequence[Tool], next_cursor: str | UnsetType) -> ListToolsResult:
        self.made += 1
        return ListToolsResult(tools=list(entries), next_cursor=next_cursor, ttl_ms=0, cache_scope="public")

    def _changed(self) -> None:
        self.changes += 1

    def page(self, cursor: str | None = None) -> tuple[list[str], str | None]:
        page: dict[str, Any] = json.loads(bytes(self.listing.page(cursor)))
        return [tool["name"] for tool in page["tools"]], page.get("nextCursor")

    def all(self) -> list[list[str]]:
        names, cursor = self.page()
        pages = [names]
        while cursor is not None:
            names, cursor = self.page(cursor)
            pages.append(names)
        return pages


def refused(pages: Pages, cursor: str) -> PeerError:
    with pytest.raises(PeerError) as refusal:
        pages.page(cursor)
    assert refusal.value.code == INVALID_PARAMS
    return refusal.value


def cursor_after_first_page(pages: Pages) -> str:
    cursor = pages.page()[1]
    assert cursor is not None
    return cursor


@pytest.mark.spec("server/utilities/pagination#response-format")
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", [[]]),
        ("a", [["a"]]),
        ("ab", [["a", "b"]]),
        ("abc", [["a", "b"], ["c"]]),
        ("abcd", [["a", "b"], ["c", "d"]]),
        ("edcba", [["e", "d"], ["c", "b"], ["a"]]),
    ],
)
def test_entries_come_in_the_order_they_were_added(names: str, expected: list[list[str]]) -> None:
    assert Pages(*names).all() == expected


@given(st.lists(TEXT, unique=True, max_size=20), st.integers(1, 7))
def test_all_pages_together_are_the_list(names: list[str], page_size: int) -> None:
    pages = Pages(*names, page_size=page_size).all()
    assert [name for page in pages for name in page] == names
    assert all(len(page) == page_size for page in pages[:-1])
    assert len(pages[-1]) > 0 or not names


def test_a_page_is_encoded_once_until_the_list_changes() -> None:
    pages = Pages(*"abcde")
    for _ in range(5):
        pages.all()
    assert pages.made == 3
    assert pages.listing.page(None) is pages.listing.page(None)
    pages.listing.add("f", Tool("f", {}))
    assert pages.all() == [["a", "b"], ["c", "d"], ["e", "f"]]
    assert pages.made == 6


def test_every_change_is_told() -> None:
    pages = Pages("a", "b")
    assert pages.changes == 2
    pages.listing.remove("a")
    assert pages.changes == 3
    with pytest.raises(KeyError):
        pages.listing.remove("a")
    assert pages.changes == 3


def test_a_listing_is_a_mapping_of_its_entries() -> None:
    listing = Pages(*"abc").listing
    assert (len(listing), list(listing), "b" in listing, listing["b"].name) == (3, ["a", "b", "c"], True, "b")
    assert listing.get_entry("nope") is None
    assert listing.get_entry("c") is listing["c"]


@CURSORS
def test_a_cursor_holds_while_entries_come_and_go_elsewhere() -> None:
    pages = Pages(*"abcdef")
    cursor = cursor_after_first_page(pages)
    pages.listing.remove("a")
    assert pages.page(cursor)[0] == ["c", "d"]
    pages.listing.add("g", Tool("g", {}))
    assert pages.page(cursor)[0] == ["c", "d"]
    pages.listing.remove("c")
    assert pages.page(cursor)[0] == ["d", "e"]


@CURSORS
def test_a_cursor_whose_entry_is_gone_is_invalid() -> None:
    pages = Pages(*"abcd")
    cursor = cursor_after_first_page(pages)
    pages.listing.remove("b")
    assert "list again from the start" in refused(pages, cursor).message


@CURSORS
def test_a_cursor_at_what_became_the_end_gives_an_empty_last_page() -> None:
    pages = Pages(*"abc")
    cursor = cursor_after_first_page(pages)
    pages.listing.remove("c")
    assert pages.page(cursor) == ([], None)


@CURSORS
def test_an_entry_that_came_back_is_at_the_end() -> None:
    pages = Pages(*"abcd")
    cursor = cursor_after_first_page(pages)
    pages.listing.remove("b")
    pages.listing.add("b", Tool("b", {}))
    assert pages.page(cursor) == ([], None)
    assert pages.all() == [["a", "c"], ["d", "b"]]


@CURSORS
@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=3), st.lists(st.sampled_from("abcdefgh"), max_size=6)
)
def test_whoever_pages_on_misses_nothing_that_stayed_and_sees_nothing_twice(
    names: list[str], toggled: list[str]
) -> None:
    pages = Pages(*names)
    seen, cursor = pages.page()
    stayed = set(names)
    for name in toggled:
        if name == seen[-1]:
            continue
        stayed.discard(name)
        if name in pages.listing:
            pages.listing.remove(name)
        else:
            pages.listing.add(name, Tool(name, {}))
    while cursor is not None:
        names_on_page, cursor = pages.page(cursor)
        seen += names_on_page
    assert stayed <= set(seen)
    assert len([name for name in seen if name in stayed]) == len(stayed)


@pytest.mark.spec("server/utilities/pagination#error-handling")
@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "a",
        "b",
        "=",
        "\0",
        "\u00e9",
        "eyJwYWdlIjogMn0=",
        encode_cursor("prompts", "b"),
        encode_cursor("tool", "sb"),
        encode_cursor("tools", ""),
        encode_cursor("tools", "nope"),
        encode_cursor("tools", "b") + "=",
        encode_cursor("tools", "b") + "A",
        encode_cursor("tools", "b") + "\n",
        " " + encode_cursor("tools", "b"),
        encode_cursor("tools", "b")[:-1],
        "/w",
        "x" * 100_000,
    ],
)
def test_a_cursor_not_of_this_list_is_refused(cursor: str) -> None:
    pages = Pages(*"abcd")
    refused(pages, cursor)
    assert pages.made == 0


@given(st.text())
def test_any_text_for_a_cursor_is_one_or_is_refused(cursor: str) -> None:
    pages = Pages(*"abcd")
    assert decode_cursor("tools", cursor) in (None, "a", "b", "c", "d")
    refused(pages, cursor)


@given(TEXT.filter(lambda kind: "\0" not in kind), TEXT)
def test_a_cursor_names_its_entry_and_no_other_list_takes_it(kind: str, key: str) -> None:
    cursor = encode_cursor(kind, key)
    assert cursor.isascii()
    assert decode_cursor(kind, cursor) == key
    assert decode_cursor(kind + "s", cursor) is None


@pytest.mark.parametrize("key", ["b", "ab", "abc"])
def test_a_cursor_has_one_spelling(key: str) -> None:
    cursor = encode_cursor("tools", key)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/"
    assert [last for last in alphabet if decode_cursor("tools", cursor[:-1] + last) == key] == [cursor[-1]]


@CURSORS
@pytest.mark.parametrize("length", [128, 2000, 4096, 20_000])
def test_every_cursor_that_is_issued_is_taken_however_long_the_key(length: int) -> None:
    names = [str(number) * length for number in range(4)]
    assert Pages(*names).all() == [names[:2], names[2:]]
