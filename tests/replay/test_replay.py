"""Every conversation of the corpus, through every transport that it is written for."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from tests.replay.conversation import difference, read
from tests.replay.player import Player
from tests.support.clocks import run
from tests.support.fixture_plugin import bare_plugin, make_plugin
from tests.support.settings import settings
from tests.support.wires import EVERY_WIRE, Wire, connect

FILES = sorted(Path(__file__).parent.glob("*.txt"))
PLUGINS = {"fixture": make_plugin, "bare": bare_plugin}


@pytest.mark.parametrize("wire", EVERY_WIRE)
@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_replay(file: Path, wire: Wire) -> None:
    conversation = read(file)
    steps = conversation.on("stdio" if wire == "stdio" else "http")
    if not steps:
        pytest.skip("not written for this transport")

    async def talk() -> None:
        config = settings(**cast("dict[str, Any]", conversation.config))
        async with connect(wire, config, PLUGINS[conversation.plugin]) as client, AsyncExitStack() as stack:
            await Player(conversation, client, stack).play(steps)

    run("asyncio" if wire == "http-asyncio" else "trio", talk)


def test_the_corpus_is_there_and_says_its_revision() -> None:
    assert len(FILES) >= 25
    assert {read(file).revision for file in FILES} == {"2026-07-28"}


@pytest.mark.parametrize(
    ("pattern", "value", "same"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "*": "*"}, {"a": 1, "b": 2}, True),
        ({"a": 1, "*": "*"}, {"b": 2}, False),
        ([1, "*"], [1, 2, 3], True),
        ([1], [1, 2], False),
        ([1, 2], [1], False),
        ("$any", None, True),
        ("$string", 1, False),
        ("$integer", 7, True),
        ("$=x", "kept", True),
        ("$=x", 7, False),
        ("$known", "value", True),
        ("$known", "other", False),
        ("$unknown", "$unknown", True),
        (1, "1", False),
        (1, True, False),
        (1, 1.0, True),
        (None, None, True),
    ],
)
def test_a_pattern_matches_what_it_says_and_nothing_else(pattern: object, value: object, same: bool) -> None:
    assert (difference(pattern, value, {"known": "value"}) is None) == same


@pytest.mark.parametrize("line", ["?? {}", ">> {", "<<[x] {}", "@on tcp", "@nonsense", "~~ soon"])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "broken.txt"
    file.write_text(f"# fine\n{line}\n")
    with pytest.raises(ValueError, match=r"broken\.txt:2"):
        read(file)
