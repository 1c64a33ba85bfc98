"""Content blocks travel as the schema writes them, and what a client sends reads back as blocks."""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from mcp_runtime.protocol.content import (
    Annotations,
    AudioContent,
    BlobResourceContents,
    CreateMessageResult,
    ElicitResult,
    EmbeddedResource,
    ImageContent,
    ListRootsResult,
    PromptMessage,
    ResourceLink,
    Root,
    SamplingMessage,
    TextContent,
    TextResourceContents,
    ToolResultContent,
    ToolUseContent,
)
from mcp_runtime.protocol.jsonrpc import encode_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def wire(value: object) -> Any:
    return json.loads(encode_json(value))


def read(value: object, kind: Any) -> Any:
    return msgspec.json.decode(json.dumps(value), type=kind)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (TextContent("hi"), {"type": "text", "text": "hi"}),
        (TextContent(""), {"type": "text", "text": ""}),
        (
            TextContent("hi", annotations=Annotations(["user"], 0.9, "2025-05-03T14:30:00Z"), meta={"a": None}),
            {
                "type": "text",
                "text": "hi",
                "annotations": {"audience": ["user"], "priority": 0.9, "lastModified": "2025-05-03T14:30:00Z"},
                "_meta": {"a": None},
            },
        ),
        (
            TextContent("hi", annotations=Annotations(audience=[], priority=0.0)),
            {"type": "text", "text": "hi", "annotations": {"audience": [], "priority": 0.0}},
        ),
        (ImageContent(b"\x00\xff", "image/png"), {"type": "image", "data": "AP8=", "mimeType": "image/png"}),
        (AudioContent(b"", "audio/wav"), {"type": "audio", "data": "", "mimeType": "audio/wav"}),
        (
            EmbeddedResource(TextResourceContents("a://b", "x", mime_type="text/plain")),
            {"type": "resource", "resource": {"uri": "a://b", "text": "x", "mimeType": "text/plain"}},
        ),
        (
            EmbeddedResource(BlobResourceContents("a://b", b"\xff", meta={"m": 1})),
            {"type": "resource", "resource": {"uri": "a://b", "blob": "/w==", "_meta": {"m": 1}}},
        ),
        (
            ResourceLink("a://b", "n", title="T", description="d", mime_type="text/plain", size=3),
            {
                "type": "resource_link",
                "uri": "a://b",
                "name": "n",
                "title": "T",
                "description": "d",
                "mimeType": "text/plain",
                "size": 3,
            },
        ),
        (
            SamplingMessage("user", [TextContent("a"), ImageContent(b"x", "image/png")]),
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image", "data": "eA==", "mimeType": "image/png"},
                ],
            },
        ),
        (
            ToolResultContent("u1", [TextContent("a")], structured_content={"b": 1}, is_error=False),
            {
                "type": "tool_result",
                "toolUseId": "u1",
                "content": [{"type": "text", "text": "a"}],
                "structuredContent": {"b": 1},
                "isError": False,
            },
        ),
        (
            ToolUseContent("u1", "get", {"a": 1}),
            {"type": "tool_use", "id": "u1", "name": "get", "input": {"a": 1}},
        ),
        (PromptMessage("assistant", TextContent("a")), {"role": "assistant", "content": {"type": "text", "text": "a"}}),
        (Root("file:///a", "A"), {"uri": "file:///a", "name": "A"}),
        (Root("file:///a"), {"uri": "file:///a"}),
    ],
)
def test_content_is_written_as_the_schema_writes_it(block: Struct, expected: dict[str, Any]) -> None:
    assert wire(block) == expected


WITH_META: list[Struct] = [
    TextContent("x", meta={"a": 1}),
    ImageContent(b"", "image/png", meta={"a": 1}),
    AudioContent(b"", "audio/wav", meta={"a": 1}),
    EmbeddedResource(None, meta={"a": 1}),
    ResourceLink("a://b", "n", meta={"a": 1}),
    TextResourceContents("a://b", "", meta={"a": 1}),
    BlobResourceContents("a://b", b"", meta={"a": 1}),
    ToolUseContent("u", "n", {}, meta={"a": 1}),
    ToolResultContent("u", [], meta={"a": 1}),
    SamplingMessage("user", [], meta={"a": 1}),
    CreateMessageResult("assistant", [], "m", meta={"a": 1}),
    Root("file:///a", meta={"a": 1}),
]


@pytest.mark.spec("basic#meta")
@pytest.mark.parametrize("block", WITH_META, ids=lambda block: type(block).__name__)
def test_metadata_travels_under_its_own_name_and_only_where_there_is_some(block: Struct) -> None:
    assert wire(block)["_meta"] == {"a": 1}
    assert "_meta" not in wire(msgspec.structs.replace(block, meta=msgspec.UNSET))


@pytest.mark.parametrize("block", WITH_META, ids=lambda block: type(block).__name__)
def test_content_cannot_be_changed_once_made(block: Struct) -> None:
    with pytest.raises(AttributeError):
        block.meta = {}  # type: ignore[attr-defined]  # the error is the point


@pytest.mark.spec("server/resources#security-considerations")
@given(st.binary(), TEXT)
def test_bytes_travel_as_base64_and_come_back(data: bytes, mime_type: str) -> None:
    image, audio = ImageContent(data, mime_type), AudioContent(data, mime_type)
    assert wire(image)["data"] == base64.b64encode(data).decode()
    assert read(wire(image), ImageContent) == image
    assert read(wire(audio), AudioContent) == audio


@given(TEXT)
def test_text_comes_back_as_it_was(text: str) -> None:
    assert read(wire(TextContent(text)), TextContent) == TextContent(text)


@pytest.mark.spec("client/sampling#creating-messages")
def test_the_answer_of_a_model_is_one_block() -> None:
    answer = read(
        {
            "role": "assistant",
            "content": {"type": "text", "text": "Paris."},
            "model": "m",
            "stopReason": "endTurn",
            "_meta": {"a": 1},
            "other": 1,
        },
        CreateMessageResult,
    )
    assert (answer.role, answer.content, answer.model, answer.stop_reason, answer.text) == (
        "assistant",
        TextContent("Paris."),
        "m",
        "endTurn",
        "Paris.",
    )


@pytest.mark.spec("client/sampling#sampling-with-tools")
def test_the_answer_of_a_model_is_several_blocks_and_its_text_is_theirs() -> None:
    answer = read(
        {
            "role": "assistant",
            "model": "m",
            "content": [
                {"type": "text", "text": "Let me "},
                {"type": "tool_use", "id": "u", "name": "n", "input": {}},
                {"type": "image", "data": "eA==", "mimeType": "image/png"},
                {"type": "text", "text": "look."},
            ],
        },
        CreateMessageResult,
    )
    assert [type(block) for block in answer.content] == [TextContent, ToolUseContent, ImageContent, TextContent]
    assert answer.text == "Let me look."


def test_an_answer_without_text_has_an_empty_text() -> None:
    assert CreateMessageResult("assistant", ImageContent(b"", "image/png"), "m").text == ""
    assert CreateMessageResult("assistant", [], "m").text == ""


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"role": "assistant", "model": "m"},
        {"role": "system", "model": "m", "content": {"type": "text", "text": "x"}},
        {"role": "assistant", "content": {"type": "text", "text": "x"}},
        {"role": "assistant", "model": "m", "content": "x"},
        {"role": "assistant", "model": "m", "content": {"text": "x"}},
        {"role": "assistant", "model": "m", "content": {"type": "video", "text": "x"}},
        {"role": "assistant", "model": "m", "content": {"type": "image", "data": "%", "mimeType": "image/png"}},
    ],
)
def test_what_is_no_answer_of_a_model_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(answer, CreateMessageResult)


@pytest.mark.spec("client/elicitation#response-actions")
@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
def test_a_user_accepts_declines_or_cancels(action: str) -> None:
    assert read({"action": action}, ElicitResult).action == action


def test_the_content_of_an_answer_is_flat() -> None:
    content = {"a": "x", "b": 1, "c": 1.5, "d": True, "e": ["x", "y"], "f": None}
    assert read({"action": "accept", "content": content}, ElicitResult).content == content


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"action": "maybe"},
        {"action": None},
        {"action": "accept", "content": None},
        {"action": "accept", "content": "x"},
        {"action": "accept", "content": {"a": {"b": 1}}},
        {"action": "accept", "content": {"a": [1]}},
    ],
)
def test_what_is_no_answer_of_a_user_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(answer, ElicitResult)


@pytest.mark.spec("client/roots#listing-roots")
def test_roots_are_a_list_of_uris_with_names() -> None:
    found = read({"roots": [{"uri": "file:///a", "name": "A"}, {"uri": "file:///b", "_meta": {}}]}, ListRootsResult)
    assert [root.uri for root in found.roots] == ["file:///a", "file:///b"]


@pytest.mark.parametrize("answer", [{}, {"roots": None}, {"roots": [{}]}, {"roots": ["file:///a"]}])
def test_what_is_no_list_of_roots_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(answer, ListRootsResult)
