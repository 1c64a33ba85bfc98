"""What a function returned becomes content, and what its output schema promises is kept."""

import datetime as dt
import inspect
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import UNSET, Raw
from pydantic import BaseModel, ConfigDict, Field

from mcp_runtime.authoring.returns.results import (
    Output,
    OutputMismatchError,
    ToolResult,
    content_blocks,
    encode_value,
    output_of,
)
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import PluginError
from mcp_runtime.core.schemas.validator import SchemaError
from mcp_runtime.protocol.content import (
    AudioContent,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from mcp_runtime.protocol.jsonrpc import encode_json

LIMITS = Limits()
EMPTY = inspect.Signature.empty
IMAGE = ImageContent(b"x", "image/png")
LINK = ResourceLink("a://b", "n")
OUTPUT_SCHEMA = pytest.mark.spec("server/tools#output-schema")


class Weather(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    temperature: Annotated[float, Field(ge=-273.15)]
    wind_speed: int = Field(default=0, alias="windSpeed")


@dataclass
class Point:
    x: int
    y: int = 0


class Struct(msgspec.Struct):
    a: int


def output(annotation: Any, schema: dict[str, Any] | None = None) -> Output:
    return output_of("tool", annotation, schema, LIMITS)


def wire(annotation: Any, value: Any, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode_json(output(annotation, schema).convert(value)))
    assert found.pop("resultType") == "complete"
    return found


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


IMAGE_ON_THE_WIRE = {"type": "image", "data": "eA==", "mimeType": "image/png"}
LINK_ON_THE_WIRE = {"type": "resource_link", "uri": "a://b", "name": "n"}


@pytest.mark.spec("server/tools#tool-result")
@pytest.mark.parametrize("annotation", [EMPTY, Any, str, str | None, Annotated[str, "x"], TextContent | str])
def test_a_string_is_text_and_nothing_else(annotation: Any) -> None:
    assert wire(annotation, "hi") == {"content": [text("hi")]}
    assert output(annotation).schema is None


@pytest.mark.parametrize("annotation", [EMPTY, Any, None, type(None), str | None, list[TextContent] | None])
def test_nothing_is_no_content(annotation: Any) -> None:
    assert wire(annotation, None) == {"content": []}
    assert output(annotation).schema is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TextContent("a"), [text("a")]),
        (IMAGE, [IMAGE_ON_THE_WIRE]),
        (AudioContent(b"x", "audio/wav"), [{"type": "audio", "data": "eA==", "mimeType": "audio/wav"}]),
        (LINK, [LINK_ON_THE_WIRE]),
        (
            EmbeddedResource(TextResourceContents("a://b", "x")),
            [{"type": "resource", "resource": {"uri": "a://b", "text": "x"}}],
        ),
        ([IMAGE], [IMAGE_ON_THE_WIRE]),
        ([IMAGE, "caption", LINK], [IMAGE_ON_THE_WIRE, text("caption"), LINK_ON_THE_WIRE]),
        (("caption", IMAGE), [text("caption"), IMAGE_ON_THE_WIRE]),
    ],
    ids=str,
)
def test_content_blocks_are_content(value: Any, expected: list[dict[str, Any]]) -> None:
    assert wire(EMPTY, value) == {"content": expected}


@pytest.mark.parametrize(
    "annotation",
    [
        TextContent,
        ImageContent,
        AudioContent,
        EmbeddedResource,
        ResourceLink,
        ToolResult,
        list[TextContent],
        list[TextContent | ImageContent],
        list[TextContent | str],
        tuple[TextContent, ImageContent],
        tuple[ImageContent, ...],
        TextContent | ImageContent | None,
        Annotated[list[ImageContent], "pictures"],
        ToolResult | str,
    ],
    ids=str,
)
def test_a_return_type_of_content_promises_no_schema(annotation: Any) -> None:
    assert output(annotation).schema is None


@pytest.mark.parametrize("annotation", [list[TextContent], list[TextContent | str], tuple[ImageContent, ...]], ids=str)
@pytest.mark.parametrize("value", [[], ()])
def test_no_content_blocks_are_no_content(annotation: Any, value: Any) -> None:
    assert wire(annotation, value) == {"content": []}


STRUCTURED: list[tuple[Any, Any, Any]] = [
    (int, 5, 5),
    (float, 1, 1.0),
    (bool, False, False),
    (list[str], [], []),
    (list[str], ["a"], ["a"]),
    (list[int], [1], [1]),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (int | None, None, None),
    (int | str, "a", "a"),
    (Literal["a"], "a", "a"),
    (Weather, Weather(temperature=1.5, windSpeed=3), {"temperature": 1.5, "windSpeed": 3}),
    (list[Weather], [Weather(temperature=1)], [{"temperature": 1.0, "windSpeed": 0}]),
    (Point, Point(1), {"x": 1, "y": 0}),
    (dt.date, dt.date(2026, 7, 28), "2026-07-28"),
    (tuple[int, str], (1, "a"), [1, "a"]),
]


@pytest.mark.spec("server/tools#structured-content")
@pytest.mark.parametrize(("annotation", "value", "expected"), STRUCTURED, ids=str)
def test_any_other_annotated_return_is_structured_with_its_json_as_text(
    annotation: Any, value: Any, expected: Any
) -> None:
    found = wire(annotation, value)
    assert found["structuredContent"] == expected
    (block,) = found["content"]
    assert block["type"] == "text"
    assert json.loads(block["text"]) == expected
    assert "isError" not in found


@OUTPUT_SCHEMA
@pytest.mark.parametrize(("annotation", "value", "expected"), STRUCTURED, ids=str)
def test_an_annotated_return_promises_its_schema(annotation: Any, value: Any, expected: Any) -> None:
    schema = output(annotation).schema
    assert schema is not None
    assert "title" not in schema


def test_the_schema_of_a_model_is_that_of_what_it_gives_out() -> None:
    assert output(Weather).schema == {
        "type": "object",
        "properties": {
            "temperature": {"type": "number", "minimum": -273.15},
            "windSpeed": {"type": "integer", "default": 0},
        },
        "required": ["temperature"],
    }


@OUTPUT_SCHEMA
@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "x"),
        (int, None),
        (int, 1.5),
        (bool, "yes"),
        (list[int], ["a"]),
        (list[int], 5),
        (dict[str, int], {"a": "b"}),
        (Literal["a"], "b"),
        (Weather, {"temperature": "hot"}),
        (Weather, None),
        (Weather, Weather.model_construct(temperature=-500.0)),
        (Annotated[int, Field(ge=0)], -1),
        (Annotated[str, Field(pattern="^a")] | int, "b"),
        (float, float("nan")),
        (float, float("inf")),
        (Point, "x"),
        (dt.date, "yesterday"),
    ],
    ids=str,
)
def test_a_value_that_breaks_the_promise_is_a_mismatch(annotation: Any, value: Any) -> None:
    with pytest.raises(OutputMismatchError) as refused:
        output(annotation).convert(value)
    assert str(refused.value)


@pytest.mark.parametrize("annotation", [socket.socket, Callable[[], int], list[socket.socket]])
def test_a_return_type_without_a_schema_is_refused_by_name(annotation: Any) -> None:
    with pytest.raises(PluginError, match=r"^tool: its return type has no JSON Schema: [^\n]*$"):
        output(annotation)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        (True, True),
        (1.5, 1.5),
        ([], []),
        (["a"], ["a"]),
        ({"a": None}, {"a": None}),
        (Weather(temperature=1, windSpeed=2), {"temperature": 1.0, "windSpeed": 2}),
        ([Weather(temperature=1)], [{"temperature": 1.0, "windSpeed": 0}]),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Struct(1), {"a": 1}),
        (dt.date(2026, 7, 28), "2026-07-28"),
    ],
    ids=str,
)
def test_an_unannotated_value_is_structured_without_a_promise(value: Any, expected: Any) -> None:
    found = wire(EMPTY, value)
    assert found["structuredContent"] == expected
    assert json.loads(found["content"][0]["text"]) == expected


def test_a_tool_result_is_taken_as_it_is() -> None:
    result = ToolResult(content=["a", IMAGE], structured_content={"a": 1}, is_error=True, meta={"m": 1})
    assert wire(ToolResult, result) == {
        "content": [text("a"), IMAGE_ON_THE_WIRE],
        "structuredContent": {"a": 1},
        "isError": True,
        "_meta": {"m": 1},
    }
    assert wire(ToolResult, ToolResult()) == {"content": []}
    assert wire(EMPTY, ToolResult(structured_content=None)) == {"content": [], "structuredContent": None}


def test_a_tool_result_that_says_it_is_no_error_says_nothing() -> None:
    assert output(ToolResult).convert(ToolResult(is_error=False)).is_error is UNSET


@OUTPUT_SCHEMA
@pytest.mark.parametrize("structured", [{"temperature": 1.5}, Weather(temperature=1.5), Raw(b'{"temperature":1.5}')])
def test_a_tool_result_keeps_the_promise_of_its_tool(structured: Any) -> None:
    if isinstance(structured, Weather):
        structured = structured.model_dump(by_alias=True)
    found = output(Weather).convert(ToolResult(content=["warm"], structured_content=structured))
    assert (found.content, found.is_error) == ([TextContent("warm")], UNSET)


@OUTPUT_SCHEMA
@pytest.mark.parametrize("structured", [UNSET, None, {}, {"temperature": "hot"}, {"temperature": -500}])
def test_a_tool_result_that_breaks_the_promise_is_a_mismatch(structured: Any) -> None:
    with pytest.raises(OutputMismatchError):
        output(Weather).convert(ToolResult(structured_content=structured))


@pytest.mark.parametrize("structured", [UNSET, {"temperature": "hot"}])
def test_an_error_needs_to_keep_no_promise(structured: Any) -> None:
    assert wire(Weather, ToolResult(content=["no"], structured_content=structured, is_error=True))["isError"] is True


RAW_SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@OUTPUT_SCHEMA
def test_a_raw_schema_is_promised_whatever_the_annotation() -> None:
    assert output(str, RAW_SCHEMA).schema == RAW_SCHEMA
    assert wire(EMPTY, {"a": 5}, RAW_SCHEMA)["structuredContent"] == {"a": 5}
    assert wire(EMPTY, Struct(5), RAW_SCHEMA)["structuredContent"] == {"a": 5}
    assert wire(EMPTY, ToolResult(structured_content={"a": 5}), RAW_SCHEMA)["structuredContent"] == {"a": 5}


@OUTPUT_SCHEMA
@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"a": "x"}, '`a`: "x" is not of type "integer"'),
        ({}, '"a" is a required property'),
        ([1], 'is not of type "object"'),
        ("text", "returned no structured content"),
        (None, "returned no structured content"),
        ([IMAGE], "returned no structured content"),
        (ToolResult(content=["a"]), "returned no structured content"),
    ],
    ids=str,
)
def test_a_value_that_breaks_a_raw_schema_is_a_mismatch_that_says_how(value: Any, named: str) -> None:
    with pytest.raises(OutputMismatchError) as refused:
        output(EMPTY, RAW_SCHEMA).convert(value)
    assert named in str(refused.value)


def test_an_invalid_raw_schema_is_refused() -> None:
    with pytest.raises(SchemaError):
        output(EMPTY, {"type": "nope"})


@pytest.mark.parametrize("value", [Ellipsis, {"a": Ellipsis}, "\ud800", {"\ud800": 1}, print], ids=repr)
def test_a_value_that_is_no_json_is_a_mismatch(value: Any) -> None:
    with pytest.raises(OutputMismatchError):
        encode_value(value)


def test_a_value_that_contains_itself_is_a_mismatch() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(OutputMismatchError):
        encode_value(value)


@pytest.mark.parametrize("value", [5, {"a": 1}, [], ["a"], [1, 2], b"x", Point(1)], ids=repr)
def test_what_is_no_content_has_no_content_blocks(value: Any) -> None:
    assert content_blocks(value) is None
