"""What a resource function returned is its contents, and None is no resource at all."""

from dataclasses import dataclass
from typing import Any

import pytest
from msgspec import UNSET, UnsetType

from mcp_runtime.authoring.returns.resources import read_contents
from mcp_runtime.authoring.returns.results import OutputMismatchError
from mcp_runtime.protocol.content import BlobResourceContents, TextResourceContents

URI = "config://app"
TEXT = TextResourceContents("other://a", "x", "text/x-own")
BLOB = BlobResourceContents("other://b", b"\xff", "image/png")


@dataclass
class Settings:
    a: int


@pytest.mark.spec("server/resources#error-handling")
def test_none_is_no_resource() -> None:
    assert read_contents(URI, None, "text/plain") is None


@pytest.mark.spec("server/resources#resource-contents")
@pytest.mark.parametrize(
    ("value", "declared", "expected"),
    [
        ("hi", UNSET, TextResourceContents(URI, "hi", "text/plain")),
        ("", UNSET, TextResourceContents(URI, "", "text/plain")),
        ("# Hi", "text/markdown", TextResourceContents(URI, "# Hi", "text/markdown")),
        (b"\x00", UNSET, BlobResourceContents(URI, b"\x00", "application/octet-stream")),
        (b"", UNSET, BlobResourceContents(URI, b"", "application/octet-stream")),
        (bytearray(b"x"), "image/png", BlobResourceContents(URI, b"x", "image/png")),
        ({"a": 1}, UNSET, TextResourceContents(URI, '{"a":1}', "application/json")),
        ({"a": 1}, "application/x-own+json", TextResourceContents(URI, '{"a":1}', "application/x-own+json")),
        ([], UNSET, TextResourceContents(URI, "[]", "application/json")),
        (["a"], UNSET, TextResourceContents(URI, '["a"]', "application/json")),
        (5, UNSET, TextResourceContents(URI, "5", "application/json")),
        (False, UNSET, TextResourceContents(URI, "false", "application/json")),
        (Settings(1), UNSET, TextResourceContents(URI, '{"a":1}', "application/json")),
        (TEXT, "text/plain", TEXT),
        (BLOB, UNSET, BLOB),
    ],
    ids=str,
)
def test_a_value_is_text_bytes_or_json(value: Any, declared: str | UnsetType, expected: Any) -> None:
    assert read_contents(URI, value, declared) == [expected]


@pytest.mark.parametrize("value", [[TEXT], [TEXT, BLOB], (BLOB, TEXT)])
def test_several_contents_stay_several(value: Any) -> None:
    assert read_contents(URI, value, UNSET) == list(value)


@pytest.mark.parametrize("value", [object(), {"a": object()}, [object()]])
def test_what_is_no_json_is_a_mismatch(value: Any) -> None:
    with pytest.raises(OutputMismatchError):
        read_contents(URI, value, UNSET)
