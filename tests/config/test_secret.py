"""A secret is seen only by whoever asks for it by name."""

import json
import pickle
from pathlib import Path

import msgspec
import pytest

from mcp_runtime.config.secret import Secret


@pytest.mark.parametrize("form", ["{}", "{!s}", "{!r}", "{0:>20}", "{0.__class__}"])
def test_no_way_to_text_shows_it(form: str) -> None:
    assert "hunter2" not in form.format(Secret("hunter2"))
    assert "hunter2" not in str([Secret("hunter2")])


def test_reveal_shows_it() -> None:
    assert Secret("hunter2").reveal() == "hunter2"


def test_it_cannot_be_pickled_or_encoded() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("hunter2"))
    with pytest.raises(TypeError):
        json.dumps(Secret("hunter2"))
    with pytest.raises(TypeError):
        msgspec.json.encode(Secret("hunter2"))


def test_equal_texts_make_equal_secrets() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a") != "a"


def test_it_comes_from_a_file_without_the_last_newline(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"hunter2\r\n")
    assert Secret.parse("file:key", directory=tmp_path, environ={}).reveal() == "hunter2"


def test_it_comes_from_a_variable() -> None:
    assert Secret.parse("env:KEY", directory=Path(), environ={"KEY": "hunter2"}).reveal() == "hunter2"


@pytest.mark.parametrize("text", ["hunter2", "https://a.example", "file", ":x"])
def test_anything_else_is_the_secret_itself(text: str) -> None:
    assert Secret.parse(text, directory=Path(), environ={}).reveal() == text


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("file:none", "there is no file"),
        ("file:.", "cannot read"),
        ("env:NONE", "the environment variable NONE is not set"),
        ("env:EMPTY", "the secret is empty"),
        ("", "the secret is empty"),
    ],
)
def test_a_reference_to_nothing_says_what_is_not_there(tmp_path: Path, reference: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Secret.parse(reference, directory=tmp_path, environ={"EMPTY": ""})
