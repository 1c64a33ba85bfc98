"""What costs much to explain is explained from the outside in, with few looks; the rest by the validator itself."""

from typing import Any

import pytest

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.schemas.explanation import MAX_PROBLEM_CHARS, Explanation
from mcp_runtime.core.schemas.reading_cost import size_of, visits_of
from mcp_runtime.core.schemas.validator import MAX_REPORTED_ERRORS, SchemaValidator

LIMITS = Limits()
LONG = "x" * 300_000
"""Beside this, nothing is cheap to explain."""


def explained(schema: dict[str, Any], value: object) -> list[str]:
    validator = SchemaValidator(schema, LIMITS)
    assert not validator.accepts(value)
    problems = validator.problems(value)
    assert 1 <= len(problems) <= MAX_REPORTED_ERRORS
    assert all(len(problem) < 3 * MAX_PROBLEM_CHARS for problem in problems)
    return problems


def tree(**options: Any) -> dict[str, Any]:
    node = {"$ref": "#/$defs/node"}
    member = {"type": "object", "properties": {"child": node}, "required": ["child"]}
    return {"$ref": "#/$defs/node", "$defs": {"node": {"anyOf": [member, {**member, **options}, {"type": "integer"}]}}}


def deep(depth: int, leaf: object) -> Any:
    value = leaf
    for _ in range(depth):
        value = {"child": value}
    return value


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "integer"}, 5.5, '`v`: 5.5 is not of type "integer"'),
        ({"type": ["integer", "null"]}, "x", '`v`: "x" is not of type "integer" or "null"'),
        ({"required": ["a", "b"]}, {"a": 1}, '`v`: "b" is missing'),
        ({"additionalProperties": False}, {"a": 1}, '`v`: "a": no such property'),
        ({"additionalProperties": {"type": "null"}}, {"a": 1}, '`v.a`: 1 is not of type "null"'),
        ({"properties": {"a/b~": {"type": "null"}}}, {"a/b~": []}, '`v.a/b~`: [] is not of type "null"'),
        ({"items": {"type": "null"}}, [None, {}], '`v[1]`: {} is not of type "null"'),
        ({"prefixItems": [True, {"const": 1}], "items": True}, [1, 2], "`v[1]`: 2 does not fit const 1"),
        ({"allOf": [True, {"minimum": 3}]}, 2, "`v`: 2 does not fit minimum 3"),
        ({"anyOf": [{"type": "null"}, {"type": "object", "required": ["a"]}]}, {}, '`v`: "a" is missing'),
        ({"oneOf": [{"type": "null"}, {"type": "array"}]}, 1, "`v`: 1 is none of the alternatives of oneOf"),
        pytest.param({"type": "null"}, 10**5000, "`v`: a very long number is not of type", id="a long number"),
        ({"not": {}}, ["x"], "`v`: an array is not what the schema allows"),
        ({"if": True, "then": False}, {"a": 1}, "`v`: an object is not what the schema allows"),
        ({"$ref": "#/$defs/text"}, 1, '`v`: 1 is not of type "string"'),
        ({"$ref": "#named"}, 1, "`v`: 1 is not what the schema allows"),
    ],
)
def test_a_costly_explanation_names_the_place_and_the_keyword(
    schema: dict[str, Any], value: object, expected: str
) -> None:
    definitions = {"text": {"$anchor": "named", "type": "string"}}
    whole = {"type": "object", "properties": {"v": schema, "long": {"type": "string"}}, "$defs": definitions}
    assert any(problem.startswith(expected) for problem in explained(whole, {"v": value, "long": LONG}))


@pytest.mark.parametrize("depth", [20, 200])
def test_a_schema_that_meets_itself_twice_is_explained_in_few_looks(depth: int) -> None:
    schema = tree(additionalProperties=False)
    value = deep(depth, "no number")
    looks: list[object] = []

    def compiled(pointer: str) -> Any:
        only = SchemaValidator({**schema, "$ref": f"#{pointer}"} if pointer else schema, LIMITS)

        def accepts(inner: object) -> bool:
            looks.append(pointer)
            return only.accepts(inner)

        return accepts

    assert Explanation(schema, compiled, most=MAX_REPORTED_ERRORS).problems(value)
    assert len(looks) < 50
    assert explained(schema, value)


def test_an_explanation_that_takes_long_ends_where_it_has_come_to() -> None:
    schema = {"properties": {"child": {"$ref": "#"}, "numbers": {"items": {"type": "integer"}}}}
    value = deep(400, {"numbers": [1, "x"]})
    only = SchemaValidator(schema, LIMITS)
    looks: list[str] = []

    def compiled(pointer: str) -> Any:
        def accepts(inner: object) -> bool:
            looks.append(pointer)
            return False

        return accepts

    # Each look takes five milliseconds, as it does where there are half a million values below.
    explanation = Explanation(schema, compiled, most=MAX_REPORTED_ERRORS, clock=lambda: len(looks) * 0.005)
    (found,) = explanation.problems(value)
    assert found.startswith("`child.child.child")
    assert found.endswith("an object is not what the schema allows")
    assert len(looks) <= 11
    assert not only.accepts(value)


def test_the_tag_of_an_alternative_leads_to_it() -> None:
    tagged = {
        "discriminator": {"propertyName": "kind", "mapping": {"a": "#/$defs/a", "b": "#/$defs/b"}},
        "oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
        "$defs": {
            name: {"type": "object", "properties": {"kind": {"const": name}, "n": {"type": "integer"}}}
            for name in ("a", "b")
        },
    }
    assert '`n`: "x" is not of type "integer"' in explained(tagged, {"kind": "b", "n": "x", "long": LONG})
    assert visits_of(tagged, {"kind": "b", "n": 1}, 1000) == 4


def test_what_is_wrong_past_the_last_look_is_said_of_the_whole() -> None:
    assert explained({"items": {"type": "integer"}}, [1] * 300_000 + ["x"]) == [
        "an array is not what the schema allows"
    ]


def test_counting_ends_at_its_bound() -> None:
    assert 1000 < visits_of(tree(), deep(200, 1), 1000) <= 1001
    assert 1000 < visits_of({"items": {}}, [1] * 100_000, 1000) <= 1001
    assert visits_of({"$ref": "#"}, 1, 1000) > 1000
    assert size_of([1] * 5000, 1000) > 1000
    assert size_of({"ab": "cde", "f": [1, {}]}, 1000) == 1 + 2 + 3 + 3 + 2


def test_a_reading_is_within_what_takes_little_time_however_much_is_sent() -> None:
    node = tree()
    validator = SchemaValidator({"type": "array", "items": {"$ref": "#/$defs/node"}, "$defs": node["$defs"]}, LIMITS)
    assert validator.is_read_within([deep(2, 1)] * 500, 10)
    assert not validator.is_read_within([deep(2, 1)] * 5000, 10)


@pytest.mark.parametrize(
    "keyword",
    ["patternProperties", "propertyNames", "unevaluatedProperties", "dependentSchemas", "contains", "if", "not"],
)
def test_every_keyword_that_holds_schemas_is_counted(keyword: str) -> None:
    held: Any = {"a": {}} if keyword in ("patternProperties", "dependentSchemas") else {}
    value: Any = [1, 2] if keyword == "contains" else {"a": 1, "b": 2}
    assert visits_of({keyword: held}, value, 1000) > visits_of({}, value, 1000)
