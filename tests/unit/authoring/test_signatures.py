"""A function's type hints are what clients see, and arguments reach it just when they are what the schema says."""

import datetime as dt
import decimal
import enum
import inspect
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from pydantic import BaseModel, Field, field_validator
from typing_extensions import TypedDict  # the one that pydantic takes before Python 3.12

from mcp_runtime import Context, SyncContext
from mcp_runtime.authoring.registration.arguments import Arguments
from mcp_runtime.authoring.registration.signatures import read_signature
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import ArgumentsError, PluginError
from mcp_runtime.core.schemas.validator import MAX_REPORTED_ERRORS, SchemaValidator

LIMITS = Limits()
NESTED = b"[" * 20_000 + b"]" * 20_000


def arguments_of(fn: Callable[..., Any]) -> Arguments:
    return Arguments(read_signature(fn), LIMITS)


def schema_of(fn: Callable[..., Any]) -> dict[str, Any]:
    return arguments_of(fn).schema


def parse(fn: Callable[..., Any], **values: Any) -> dict[str, Any]:
    return arguments_of(fn).parse(Raw(json.dumps(values).encode()))


def refusal(fn: Callable[..., Any], **values: Any) -> ArgumentsError:
    with pytest.raises(ArgumentsError) as refused:
        parse(fn, **values)
    return refused.value


def unserved(fn: Callable[..., Any]) -> str:
    with pytest.raises(PluginError) as refused:
        arguments_of(fn)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# Types


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 7


@dataclass
class Point:
    x: int
    y: int = 0


class Place(TypedDict):
    city: str
    country: NotRequired[str]


class Person(BaseModel):
    name: str
    age: Annotated[int, Field(ge=0)] = 0

    @field_validator("name")
    @classmethod
    def _no_blanks(cls, name: str) -> str:
        if " " in name:
            raise ValueError("one word, please")
        return name


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


def with_parameter(hint: Any, name: str = "value", default: Any = ...) -> Callable[..., Any]:
    """A function of one parameter with this hint."""
    if default is ...:
        namespace: dict[str, Any] = {"hint": hint}
        exec(f"async def tool({name}: hint): ...", namespace)
    else:
        namespace = {"hint": hint, "default": default}
        exec(f"async def tool({name}: hint = default): ...", namespace)
    made: Callable[..., Any] = namespace["tool"]
    return made


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


# Schemas


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


# Docstrings

GOOGLE = """Forecast for a city.

    It is always sunny.

    Args:
        city: Where to look.
        days (int): How far to look,
            in days.

    Returns:
        A forecast.
    """
NUMPY = """Forecast for a city.

    It is always sunny.

    Parameters
    ----------
    city : str
        Where to look.
    days : int
        How far to look,
        in days.

    Returns
    -------
    str
        A forecast.
    """
REST = """Forecast for a city.

    It is always sunny.

    :param city: Where to look.
    :param int days: How far to look,
        in days.
    :returns: A forecast.
    """


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_a_docstring_describes_the_function_and_its_parameters(docstring: str) -> None:
    async def tool(city: str, days: int = 3) -> None: ...

    tool.__doc__ = docstring
    signature = read_signature(tool)
    assert signature.summary == "Forecast for a city.\n\nIt is always sunny."
    described = Arguments(signature, LIMITS).schema["properties"]
    assert described["city"]["description"] == "Where to look."
    assert described["days"]["description"].split() == ["How", "far", "to", "look,", "in", "days."]
    assert "description" not in Arguments(signature, LIMITS).schema


def test_a_field_description_wins_over_the_docstring() -> None:
    async def tool(city: Annotated[str, Field(description="From the field")]) -> None:
        """Do it.

        Args:
            city: From the docstring.
        """

    assert schema_of(tool)["properties"]["city"]["description"] == "From the field"


def test_a_function_without_a_docstring_has_no_description() -> None:
    async def tool(city: str) -> None: ...

    assert read_signature(tool).summary is None
    assert read_signature(tool).parameter_docs == {}


PIECES = [
    "Args:\n",
    "    x: doc\n",
    "Parameters\n----------\n",
    "x : int\n",
    ":param x: doc",
    ":param",
    ":",
    "::",
    "@",
    " ",
]


@given(st.lists(st.sampled_from([*PIECES, ":raises:", "Raises:\n", "Yields:\n", ">>> x", "\n", "---"]), max_size=6))
def test_any_docstring_is_read(pieces: list[str]) -> None:
    async def tool(x: int) -> None: ...

    tool.__doc__ = "".join(pieces)
    read_signature(tool)


def test_a_docstring_that_trips_up_the_parser_is_no_reason_not_to_serve_the_function() -> None:
    async def tool(x: int) -> None:
        """Do it.

        : :
        """

    assert read_signature(tool).parameters.keys() == {"x"}


# Functions


def test_any_callable_has_a_signature() -> None:
    class Greeter:
        def method(self, name: str) -> str:
            """Greet."""
            return name

        @classmethod
        def class_method(cls, name: str) -> str:
            return name

        @staticmethod
        def static_method(name: str) -> str:
            return name

        async def __call__(self, name: str) -> str:
            """Greet."""
            return name

    greeter = Greeter()
    plain: list[Callable[..., Any]] = [
        greeter.method,
        Greeter.class_method,
        Greeter.static_method,
        partial(greeter.method),
    ]
    assert all(list(read_signature(fn).parameters) == ["name"] for fn in plain)
    assert not any(read_signature(fn).is_async for fn in plain)
    assert read_signature(greeter).is_async
    assert read_signature(greeter).summary == "Greet."
    assert (read_signature(greeter).returns, list(read_signature(greeter).parameters)) == (str, ["name"])
    assert parse(partial(greeter.method), name="x") == {"name": "x"}


def test_a_bound_argument_of_a_partial_is_no_parameter() -> None:
    async def tool(a: int, b: int, c: int = 3) -> None: ...

    assert list(read_signature(partial(tool, 1)).parameters) == ["b", "c"]
    assert read_signature(partial(tool, 1)).is_async
    assert schema_of(partial(tool, 1, c=5))["properties"]["c"] == {"type": "integer", "default": 5}


def test_a_decorated_function_keeps_its_signature() -> None:
    def logged(fn: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(fn)
        async def inner(*args: Any, **kwargs: Any) -> Any:
            return await fn(*args, **kwargs)

        return inner

    @logged
    async def tool(a: int) -> str:
        """Do it."""
        return str(a)

    signature = read_signature(tool)
    assert (list(signature.parameters), signature.returns, signature.summary) == (["a"], str, "Do it.")


class Holder:
    """Functions of every kind that are methods."""

    def method(self, a: int, b: int = 1) -> None: ...

    @classmethod
    def of_the_class(cls, a: int) -> None: ...

    @staticmethod
    def of_nothing(a: int) -> None: ...

    def __call__(self, a: int) -> None: ...


def wrapped(fn: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(fn)
    def inner(**kwargs: Any) -> Any:
        return fn(**kwargs)

    return inner


def described(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function that was told its signature."""

    def inner(**kwargs: Any) -> Any:
        return fn(**kwargs)

    inner.__signature__ = inspect.signature(fn)  # type: ignore[attr-defined]
    return inner


def named_only(*, a: int) -> None: ...


@pytest.mark.parametrize(
    ("fn", "is_positional"),
    [
        (Holder.of_nothing, True),
        (Holder.of_the_class, True),
        (Holder().method, True),
        (Holder(), False),
        (partial(Holder.of_nothing), False),
        (wrapped(Holder.of_nothing), False),
        (described(Holder.of_nothing), False),
        (named_only, False),
    ],
)
def test_only_who_surely_takes_values_in_their_order_gets_them_so(
    fn: Callable[..., Any], *, is_positional: bool
) -> None:
    signature = read_signature(fn)
    assert signature.is_positional is is_positional
    assert next(iter(signature.parameters)) == "a"


@pytest.mark.parametrize("is_async", [True, False])
def test_the_context_is_found_by_its_type_and_is_no_parameter(*, is_async: bool) -> None:
    async def asynchronous(a: int, anything: Context, b: int = 1) -> None: ...

    def plain(a: int, anything: SyncContext, b: int = 1) -> None: ...

    signature = read_signature(asynchronous if is_async else plain)
    assert (signature.context_parameter, list(signature.parameters)) == ("anything", ["a", "b"])
    assert signature.is_async is is_async


def test_a_function_may_do_without_a_context() -> None:
    async def tool() -> None: ...

    assert read_signature(tool).context_parameter is None
    assert read_signature(lambda: None).returns is read_signature(lambda: None).returns


class NoModel:
    """Of a type that pydantic knows nothing about."""


def two_contexts(a: SyncContext, b: SyncContext) -> None: ...


async def wrong_context(ctx: SyncContext) -> None: ...


def wrong_sync_context(ctx: Context) -> None: ...


def any_arguments(*values: int) -> None: ...


def any_keywords(**values: int) -> None: ...


def positional(value: int, /) -> None: ...


def no_model(value: NoModel) -> None: ...


def no_json(value: Callable[[], int]) -> None: ...


def nested_no_model(value: list[dict[str, NoModel]]) -> None: ...


def bad_pattern(value: Annotated[str, Field(pattern="(")]) -> None: ...


def hinted(hint: str) -> Callable[..., Any]:
    def tool(value: int) -> None: ...

    tool.__annotations__["value"] = hint
    return tool


@pytest.mark.parametrize(
    ("fn", "named"),
    [
        (two_contexts, "two_contexts: only one parameter can be the context, not a and b"),
        (wrong_context, "wrong_context: an async function takes Context"),
        (wrong_sync_context, "wrong_sync_context: a plain function takes SyncContext"),
        (any_arguments, "any_arguments: parameter *values: int has no name"),
        (any_keywords, "any_keywords: parameter **values: int has no name"),
        (positional, "positional: parameter value: int has no name"),
        (no_model, "no_model: "),
        (no_json, "no_json: "),
        (nested_no_model, "nested_no_model: "),
        (bad_pattern, "bad_pattern: "),
        (hinted("Nowhere"), "tool: its type hints cannot be resolved: name 'Nowhere' is not defined"),
        (hinted("json.Nowhere"), "tool: its type hints cannot be resolved: "),
        (hinted("list["), "tool: its type hints cannot be resolved: "),
        (hinted("5 + 'x'"), "tool: its type hints cannot be resolved: "),
        (int, "int: "),
        (print, "print: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_function_that_cannot_be_described_is_refused_by_name(fn: Callable[..., Any], named: str) -> None:
    assert unserved(fn).startswith(named)


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
