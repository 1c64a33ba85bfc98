"""The schema of a function's arguments is what clients see, and what is off in them is named."""

from typing import Annotated

import pytest
from msgspec import Raw
from pydantic import Field

from mcp_runtime.core.calls.errors import ArgumentsError
from mcp_runtime.core.schemas.validator import MAX_REPORTED_ERRORS
from tests.support.arguments import (
    NESTED,
    Color,
    Person,
    arguments_of,
    parse,
    refusal,
    schema_of,
    with_parameter,
)


def test_the_schema_describes_parameters_and_forbids_others() -> None:
    async def tool(
        city: Annotated[str, Field(description="Where")], days: int = 3, *, units: Color | None = None
    ) -> None: ...

    assert schema_of(tool) == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where"},
            "days": {"type": "integer", "default": 3},
            "units": {"anyOf": [{"$ref": "#/$defs/Color"}, {"type": "null"}], "default": None},
        },
        "required": ["city"],
        "additionalProperties": False,
        "$defs": {"Color": {"enum": ["red", "blue"], "type": "string"}},
    }


@pytest.mark.spec("server/tools#tool")
def test_a_function_without_parameters_accepts_only_an_empty_object() -> None:
    async def tool() -> None: ...

    assert schema_of(tool) == {"type": "object", "properties": {}, "additionalProperties": False}
    assert parse(tool) == {}
    assert refusal(tool, a=1).problems


def test_no_title_repeats_a_name_but_an_authors_own_stays() -> None:
    async def tool(user_id: int, person: Person, city: Annotated[str, Field(title="The city")]) -> None: ...

    schema = schema_of(tool)
    assert "title" not in schema
    assert "title" not in schema["properties"]["user_id"]
    assert "title" not in schema["$defs"]["Person"]
    assert schema["properties"]["city"]["title"] == "The city"


def test_a_header_annotation_reaches_the_schema() -> None:
    async def tool(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> None: ...

    assert schema_of(tool)["properties"]["region"] == {"type": "string", "x-mcp-header": "Region"}


@pytest.mark.parametrize(
    "name",
    [
        *("schema", "copy", "json", "dict", "validate", "construct", "self_", "class_", "model_config", "model_fields"),
        *(
            "model_dump",
            "model_",
            "fields",
            "parameter_0",
            "root",
            "type",
            "id",
            "_private",
            "__dunder",
            "\u00e9t\u00e9",
        ),
    ],
)
def test_a_parameter_may_have_any_name(name: str) -> None:
    tool = with_parameter(int, name)
    assert schema_of(tool)["properties"] == {name: {"type": "integer"}}
    assert parse(tool, **{name: 5}) == {name: 5}
    assert f"`{name}`" in refusal(tool, **{name: "x"}).problems[0]
    assert refusal(tool).problems == [f"`{name}`: Field required"]


def test_an_alias_in_the_hint_does_not_rename_the_parameter() -> None:
    tool = with_parameter(Annotated[int, Field(alias="other")])
    assert list(schema_of(tool)["properties"]) == ["value"]
    assert parse(tool, value=5) == {"value": 5}


def test_a_default_may_be_a_pydantic_field() -> None:
    async def tool(
        count: int = Field(3, ge=1, description="How many"), name: str = Field(description="Who")
    ) -> None: ...

    schema = schema_of(tool)
    assert schema["properties"]["count"] == {"type": "integer", "default": 3, "minimum": 1, "description": "How many"}
    assert schema["required"] == ["name"]
    assert parse(tool, name="x") == {"count": 3, "name": "x"}


def test_a_mutable_default_is_fresh_for_every_call() -> None:
    arguments = arguments_of(with_parameter(list[int], default=[1]))
    arguments.parse(Raw(b"{}"))["value"].append(2)
    assert arguments.parse(Raw(b"{}")) == {"value": [1]}


def test_arguments_come_in_any_order_and_are_told_apart() -> None:
    async def tool(a: int, b: int, c: int = 3) -> None: ...

    assert arguments_of(tool).parse(Raw(b'{"c":30,"b":20,"a":10}')) == {"a": 10, "b": 20, "c": 30}
    assert arguments_of(tool).parse(Raw(b'{"b":2,"a":1}')) == {"a": 1, "b": 2, "c": 3}


def test_a_parameter_without_a_hint_takes_anything() -> None:
    async def tool(value) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001  # what the test is about

    assert schema_of(tool)["properties"] == {"value": {}}
    assert parse(tool, value=[1, None]) == {"value": [1, None]}


# Problems


def test_every_parameter_that_is_off_is_named() -> None:
    async def tool(a: int, b: str, c: int = 0) -> None: ...

    assert refusal(tool, a="x", c=None, d=1).problems == [
        "`a`: Input should be a valid integer (given: 'x')",
        "`b`: Field required",
        "`c`: Input should be a valid integer (given: None)",
        "`d`: Extra inputs are not permitted (given: 1)",
    ]


def test_no_more_than_five_problems_are_named() -> None:
    async def tool(*, a: int, b: int, c: int, d: int, e: int, f: int) -> None: ...

    assert MAX_REPORTED_ERRORS == 5
    assert [problem[:3] for problem in refusal(tool).problems] == ["`a`", "`b`", "`c`", "`d`", "`e`"]


def test_a_problem_further_in_names_its_path() -> None:
    async def tool(people: list[Person]) -> None: ...

    assert refusal(tool, people=[{"name": "Ada"}, {"name": 5}]).problems[0].startswith("`people.1.name`: ")


def test_what_an_authors_validator_says_is_told() -> None:
    async def tool(person: Person) -> None: ...

    assert "one word, please" in refusal(tool, person={"name": "Ada Lovelace"}).problems[0]
    assert "one word, please" in refusal(tool, person={"name": "Ada Lovelace", "age": 1.0}).problems[0]


@pytest.mark.parametrize(("length", "shown"), [(78, "x" * 78 + "'"), (79, "x" * 79 + "...")])
def test_a_given_value_is_clipped_at_eighty_characters(length: int, shown: str) -> None:
    assert refusal(with_parameter(int), value="x" * length).problems[0].endswith(f"(given: '{shown})")


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"5",
        b"null",
        b'"x"',
        b"",
        b"{",
        b'{"value":1',
        b'{"value":"\\ud800"}',
        b'{"value":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"value":' + NESTED + b"}",
        b'{"value":1e999999}',
        b'{"value":' + b"9" * 5000 + b"}",
    ],
    ids=lambda raw: raw[:20].decode("latin-1"),
)
def test_arguments_that_are_no_object_or_no_json_are_refused(raw: bytes) -> None:
    with pytest.raises(ArgumentsError) as refused:
        arguments_of(with_parameter(int)).parse(Raw(raw))
    assert refused.value.problems
    assert all("\n" not in problem for problem in refused.value.problems)


# Texts, as prompts and templates have them


def test_texts_are_read_as_their_parameters_types() -> None:
    async def prompt(name: str, count: int, ratio: float, *, flag: bool = False, color: Color = Color.RED) -> None: ...

    arguments = arguments_of(prompt)
    texts = {"name": "5", "count": "5", "ratio": "1.5", "flag": "true", "color": "blue"}
    assert arguments.parse_texts(texts) == {
        "name": "5",
        "count": 5,
        "ratio": 1.5,
        "flag": True,
        "color": Color.BLUE,
    }
    assert arguments.parse_texts({"name": "", "count": "-5", "ratio": "0"})["flag"] is False


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        ({}, "`count`: Field required"),
        ({"count": "x"}, "`count`"),
        ({"count": ""}, "`count`"),
        ({"count": "1.5"}, "`count`"),
        ({"count": "1", "other": "2"}, "`other`"),
    ],
)
def test_texts_that_do_not_fit_are_refused_by_name(texts: dict[str, str], named: str) -> None:
    with pytest.raises(ArgumentsError) as refused:
        arguments_of(with_parameter(int, "count")).parse_texts(texts)
    assert refused.value.problems[0].startswith(named)
