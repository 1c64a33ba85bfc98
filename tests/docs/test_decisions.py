"""The decisions: one page each, of one shape."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import DOCS, ROOT

ADRS: Final = sorted((DOCS / "adr").glob("[0-9]*.md"))
HEADINGS: Final = ["Context", "Decision", "Rejected", "Consequences"]


@pytest.mark.parametrize("page", ADRS, ids=lambda page: page.name)
def test_a_decision_has_the_four_headings_in_order(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert text.startswith(f"# {page.name[:4]}. ")
    assert "\nStatus: " in text


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [page.name[:4] for page in ADRS] == [f"{number:04}" for number in range(1, len(ADRS) + 1)]


def test_every_decision_is_in_the_index_and_in_the_navigation() -> None:
    index = (DOCS / "adr" / "index.md").read_text(encoding="utf-8")
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in ADRS:
        assert f"({page.name})" in index
        assert f"adr/{page.name}" in navigation
