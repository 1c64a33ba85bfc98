"""Every conversation of the corpus, through every transport and bridge that it is written for."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from mcp_runtime.config import BridgesConfig, Config
from tests.replay.old_player import OldPlayer
from tests.replay.player import Player
from tests.replay.replay_file import MODERN, REVISIONS, Conversation, Step, difference, read
from tests.support.clocks import run
from tests.support.fixture_plugin import bare_plugin, make_plugin
from tests.support.old_wires import EVERY_OLD_WIRE, STDIO, OldLoopWire, backend_of, connect_old, kind_of
from tests.support.settings import settings
from tests.support.wires import EVERY_WIRE, Wire, connect

FILES: Final = sorted(Path(__file__).parent.glob("*.txt"))
CONVERSATIONS: Final = [read(file) for file in FILES]
PLUGINS: Final = {"fixture": make_plugin, "bare": bare_plugin}


def steps_on_old(conversation: Conversation, revision: str, wire: OldLoopWire) -> list[Step]:
    """What is played over a wire in a revision. Streamable HTTP came after 2024-11-05."""
    kind = kind_of(wire)
    if kind == "sessions" and revision == "2024-11-05":
        return []
    return conversation.on(revision, kind, *(() if kind == "stdio" else ("http",)))


def modern() -> Iterator[Any]:
    """Each conversation of today with each wire that it is written for."""
    for conversation in CONVERSATIONS:
        for wire in EVERY_WIRE:
            steps = conversation.on(MODERN, "stdio" if wire == "stdio" else "http")
            if MODERN in conversation.revisions and steps:
                yield pytest.param(conversation, steps, wire, id=f"{conversation.name}-{wire}")


def old() -> Iterator[Any]:
    """Each older conversation in each of its revisions, with each wire that they are written for."""
    for conversation in CONVERSATIONS:
        for revision in conversation.revisions:
            for wire in () if revision == MODERN else EVERY_OLD_WIRE:
                steps = steps_on_old(conversation, revision, wire)
                if steps:
                    yield pytest.param(conversation, revision, steps, wire, id=f"{conversation.name}-{revision}-{wire}")


def config_of(conversation: Conversation) -> Config:
    """The configuration that a conversation asks for."""
    sections = dict(conversation.config)
    if "bridges" in sections:
        sections["bridges"] = msgspec.convert(sections["bridges"], BridgesConfig)
    return settings(**sections)


@pytest.mark.parametrize(("conversation", "steps", "wire"), list(modern()))
def test_replay(conversation: Conversation, steps: list[Step], wire: Wire) -> None:
    async def talk() -> None:
        plugin = PLUGINS[conversation.plugin]
        async with connect(wire, config_of(conversation), plugin) as client, AsyncExitStack() as stack:
            await Player(conversation, client, stack).play(steps)

    run("asyncio" if wire == "http-asyncio" else "trio", talk)


@pytest.mark.parametrize(("conversation", "revision", "steps", "wire"), list(old()))
def test_replay_of_an_older_revision(
    conversation: Conversation, revision: str, steps: list[Step], wire: OldLoopWire
) -> None:
    async def talk() -> None:
        async with connect_old(wire, config_of(conversation), PLUGINS[conversation.plugin]) as client:
            await OldPlayer(conversation, revision, client).play(steps)

    run(backend_of(wire), talk)


def test_the_corpus_is_there_and_says_its_revisions() -> None:
    today = [conversation for conversation in CONVERSATIONS if conversation.revisions == (MODERN,)]
    older = [conversation for conversation in CONVERSATIONS if MODERN not in conversation.revisions]
    assert len(today) >= 25
    assert len(older) >= 25
    assert len(today) + len(older) == len(FILES)
    assert {revision for conversation in CONVERSATIONS for revision in conversation.revisions} == REVISIONS


@pytest.mark.parametrize("wire", [*STDIO, "sessions-trio", "sse-trio"])
def test_every_wire_has_conversations_in_every_revision_that_permits_it(wire: OldLoopWire) -> None:
    for revision in sorted(REVISIONS - {MODERN}):
        played = [one for one in CONVERSATIONS if revision in one.revisions and steps_on_old(one, revision, wire)]
        assert len(played) >= (0 if wire == "sessions-trio" and revision == "2024-11-05" else 15)


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


@pytest.mark.parametrize(
    "line", ["?? {}", ">> {", "<<[x] {}", "@on tcp", "@nonsense", "@opening slow", "~~ soon", "!! begin"]
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "broken.txt"
    file.write_text(f"# fine\n{line}\n")
    with pytest.raises(ValueError, match=r"broken\.txt:2"):
        read(file)
