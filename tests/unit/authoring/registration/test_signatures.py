"""A function's signature and docstring are what clients see of it, and one that cannot be described is refused."""

import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from mcp_runtime import Context, SyncContext
from mcp_runtime.authoring.registration.arguments import Arguments
from mcp_runtime.authoring.registration.signatures import read_signature
from tests.support.arguments import LIMITS, parse, schema_of, unserved

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
