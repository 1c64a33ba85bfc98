"""What docs/how-to/run-in-a-container.md tells its readers to write. Rule: taken from the page, not repeated."""

import json
import re
import shlex
from pathlib import Path
from typing import Final

from tests.docs.pages import DOCS, blocks

PAGE: Final = DOCS / "how-to" / "run-in-a-container.md"
_FOLDERS: Final = {"/etc/mcp-runtime": "etc", "/var/lib/mcp-runtime": "state"}


def containerfile() -> list[tuple[str, str]]:
    """The instructions of the Containerfile and what they are given, in order."""
    (text,) = (block.text for block in blocks(PAGE) if block.language == "dockerfile")
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def instruction(name: str) -> str:
    """What the one instruction of this name is given."""
    (given,) = (rest for found, rest in containerfile() if found == name)
    return given


def environment() -> dict[str, str]:
    """The variables that the image sets."""
    return dict(word.split("=", 1) for word in shlex.split(instruction("ENV")))


def health_check() -> list[str]:
    """The command that says whether the container is healthy."""
    found = re.search(r"CMD (\[.*\])", instruction("HEALTHCHECK"))
    assert found is not None
    return list(json.loads(found[1]))


def command() -> list[str]:
    """What the container runs."""
    return [*json.loads(instruction("ENTRYPOINT")), *json.loads(instruction("CMD"))]


def configuration(directory: Path) -> str:
    """The configuration, with its folders below `directory`."""
    (text,) = (block.text for block in blocks(PAGE) if block.language == "toml")
    for name, here in _FOLDERS.items():
        assert name in text
        text = text.replace(name, str(directory / here))
    return text
