"""An argument arrives as its type says, just when it is what the schema says."""

import datetime as dt
import decimal
import enum
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from pydantic import Field
from typing_extensions import TypedDict  # the one that pydantic takes before Python 3.12

from mcp_runtime.core.calls.errors import ArgumentsError
from mcp_runtime.core.schemas.validator import SchemaValidator
from tests.support.arguments import (
    LIMITS,
    Color,
    Person,
    arguments_of,
    parse,
    refusal,
    schema_of,
    with_parameter,
)


class Level(enum.IntEnum):
    LOW = 7


@dataclass
class Point:
    x: int
    y: int = 0


class Place(TypedDict):
    city: str
    country: NotRequired[str]


class Pair(NamedTuple):
    a: int
    b: str


ROUND_TRIPS: list[tuple[Any, Any, Any]] = [
    (int, 5, 5),
    (int, 5.0, 5),
    (int, -0.0, 0),
    (int, 1e3, 1000),
    (int, 10**30, 10**30),
    (float, 1.5, 1.5),
    (float, 1, 1.0),
    (bool, True, True),
    (str, "", ""),
    (str, "5", "5"),
    (None, None, None),
    (Any, {"a": [None]}, {"a": [None]}),
    (int | None, None, None),
    (int | None, 5.0, 5),
    (int | str, "5", "5"),
    (int | str, 5, 5),
    (list[int], [1, 2.0], [1, 2]),
    (set[int], [1, 2], {1, 2}),
    (tuple[int, str], [1, "a"], (1, "a")),
    (tuple[int, ...], [], ()),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (Literal["a", "b"], "b", "b"),
    (Literal[5], 5, 5),
    (Color, "blue", Color.BLUE),
    (Level, 7, Level.LOW),
    (Point, {"x": 1}, Point(1, 0)),
    (Point, {"x": 1.0, "y": 2.0}, Point(1, 2)),
    (Place, {"city": "Rome"}, {"city": "Rome"}),
    (Person, {"name": "Ada", "age": 36}, Person(name="Ada", age=36)),
    (list[Person], [{"name": "Ada"}], [Person(name="Ada")]),
    (Pair, [1, "a"], Pair(1, "a")),
    (dt.date, "2026-07-28", dt.date(2026, 7, 28)),
    (dt.datetime, "2026-07-28T00:00:00Z", dt.datetime(2026, 7, 28, tzinfo=dt.UTC)),
    (dt.timedelta, "PT5S", dt.timedelta(seconds=5)),
    (decimal.Decimal, "1.5", decimal.Decimal("1.5")),
    (uuid.UUID, "12345678-1234-5678-1234-567812345678", uuid.UUID(int=0x12345678123456781234567812345678)),
    (Path, "/a/b", Path("/a/b")),
    (bytes, "caf\u00e9", "caf\u00e9".encode()),
    (Annotated[int, Field(ge=1, le=3)], 3, 3),
    (Annotated[str, Field(pattern="^a+$")], "aa", "aa"),
]


@pytest.mark.parametrize(("hint", "sent", "received"), ROUND_TRIPS, ids=str)
def test_an_argument_arrives_as_its_type_says(hint: Any, sent: Any, received: Any) -> None:
    found = parse(with_parameter(hint), value=sent)["value"]
    assert found == received
    assert type(found) is type(received)


@pytest.mark.spec("server/tools#tool")
@pytest.mark.parametrize(("hint", "sent"), [row[:2] for row in ROUND_TRIPS], ids=str)
def test_what_arrives_fits_the_schema_that_clients_see(hint: Any, sent: Any) -> None:
    validator = SchemaValidator(schema_of(with_parameter(hint)), LIMITS)
    assert validator.problems({"value": sent}) == []


@pytest.mark.parametrize(
    ("hint", "sent"),
    [
        (int, "5"),
        (int, 5.5),
        (int, True),
        (int, None),
        (int, [5]),
        (float, "1.5"),
        (float, True),
        (bool, 1),
        (bool, 0),
        (bool, "true"),
        (bool, "yes"),
        (str, 5),
        (str, True),
        (str, None),
        (str, ["a"]),
        (int | None, "5"),
        (list[int], ["1"]),
        (list[int], [1.5]),
        (list[int], "1"),
        (list[int], {"0": 1}),
        (dict[str, int], {"a": "1"}),
        (dict[str, int], [["a", 1]]),
        (tuple[int, str], [1]),
        (tuple[int, str], [1, "a", 2]),
        (Literal["a", "b"], "c"),
        (Literal["a", "b"], "A"),
        (Literal[1], "1"),
        (Color, "RED"),
        (Color, "green"),
        (Level, "7"),
        (Point, {}),
        (Point, {"x": "1"}),
        (Point, [1]),
        (Place, {}),
        (Place, {"city": 5}),
        (Person, {"name": 5}),
        (Person, {"name": "Ada", "age": "36"}),
        (Person, {"name": "Ada", "age": -1}),
        (dt.date, "28.7.2026"),
        (dt.date, 0),
        (uuid.UUID, "x"),
        (Annotated[int, Field(ge=1, le=3)], 0),
        (Annotated[int, Field(ge=1, le=3)], 4.0),
        (Annotated[str, Field(min_length=1)], ""),
        (Annotated[str, Field(pattern="^a+$")], "b"),
    ],
    ids=str,
)
def test_an_argument_of_another_type_is_refused_by_name(hint: Any, sent: Any) -> None:
    error = refusal(with_parameter(hint, "city"), city=sent)
    assert all(problem.startswith("`city") for problem in error.problems)
    assert str(error).startswith("Invalid arguments: `city")


@given(st.sampled_from([row[0] for row in ROUND_TRIPS if row[0] not in (Person, list[Person])]), st.data())
def test_nothing_arrives_that_the_schema_would_refuse(hint: Any, data: st.DataObject) -> None:
    scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 1.5, "5", "red", "a", "true"])
    value = data.draw(scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.sampled_from("xyab"), scalars))
    arguments = arguments_of(with_parameter(hint))
    try:
        arguments.parse(Raw(json.dumps({"value": value}).encode()))
    except ArgumentsError:
        return
    assert SchemaValidator(arguments.schema, LIMITS).accepts({"value": value})


def test_a_fraction_in_one_argument_loosens_no_other() -> None:
    async def tool(count: int, *, flag: bool, name: str) -> None: ...

    assert parse(tool, count=5.0, flag=True, name="x") == {"count": 5, "flag": True, "name": "x"}
    assert refusal(tool, count=5.0, flag="true", name="x").problems
    assert refusal(tool, count=5.0, flag=1, name="x").problems
    assert refusal(tool, count=5.0, flag=True, name=5).problems
