"""Code blocks are what their language says, and commands in them exist."""

import ast
import json
import shlex
import tomllib
from collections.abc import Iterator
from typing import Final, cast

import pytest

from docs.generate import PAGES as GENERATED
from mcp_runtime.cli.parser import build_parser
from mcp_runtime.config import CONFIG_KEYS
from tests.docs.pages import DOCS, PAGES, ROOT, blocks, name_of

_BY_HAND: Final = [page for page in PAGES if page not in {DOCS / name for name in GENERATED}]
_BLOCKS: Final = {f"{name_of(page)}:{block.line}": block for page in _BY_HAND for block in blocks(page)}
_KEYS: Final = {key.path for key in CONFIG_KEYS}


def _written_in(language: str) -> list[str]:
    return [place for place, block in _BLOCKS.items() if block.language == language]


@pytest.mark.parametrize("place", _written_in("python"))
def test_python_is_python(place: str) -> None:
    block = _BLOCKS[place]
    if block.verb != "change":  # That one is a line out of a file, which the examples run.
        # A block may be a line out of a coroutine.
        compile(block.text, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


@pytest.mark.parametrize("place", _written_in("json"))
def test_json_is_json(place: str) -> None:
    json.loads(_BLOCKS[place].text)


@pytest.mark.parametrize("place", _written_in("toml"))
def test_toml_names_keys_that_exist(place: str) -> None:
    assert set(_paths(tomllib.loads(_BLOCKS[place].text))) <= _KEYS


def _paths(document: dict[str, object], section: str = "") -> Iterator[str]:
    for name, value in document.items():
        here = f"{section}.{name}" if section else name
        if here == "plugin":
            continue  # Its tables belong to plugins.
        if isinstance(value, dict):
            yield from _paths(cast("dict[str, object]", value), here)
        elif section:
            yield here
        else:
            # A line out of a section that the text around it names.
            assert any(path.endswith(f".{name}") for path in _KEYS), name


@pytest.mark.parametrize("place", _written_in("console"))
def test_our_commands_take_what_is_given_to_them(place: str) -> None:
    for line in _BLOCKS[place].text.splitlines():
        words = [word for word in shlex.split(line, comments=True) if "=" not in word.split("/")[0] or "-" in word]
        for command in _ours(words):
            build_parser().parse_args(command)


def _ours(words: list[str]) -> Iterator[list[str]]:
    """The arguments of mcp-runtime in a command line, wherever it stands in it."""
    for index, word in enumerate(words):
        name = word.rpartition("/")[2]
        if name == "mcp-runtime" and index + 1 < len(words) and not words[index + 1].startswith("-"):
            yield words[index + 1 :]
        elif word.endswith("scripts/serve"):
            yield ["serve", *words[index + 1 :]]


@pytest.mark.parametrize("place", _written_in("console"))
def test_scripts_that_are_named_exist(place: str) -> None:
    for word in _BLOCKS[place].text.split():
        if word.startswith("scripts/"):
            assert (ROOT / word).is_file(), word
