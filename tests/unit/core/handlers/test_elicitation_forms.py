"""A form is a flat object of what clients can draw, and an answer that does not fit it is asked for again."""

import datetime as dt
import enum
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Raw
from pydantic import AnyUrl, BaseModel, EmailStr, Field, create_model, field_validator
from typing_extensions import TypedDict  # the one that pydantic takes before Python 3.12

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import PluginError, ToolError
from mcp_runtime.core.calls.rounds import UnusableAnswerError
from mcp_runtime.core.handlers.elicitation_forms import Elicitation, Form, form_of_schema, form_of_type, read_url_answer

LIMITS = Limits()
REQUESTED_SCHEMA = pytest.mark.spec("client/elicitation#requested-schema")


class Color(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Number(enum.IntEnum):
    ONE = 1


class Nested(BaseModel):
    inner: int


class Tree(BaseModel):
    child: "Tree | None" = None


def field_schema(hint: Any) -> dict[str, Any]:
    form: Form[Any] = form_of_type(create_model("Model", value=(hint, ...)), LIMITS)
    schema: dict[str, Any] = form.schema["properties"]["value"]
    return schema


def form_of(**properties: Any) -> Form[dict[str, Any]]:
    return form_of_schema({"type": "object", "properties": properties}, LIMITS)


def read(form: Form[Any], action: str = "accept", **content: Any) -> Elicitation[Any]:
    return form.read(Raw(json.dumps({"action": action, "content": content}).encode()))


def unusable(form: Form[Any], **content: Any) -> str:
    with pytest.raises(UnusableAnswerError) as refused:
        read(form, **content)
    return str(refused.value)


# From types


@REQUESTED_SCHEMA
@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (str | None, {"type": "string"}),
        (Annotated[str, Field(min_length=3, max_length=50)], {"type": "string", "minLength": 3, "maxLength": 50}),
        (Annotated[int, Field(ge=0, le=9)], {"type": "integer", "minimum": 0, "maximum": 9}),
        (Annotated[bool, Field(title="T", description="D")], {"type": "boolean", "title": "T", "description": "D"}),
        (EmailStr, {"type": "string", "format": "email"}),
        (AnyUrl, {"type": "string", "format": "uri", "minLength": 1}),
        (dt.date, {"type": "string", "format": "date"}),
        (dt.datetime, {"type": "string", "format": "date-time"}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a"], {"type": "string", "enum": ["a"]}),
        (Literal["a", "b"] | None, {"type": "string", "enum": ["a", "b"]}),
        (Color, {"type": "string", "enum": ["red", "blue"], "description": "A colour."}),
        (Color | None, {"type": "string", "enum": ["red", "blue"], "description": "A colour."}),
        (list[Literal["a", "b"]], {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}),
        (
            Annotated[list[Literal["a", "b"]], Field(min_length=1, max_length=2)],
            {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "minItems": 1, "maxItems": 2},
        ),
        (
            Annotated[str, Field(json_schema_extra={"oneOf": [{"const": "a", "title": "A"}]})],
            {"type": "string", "oneOf": [{"const": "a", "title": "A"}]},
        ),
    ],
    ids=str,
)
def test_a_field_is_asked_for_as_its_type_says(hint: Any, expected: dict[str, Any]) -> None:
    assert field_schema(hint) == expected


@REQUESTED_SCHEMA
@pytest.mark.parametrize(
    "hint",
    [
        Nested,
        Nested | None,
        list[Nested],
        list[str],
        list[int],
        dict[str, str],
        tuple[str, str],
        set[Literal["a"]],
        int | str,
        Any,
        None,
        bytes,
        dt.time,
        dt.timedelta,
        Annotated[str, Field(pattern="^a")],
        Annotated[int, Field(gt=0)],
        Annotated[int, Field(multiple_of=2)],
        Literal[1, 2],
        Literal["a", 1],
        Literal[True],
        Number,
        list[Literal[1, 2]],
        list[list[Literal["a"]]],
        Annotated[str, Field(json_schema_extra={"x-own": 1})],
    ],
    ids=str,
)
def test_a_field_that_clients_cannot_draw_is_refused_by_name(hint: Any) -> None:
    with pytest.raises(PluginError, match="field 'value' of an elicitation form"):
        field_schema(hint)


@pytest.mark.parametrize(
    "hint", [socket.socket, Callable[[], int], Annotated[str, Field(pattern="(")]], ids=["a class", "a function", "(?"]
)
def test_a_field_of_no_known_type_is_refused(hint: Any) -> None:
    with pytest.raises(PluginError):
        form_of_type(dataclass_with(hint), LIMITS)


def dataclass_with(hint: Any) -> Any:
    return dataclass(type("Made", (), {"__annotations__": {"value": hint}}))


@pytest.mark.parametrize("kind", [int, str, list[str], dict[str, str], Color, Tree], ids=str)
def test_a_type_that_is_no_flat_object_is_refused(kind: Any) -> None:
    with pytest.raises(PluginError):
        form_of_type(kind, LIMITS)


class Person(BaseModel):
    """Not part of the form."""

    name: str
    age: Annotated[int, Field(ge=0)] = 18
    email: EmailStr | None = None

    @field_validator("name")
    @classmethod
    def _no_blanks(cls, name: str) -> str:
        if " " in name:
            raise ValueError("one word, please")
        return name


@dataclass
class Choice:
    color: Color
    since: dt.date
    tags: list[Literal["a", "b"]] = field(default_factory=list)


class Contact(TypedDict, total=False):
    name: str


def test_a_model_is_an_object_of_its_fields_and_what_is_required() -> None:
    assert form_of_type(Person, LIMITS).schema == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer", "minimum": 0, "default": 18},
            "email": {"type": "string", "format": "email"},
        },
        "required": ["name"],
    }


def test_a_form_without_required_fields_says_nothing_of_them() -> None:
    assert form_of_type(Contact, LIMITS).schema == {"type": "object", "properties": {"name": {"type": "string"}}}


def test_a_form_is_made_once_for_each_type() -> None:
    assert form_of_type(Person, LIMITS) is form_of_type(Person, LIMITS)


def test_an_answer_becomes_the_type_that_was_asked_for() -> None:
    assert read(form_of_type(Person, LIMITS), name="Ada", age=36.0).data == Person(name="Ada", age=36)
    assert read(form_of_type(Choice, LIMITS), color="red", since="2026-07-28").data == Choice(
        Color.RED, dt.date(2026, 7, 28)
    )
    assert read(form_of_type(Contact, LIMITS)).data == {}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"name": 5},
        {"name": None},
        {"name": "Ada", "age": -1},
        {"name": "Ada", "age": "36"},
        {"name": "Ada", "age": 36.5},
        {"name": "Ada", "email": None},
        {"name": ["Ada"]},
    ],
)
def test_an_answer_that_does_not_fit_the_form_is_unusable(content: dict[str, Any]) -> None:
    assert unusable(form_of_type(Person, LIMITS), **content)


def test_an_answer_that_an_authors_validator_refuses_is_unusable() -> None:
    assert "one word, please" in unusable(form_of_type(Person, LIMITS), name="Ada Lovelace")
    assert "email" in unusable(form_of_type(Person, LIMITS), name="Ada", email="no address")


# From schemas


@REQUESTED_SCHEMA
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "title": "T", "description": "D", "minLength": 3, "maxLength": 50, "format": "email"},
        {"type": "string", "format": "uri", "default": "https://x"},
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "number", "title": "T", "description": "D", "minimum": 0, "maximum": 100, "default": 50},
        {"type": "integer", "default": 0},
        {"type": "boolean", "title": "T", "description": "D", "default": False},
        {"type": "string", "enum": ["Red", "Green"], "default": "Red"},
        {"type": "string", "enum": ["a"], "enumNames": ["A"]},
        {"type": "string", "oneOf": [{"const": "#FF0000", "title": "Red"}], "default": "#FF0000"},
        {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string", "enum": ["a"]}, "default": ["a"]},
        {"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}},
    ],
)
def test_every_kind_of_field_in_the_specification_is_taken_as_it_is(schema: dict[str, Any]) -> None:
    form = form_of(value=schema)
    assert form.schema == {"type": "object", "properties": {"value": schema}}


@REQUESTED_SCHEMA
@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        5,
        None,
        {"type": "object", "properties": {}},
        {"type": "null"},
        {"type": ["string", "null"]},
        {"type": "string", "pattern": "a"},
        {"type": "string", "format": "password"},
        {"type": "string", "format": "uuid"},
        {"type": "integer", "exclusiveMinimum": 0},
        {"type": "integer", "enum": [1]},
        {"type": "string", "enum": [1]},
        {"type": "boolean", "enum": [True]},
        {"type": "string", "oneOf": [{"type": "object"}]},
        {"type": "array"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"type": "object", "enum": [{}]}},
        {"type": "array", "items": {"anyOf": [{"type": "object"}]}},
        {"type": "array", "items": [{"enum": ["a"]}]},
        {"anyOf": [{"type": "string"}]},
        {"$ref": "#"},
    ],
)
def test_any_other_field_is_refused_by_name(schema: object) -> None:
    with pytest.raises(PluginError, match="field 'value' of an elicitation form"):
        form_of(value=schema)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "string"},
        {"properties": {}},
        {"type": "object", "properties": []},
        {"type": ["object"], "properties": {}},
    ],
)
def test_a_schema_of_no_object_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match="must be an object with properties"):
        form_of_schema(schema, LIMITS)


def test_an_invalid_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        form_of(value={"type": "string", "minLength": -1})


def test_an_answer_to_a_schema_stays_a_dict() -> None:
    form = form_of(a={"type": "integer"}, b={"type": "array", "items": {"type": "string", "enum": ["x"]}})
    assert read(form, a=5, b=["x"], more="kept").data == {"a": 5, "b": ["x"], "more": "kept"}
    assert read(form).data == {}
    for wrong in ({"a": "5"}, {"a": True}, {"b": ["y"]}, {"b": "x"}):
        assert unusable(form, **wrong)


# Answers


@pytest.mark.spec("client/elicitation#response-actions")
@pytest.mark.parametrize(
    ("action", "text"), [("decline", "The user declined to answer"), ("cancel", "The user gave no answer")]
)
def test_who_does_not_accept_gives_no_data(action: str, text: str) -> None:
    answer = read(form_of_type(Person, LIMITS), action, name="ignored")
    assert (answer.action, answer.accepted, answer.content) == (action, False, None)
    with pytest.raises(ToolError, match=text):
        _ = answer.data


def test_an_accepted_form_without_content_is_an_empty_one() -> None:
    accepted = Raw(b'{"action":"accept"}')
    assert form_of(a={"type": "integer"}).read(accepted).data == {}
    with pytest.raises(UnusableAnswerError):
        form_of_type(Person, LIMITS).read(accepted)


@pytest.mark.parametrize("raw", [b"{}", b"[]", b"null", b'{"action":"yes"}', b'{"action":"accept","content":"x"}'])
def test_what_is_no_answer_at_all_is_malformed(raw: bytes) -> None:
    for reader in (form_of().read, read_url_answer):
        with pytest.raises(msgspec.ValidationError):
            reader(Raw(raw))


@pytest.mark.spec("client/elicitation#response-actions")
def test_an_accepted_url_has_no_content_and_reading_it_is_no_error() -> None:
    answer = read_url_answer(Raw(b'{"action":"accept"}'))
    assert (answer.action, answer.accepted, answer.data) == ("accept", True, None)


@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_a_url_that_was_not_accepted_has_no_data(action: str) -> None:
    answer = read_url_answer(Raw(json.dumps({"action": action}).encode()))
    assert not answer.accepted
    with pytest.raises(ToolError):
        _ = answer.data
