"""Plain types without pydantic, held to what pydantic says of them."""

import json
from collections.abc import Callable
from typing import Any, Literal, Optional, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from pydantic import BaseModel

from mcp_runtime.authoring.registration.argument_models import ArgumentModel
from mcp_runtime.authoring.registration.arguments import Arguments
from mcp_runtime.authoring.registration.signatures import read_signature
from mcp_runtime.authoring.returns.results import Output, OutputMismatchError, ToolResult, modelled_output, typed_output
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import ArgumentsError
from mcp_runtime.core.schemas.plain_types import plain_schema
from mcp_runtime.core.schemas.pydantic_types import adapter_of, schema_of
from mcp_runtime.core.schemas.validator import SchemaError
from mcp_runtime.protocol.content import TextContent

LIMITS = Limits()

LEAVES: list[Any] = [str, int, float, bool, list, dict, Literal["a"], Literal["a", "b"]]


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    item = inner | st.just(Any)
    return st.one_of(
        item.map(list.__class_getitem__),
        item.map(lambda one: dict.__class_getitem__((str, one))),
        inner.map(lambda one: Optional[one]),  # noqa: UP045  # both spellings are met
        inner.map(lambda one: Union[None, one]),  # noqa: UP007
    )


HINTS = st.recursive(st.sampled_from(LEAVES), containers, max_leaves=4).filter(
    lambda hint: plain_schema(hint) is not None
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from("ab5"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=5,
)


def one_parameter(hint: Any, default: Any = ...) -> Callable[..., Any]:
    def fn(value: Any) -> None: ...

    fn.__annotations__ = {"value": hint}
    fn.__defaults__ = None if default is ... else (default,)
    return fn


def outcome(parser: Arguments | ArgumentModel, raw: bytes) -> tuple[str, Any]:
    try:
        return "taken", parser.parse(Raw(raw))
    except ArgumentsError as error:
        return "refused", str(error)


@given(HINTS)
def test_a_schema_is_the_one_that_pydantic_gives(hint: Any) -> None:
    assert json.dumps(plain_schema(hint)) == json.dumps(schema_of(adapter_of(hint), mode="validation"))
    assert json.dumps(plain_schema(hint)) == json.dumps(schema_of(adapter_of(hint), mode="serialization"))


@given(HINTS, VALUES)
def test_arguments_are_taken_and_refused_as_pydantic_does(hint: Any, value: Any) -> None:
    signature = read_signature(one_parameter(hint))
    raw = json.dumps({"value": value}).encode()
    # repr tells 5 from 5.0 and from True.
    assert repr(outcome(Arguments(signature, LIMITS), raw)) == repr(outcome(ArgumentModel(signature, LIMITS), raw))


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"value": 1}',
        b'{"value": 1, "value": 2}',
        b'{"value": 5.0}',
        b'{"value": 1e2}',
        b'{"value": 1.5}',
        b'{"value": "5"}',
        b'{"value": true}',
        b'{"value": null}',
        b'{"value": 123456789012345678901234567890}',
        b'{"value": 1e400}',
        b'{"value": 1, "other": 2}',
        b'{"value": ',
        b'{"parameter_0": 1}',
        b"[1]",
        b'{"value": %b}' % (b"[" * 20_000 + b"]" * 20_000),
    ],
)
@pytest.mark.parametrize("hint", [int, float, list[Any], int | None, dict[str, Any]])
def test_every_way_to_write_a_value_ends_as_with_pydantic(hint: Any, raw: bytes) -> None:
    signature = read_signature(one_parameter(hint))
    assert repr(outcome(Arguments(signature, LIMITS), raw)) == repr(outcome(ArgumentModel(signature, LIMITS), raw))


def described(
    city: str,
    schema: int = 3,
    copy: str | None = None,
    precise: float = 0.5,
    *,
    really: bool = False,
    kind: Literal["a", "b"] = "a",
) -> None:
    """Summary.

    Args:
        city: Where.
        copy: What.
    """


def nothing() -> None: ...


@pytest.mark.parametrize("fn", [described, nothing])
def test_a_function_has_the_schema_that_pydantic_gives(fn: Callable[..., Any]) -> None:
    signature = read_signature(fn)
    assert json.dumps(Arguments(signature, LIMITS).schema) == json.dumps(ArgumentModel(signature, LIMITS).schema)


def test_what_is_left_out_has_its_default() -> None:
    parsed = Arguments(read_signature(described), LIMITS).parse(Raw(b'{"city": "Oslo", "schema": 4}'))
    assert parsed == {"city": "Oslo", "schema": 4, "copy": None, "precise": 0.5, "really": False, "kind": "a"}


@pytest.mark.parametrize(
    ("hint", "default"),
    [
        (int, True),
        (int, None),
        (float, 5),
        (float, float("nan")),
        (float, float("inf")),
        (str | None, 1),
        (Literal["a"], "b"),
        (list, []),
        (list[str], "a"),
    ],
)
def test_an_unusual_default_is_left_to_pydantic(hint: Any, default: Any) -> None:
    signature = read_signature(one_parameter(hint, default))
    assert "_model" in vars(Arguments(signature, LIMITS))


@pytest.mark.parametrize(
    "hint",
    [
        Any,
        bytes,
        object,
        int | str,
        int | str | None,
        list[bytes],
        dict[str, bytes],
        dict[int, str],
        Literal[1],
        Literal["a", 1],
        Optional[bytes],  # noqa: UP045
        tuple[int, int],
        set[str],
        None,
    ],
)
def test_other_types_are_left_to_pydantic(hint: Any) -> None:
    assert plain_schema(hint) is None


def test_texts_for_texts_are_taken_as_they_are() -> None:
    def pair(first: str, second: str) -> None: ...

    arguments = Arguments(read_signature(pair), LIMITS)
    assert arguments.parse_texts({"first": "1", "second": "2"}) == {"first": "1", "second": "2"}
    assert "_model" not in vars(arguments)
    for wrong in ({"first": "1"}, {"first": "1", "second": "2", "third": "3"}):
        with pytest.raises(ArgumentsError):
            arguments.parse_texts(wrong)


@given(HINTS, VALUES)
def test_what_a_tool_returns_is_taken_and_refused_as_pydantic_does(hint: Any, value: Any) -> None:
    plain = typed_output("tool", hint, LIMITS)
    assert plain.schema == schema_of(adapter_of(hint), mode="serialization")
    assert repr(written(plain, value)) == repr(written(modelled_output("tool", hint, LIMITS), value))


def written(output: Output, value: Any) -> tuple[str, Any]:
    try:
        structured = output.convert(value).structured_content
    except OutputMismatchError:
        return "refused", None
    assert isinstance(structured, Raw)
    return "taken", json.loads(bytes(structured))


def test_a_result_in_full_is_held_to_the_schema_of_plain_types_too() -> None:
    convert = typed_output("tool", dict[str, int], LIMITS).convert
    result = convert(ToolResult(content=["three"], structured_content={"a": 3}, is_error=False))
    assert (result.content, result.structured_content) == ([TextContent("three")], {"a": 3})
    with pytest.raises(OutputMismatchError):
        convert(ToolResult(structured_content={"a": "three"}))


def test_what_only_pydantic_can_write_is_left_to_it() -> None:
    class Model(BaseModel):
        a: int

    structured = typed_output("tool", dict[str, Any], LIMITS).convert({"model": Model(a=1)}).structured_content
    assert isinstance(structured, Raw)
    assert bytes(structured) == b'{"model":{"a":1}}'


def test_the_bounds_of_schemas_hold_for_plain_types() -> None:
    with pytest.raises(SchemaError, match="max_schema_depth"):
        typed_output("tool", list[list[list[int]]], Limits(max_schema_depth=3))
    assert typed_output("tool", list[list[list[int]]], Limits(max_schema_depth=4)).schema is not None


def test_a_description_takes_the_first_paragraphs() -> None:
    def plain() -> None:
        """One line.

        And another paragraph
        of two lines.
        """

    assert read_signature(plain).summary == "One line.\n\nAnd another paragraph\nof two lines."
