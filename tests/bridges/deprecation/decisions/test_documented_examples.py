"""The examples of the pages: what they tell an operator to write is right."""

from pathlib import Path

import pytest

from mcp_bridges.deprecation.decisions.options import read_deprecation
from tests.config.files import load_text
from tests.docs.pages import DOCS, blocks

EXAMPLES = [block for block in blocks(DOCS / "how-to" / "retire-the-past.md") if block.language == "toml"]


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: f"line {block.line}")
def test_an_example_is_a_right_configuration(tmp_path: Path, block: object) -> None:
    text = next(one.text for one in EXAMPLES if one is block)
    assert read_deprecation(load_text(tmp_path, text)).policy.window_months == 12


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5
