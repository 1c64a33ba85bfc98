"""Pages of the documentation, and the code blocks in them. Rule: a block is found as a reader finds it, by its fence.

A comment `<!-- verb: argument -->` on the line before a fence says what the tests do with the block.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = (*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")))

_MARKER: Final = re.compile(r"<!-- (?P<verb>[a-z]+): (?P<argument>.*) -->")
_FENCE: Final = re.compile(r"(?P<indent> *)```(?P<language>\w*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced code block. `verb` and `argument` are its marker's, empty without one; `line` is its text's first."""

    language: str
    text: str
    line: int
    verb: str = ""
    argument: str = ""


def name_of(page: Path) -> str:
    """The page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[Block]:
    """The code blocks of a page, in order, without their indentation."""
    lines = page.read_text(encoding="utf-8").splitlines()
    opened: re.Match[str] | None = None
    marker: re.Match[str] | None = None
    text: list[str] = []
    for number, line in enumerate(lines, start=1):
        fence = _FENCE.fullmatch(line)
        if opened is None and fence is not None:
            opened, text = fence, []
            marker = _MARKER.fullmatch(lines[number - 2].strip())
        elif opened is not None and line == opened["indent"] + "```":
            found = marker.groupdict() if marker is not None else {}
            first = number - len(text)
            yield Block(language=opened["language"], text="\n".join(text) + "\n", line=first, **found)
            opened = None
        elif opened is not None:
            text.append(line.removeprefix(opened["indent"]))
    assert opened is None, f"{name_of(page)}: a code block is not closed"


def prose(page: Path) -> str:
    """The text of a page without its code blocks."""
    kept: list[str] = []
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if _FENCE.fullmatch(line):
            inside = not inside
        elif not inside:
            kept.append(line)
    return "\n".join(kept)
