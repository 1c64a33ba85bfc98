"""Text in Markdown. Rule: whatever a value holds, a table stays a table."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

SPEC: Final = "https://modelcontextprotocol.io/specification/"
GENERATED: Final = "<!-- Written by `python -m docs.generate`: change the code it is read off, not this page. -->"

_MARKS: Final = re.compile(r"[*<\[]|(?<!\w)_|_(?!\w)")  # an underscore inside a word marks nothing
_SPEC_REFERENCE: Final = re.compile(r"\b(2026-07-28/[a-z0-9/-]+(?:#[a-z0-9-]+)?)")


def page(title: str, *blocks: str) -> str:
    """A whole page of `blocks`, an empty line between two."""
    return "\n\n".join([f"# {title}", GENERATED, *(block.strip("\n") for block in blocks if block)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; an empty text where there are no rows."""
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *lines])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def plain(text: str) -> str:
    """`text` that was not written as Markdown, but for its inline code and its indented blocks."""
    return "\n".join(line if line.startswith("    ") else _plain_line(line) for line in text.split("\n"))


def _plain_line(line: str) -> str:
    # Between an even and an odd backtick there is no code.
    parts = line.split("`")
    return "`".join(part if index % 2 else _MARKS.sub(r"\\\g<0>", part) for index, part in enumerate(parts))


def code(text: object) -> str:
    """`text` as inline code."""
    return f"`{text}`"


def spec_link(section: str) -> str:
    """A link to a section of the specification, such as `2026-07-28/basic#meta`."""
    return f"[{section.removeprefix('2026-07-28/')}]({SPEC}{section})"


def with_spec_links(text: str) -> str:
    """Markdown `text` with its references to the specification as links."""
    return _SPEC_REFERENCE.sub(lambda found: spec_link(found.group(1)), text)
