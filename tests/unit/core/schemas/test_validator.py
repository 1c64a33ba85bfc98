"""A schema validates in 2020-12, within bounds and within itself, or it is refused with the reason."""

import socket
import threading
from collections.abc import Callable, Generator
from functools import reduce
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.schemas.validator import MAX_REPORTED_ERRORS, SchemaError, SchemaValidator

LIMITS = Limits()
DIALECT = pytest.mark.spec("basic#implementation-requirements")
DRAFT_2020_12 = "https://json-schema.org/draft/2020-12/schema"


def refusal(schema: dict[str, Any], limits: Limits = LIMITS) -> str:
    with pytest.raises(SchemaError) as refused:
        SchemaValidator(schema, limits)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def wrapped(value: Any, times: int, wrap: Callable[[Any], Any]) -> Any:
    return reduce(lambda inner, _: wrap(inner), range(times), value)


def nested(depth: int) -> dict[str, Any]:
    """A schema of `depth` objects one in another."""
    return dict(wrapped({}, depth - 1, lambda inner: {"not": inner}))


@DIALECT
@pytest.mark.parametrize("schema", [{}, {"$schema": DRAFT_2020_12}, {"$schema": DRAFT_2020_12 + "#"}])
def test_2020_12_is_the_dialect_with_and_without_saying_so(schema: dict[str, Any]) -> None:
    validator = SchemaValidator({**schema, "prefixItems": [{"type": "string"}], "items": False}, LIMITS)
    assert validator.accepts(["a"])
    assert not validator.accepts(["a", "b"])


@DIALECT
@pytest.mark.parametrize(
    "dialect",
    [
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-07/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft/2020-12/schema",
        "https://example.com/mine",
        "",
        5,
        [],
        {},
    ],
)
def test_another_dialect_is_refused_by_name(dialect: object) -> None:
    message = refusal({"$schema": dialect, "type": "object"})
    assert repr(dialect) in message
    assert "2020-12" in message


@DIALECT
def test_another_dialect_further_in_is_refused_too() -> None:
    schema = {"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}}
    assert "draft-07" in refusal(schema)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"properties": {"$schema": {"type": "string"}}}, id="a property"),
        pytest.param({"$defs": {"$schema": {"type": "string"}}}, id="a definition"),
        pytest.param({"const": {"$schema": "https://example.com"}}, id="in const"),
        pytest.param({"enum": [{"$schema": "https://example.com"}]}, id="in enum"),
        pytest.param({"default": {"$schema": "https://example.com"}}, id="in default"),
        pytest.param({"examples": [{"$schema": "https://example.com"}]}, id="in examples"),
    ],
)
def test_something_else_that_is_called_schema_is_no_dialect(schema: dict[str, Any]) -> None:
    SchemaValidator({"type": "object", **schema}, LIMITS)


@pytest.mark.spec("basic#schema-validation")
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nope"},
        {"type": 5},
        {"pattern": "("},
        {"minLength": -1},
        {"minimum": "1"},
        {"required": "a"},
        {"properties": []},
        {"properties": {"a": 5}},
        {"anyOf": []},
        {"items": [{}]},
        {"$ref": 5},
    ],
)
def test_an_invalid_schema_is_refused(schema: dict[str, Any]) -> None:
    assert refusal(schema)


class Listener:
    """Counts who connects."""

    def __init__(self) -> None:
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                if connection.recv(1) == b"":
                    return  # `stop` sends nothing; whoever fetches a schema asks for it.
                self.connections += 1

    def stop(self) -> None:
        if self._thread.is_alive():
            socket.create_connection(("127.0.0.1", self.port)).close()
            self._thread.join()
        self._socket.close()


@pytest.fixture
def listener() -> Generator[Listener]:
    made = Listener()
    yield made
    made.stop()


@pytest.mark.spec("basic#ref-resolution")
@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
def test_a_reference_to_the_network_is_refused_and_never_fetched(listener: Listener, keyword: str) -> None:
    url = f"http://127.0.0.1:{listener.port}/schema"
    assert url in refusal({"properties": {"a": {keyword: url}}})
    assert url in refusal({"anyOf": [{}, {keyword: url + "#/$defs/x"}]})
    listener.stop()
    assert listener.connections == 0


@pytest.mark.spec("basic#ref-resolution")
@pytest.mark.parametrize(
    "reference",
    ["file:///etc/hostname", "https://example.com/x.json", "other.json", "#/$defs/none", "#none", "urn:uuid:1234"],
)
def test_a_reference_that_does_not_resolve_within_the_schema_is_refused(reference: str) -> None:
    assert refusal({"type": "object", "properties": {"a": {"$ref": reference}}})


def test_references_within_the_schema_resolve() -> None:
    schema = {
        "$id": "https://example.com/root",
        "$defs": {"a": {"$anchor": "named", "type": "integer"}, "b": {"$id": "inner", "type": "string"}},
        "properties": {"x": {"$ref": "#/$defs/a"}, "y": {"$ref": "#named"}, "z": {"$ref": "inner"}},
    }
    validator = SchemaValidator(schema, LIMITS)
    assert validator.accepts({"x": 1, "y": 1, "z": "s"})
    assert not any(validator.accepts(wrong) for wrong in ({"x": "s"}, {"y": "s"}, {"z": 1}))


def test_a_schema_may_be_recursive() -> None:
    validator = SchemaValidator({"type": "object", "additionalProperties": {"$ref": "#"}}, LIMITS)
    assert validator.accepts({"a": {"b": {"c": {}}}})
    assert validator.problems({"a": {"b": {"c": 5}}}) == ['`a.b.c`: 5 is not of type "object"']


@pytest.mark.parametrize(
    "schema", [{"$ref": "#"}, {"allOf": [{"$ref": "#"}]}, {"$dynamicAnchor": "a", "$dynamicRef": "#a"}]
)
def test_a_schema_that_is_nothing_but_itself_ends(schema: dict[str, Any]) -> None:
    assert SchemaValidator({"type": "object", **schema}, LIMITS).accepts({})


def test_a_value_as_deep_as_any_message_is_judged_by_a_recursive_schema() -> None:
    validator = SchemaValidator({"type": ["array", "integer"], "items": {"$ref": "#"}}, LIMITS)
    assert validator.accepts(wrapped(1, 1000, lambda inner: [inner]))
    assert len(validator.problems(wrapped("x", 1000, lambda inner: [inner]))) == 1


def test_schemas_that_refer_to_each_other_validate() -> None:
    schema = {
        "$ref": "#/$defs/even",
        "$defs": {
            "even": {"type": "object", "properties": {"next": {"$ref": "#/$defs/odd"}}},
            "odd": {"type": "object", "properties": {"next": {"$ref": "#/$defs/even"}}, "required": ["next"]},
        },
    }
    validator = SchemaValidator(schema, LIMITS)
    assert validator.accepts({"next": {"next": {}}})
    assert not validator.accepts({"next": {}})


@pytest.mark.spec("basic#composition-keyword-resource-use")
@pytest.mark.parametrize("limit", [1, 5, 64])
def test_depth_is_bounded_at_its_exact_edge(limit: int) -> None:
    limits = Limits(max_schema_depth=limit)
    SchemaValidator(nested(limit), limits)
    assert f"limits.max_schema_depth = {limit}" in refusal(nested(limit + 1), limits)


@pytest.mark.spec("basic#composition-keyword-resource-use")
@pytest.mark.parametrize("limit", [1, 5, 100])
def test_the_number_of_subschemas_is_bounded_at_its_exact_edge(limit: int) -> None:
    limits = Limits(max_subschemas=limit)
    SchemaValidator({"allOf": [{}] * (limit - 1)} if limit > 1 else {}, limits)
    assert f"limits.max_subschemas = {limit}" in refusal({"allOf": [{}] * limit}, limits)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(nested(100_000), id="objects"),
        pytest.param({"examples": [wrapped(1, 100_000, lambda inner: [inner])]}, id="lists"),
        pytest.param({"x": wrapped(1, 50_000, lambda inner: [{"a": inner}])}, id="both"),
        pytest.param({"allOf": [{}] * 100_000}, id="a hundred thousand branches"),
    ],
)
def test_a_schema_past_any_bound_is_refused_and_no_crash(schema: dict[str, Any]) -> None:
    assert refusal(schema)


@pytest.mark.parametrize(
    ("schema", "value", "fits"),
    [
        ({"type": "integer"}, 5, True),
        ({"type": "integer"}, 5.0, True),
        ({"type": "integer"}, 5.5, False),
        ({"type": "integer"}, "5", False),
        ({"type": "integer"}, True, False),
        ({"type": "integer"}, 10**40, True),
        ({"type": "integer", "maximum": 10}, 10**40, False),
        ({"type": "number"}, 1, True),
        ({"type": "boolean"}, 1, False),
        ({"type": "null"}, None, True),
        ({"type": "string", "maxLength": 1}, "\U0001f600", True),
        ({"const": 1}, 1.0, True),
        ({"const": 1}, True, False),
        ({"enum": [None]}, None, True),
        ({"uniqueItems": True}, [1, 1.0], False),
        ({"unevaluatedProperties": False, "allOf": [{"properties": {"a": True}}]}, {"a": 1}, True),
        ({"unevaluatedProperties": False, "allOf": [{"properties": {"a": True}}]}, {"b": 1}, False),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, False),
        ({"type": "string", "pattern": "^a+$"}, "aaa", True),
        ({"type": "string", "pattern": "^a+$"}, "ab", False),
    ],
)
def test_values_are_judged_as_2020_12_judges_them(schema: dict[str, Any], value: object, *, fits: bool) -> None:
    validator = SchemaValidator(schema, LIMITS)
    assert validator.accepts(value) is fits
    assert (validator.problems(value) == []) is fits


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": {"b": [1, "x"]}}, "`a.b[1]`: "),
        ({"a": {"b": 5}}, "`a.b`: "),
        ({"a": 5}, "`a`: "),
        (5, "5 is not"),
    ],
)
def test_a_problem_names_its_place(value: object, place: str) -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "object", "properties": {"b": {"type": "array", "items": {"type": "integer"}}}},
        },
    }
    (problem,) = SchemaValidator(schema, LIMITS).problems(value)
    assert problem.startswith(place)


@pytest.mark.parametrize("wrong", [1, 4, 5, 6, 1000])
def test_problems_are_named_up_to_five(wrong: int) -> None:
    assert MAX_REPORTED_ERRORS == 5
    problems = SchemaValidator({"items": {"type": "string"}}, LIMITS).problems(list(range(wrong)))
    assert problems == [f'`{number}`: {number} is not of type "string"' for number in range(min(wrong, 5))]


def test_a_validator_may_be_used_from_any_thread() -> None:
    validator = SchemaValidator({"type": "integer"}, LIMITS)
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(validator.accepts(5))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYWORDS = st.sampled_from(
    ["type", "$ref", "$schema", "properties", "items", "anyOf", "pattern", "$defs", "$id", "const"]
)


@settings(max_examples=40)
@given(st.dictionaries(KEYWORDS, JSON_VALUES, max_size=4), JSON_VALUES)
def test_any_json_for_a_schema_is_compiled_or_refused(schema: dict[str, Any], value: object) -> None:
    try:
        validator = SchemaValidator(schema, LIMITS)
    except SchemaError as error:
        refused = str(error)
    else:
        assert validator.accepts(value) == (not validator.problems(value))
        return
    assert refused
