"""A plan mirrors exactly the annotated parameters, and an annotation that breaks a constraint gets no plan."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_runtime.protocol.header_plans import HeaderPlanError, build_plan
from mcp_runtime.protocol.headers import ParamHeader

SCHEMA_EXTENSION = pytest.mark.spec("basic/transports/streamable-http#schema-extension")
TCHAR = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
PLAIN: dict[str, Any] = {"type": "string"}


def annotated(header: object = "Region", **changes: Any) -> dict[str, Any]:
    return {"type": "string", "x-mcp-header": header, **changes}


def tool(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def refusal(schema: dict[str, Any]) -> str:
    with pytest.raises(HeaderPlanError) as refused:
        build_plan(schema)
    assert "x-mcp-header" in str(refused.value)
    return str(refused.value)


@SCHEMA_EXTENSION
def test_an_annotated_parameter_is_mirrored_in_lower_case() -> None:
    assert build_plan(tool(region=annotated("Region"), query=PLAIN)) == (ParamHeader(b"mcp-param-region", ("region",)),)


@SCHEMA_EXTENSION
def test_a_nested_property_is_mirrored_from_its_exact_path() -> None:
    schema = tool(a=tool(b=tool(c=annotated("C")), d=annotated("D", type="integer")), e=annotated("E", type="boolean"))
    assert build_plan(schema) == (
        ParamHeader(b"mcp-param-c", ("a", "b", "c")),
        ParamHeader(b"mcp-param-d", ("a", "d")),
        ParamHeader(b"mcp-param-e", ("e",)),
    )


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"properties": []},
        {"properties": {"a": True}},
        {"properties": {"a": {"type": "array", "items": {"type": "string"}}}},
        {"properties": {"a": {"enum": [{"x-mcp-header": "A"}]}}},
        {"properties": {"a": {"const": {"x-mcp-header": "A"}}}},
        {"properties": {"a": {"default": {"x-mcp-header": "A"}}}},
        {"properties": {"a": {"examples": [{"x-mcp-header": "A"}]}}},
        {"properties": {"x-mcp-header": {"type": "string"}}},
        {"$defs": {"x-mcp-header": {"type": "string"}}},
        {"patternProperties": {"x-mcp-header": {"type": "string"}}},
        {"dependentRequired": {"x-mcp-header": ["b"]}},
    ],
)
def test_a_tool_without_annotations_has_an_empty_plan(schema: dict[str, Any]) -> None:
    assert build_plan(schema) == ()


def test_properties_named_like_keywords_are_properties() -> None:
    schema = tool(properties=annotated("A"), const=annotated("B"), items=annotated("C"))
    assert [entry.path for entry in build_plan(schema)] == [("properties",), ("const",), ("items",)]


@SCHEMA_EXTENSION
@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        " a",
        "a:",
        "a/b",
        "a\r",
        "a\n",
        "a\r\nb",
        "\0",
        "\x7f",
        "caf\u00e9",
        "(a)",
        "a,b",
        "=?x?=",
        None,
        5,
        [],
    ],
)
def test_a_name_that_is_no_http_token_is_refused(name: object) -> None:
    assert "must be an HTTP token" in refusal(tool(region=annotated(name)))


@SCHEMA_EXTENSION
@pytest.mark.parametrize("header", [*TCHAR, TCHAR])
def test_every_token_character_may_be_in_a_name(header: str) -> None:
    assert build_plan(tool(a=annotated(header)))[0].header == b"mcp-param-" + header.lower().encode()


@SCHEMA_EXTENSION
@pytest.mark.parametrize(
    "kind", ["number", "object", "array", "null", None, ["string"], ["string", "null"], "String", "int"]
)
def test_only_strings_integers_and_booleans_are_mirrored(kind: object) -> None:
    assert "needs type string, integer or boolean" in refusal(tool(a=annotated(type=kind)))


@SCHEMA_EXTENSION
def test_a_parameter_without_a_type_is_not_mirrored() -> None:
    message = refusal(tool(a=tool(b={"x-mcp-header": "B", "anyOf": [{"type": "string"}, {"type": "null"}]})))
    assert "'a.b'" in message


@SCHEMA_EXTENSION
@pytest.mark.parametrize(
    ("keyword", "bound", "fits"),
    [
        ("maximum", 2**53 - 1, True),
        ("minimum", -(2**53) + 1, True),
        ("maximum", 2**53, False),
        ("minimum", -(2**53), False),
        ("maximum", 1e300, False),
        ("maximum", 10.5, True),
        ("exclusiveMaximum", 2**53, True),
        ("exclusiveMinimum", -(2**53), True),
        ("exclusiveMaximum", 2**53 + 1, False),
        ("exclusiveMinimum", -(2**53) - 1, False),
        ("const", 2**53, False),
        ("const", 2**53 - 1, True),
        ("enum", [1, 2**53], False),
        ("enum", [1, 2**53 - 1], True),
    ],
)
def test_integers_stay_where_javascript_can_count(keyword: str, bound: object, *, fits: bool) -> None:
    schema = tool(a=annotated(type="integer", **{keyword: bound}))
    if fits:
        assert len(build_plan(schema)) == 1
    else:
        assert "2^53-1" in refusal(schema)


@SCHEMA_EXTENSION
@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(tool(a=annotated("Region"), b=annotated("Region")), id="the same"),
        pytest.param(tool(a=annotated("Region"), b=annotated("REGION")), id="another case"),
        pytest.param(tool(a=tool(b=annotated("region")), c=annotated("Region")), id="nested"),
    ],
)
def test_a_name_used_twice_is_refused_whatever_its_case(schema: dict[str, Any]) -> None:
    assert "is used twice" in refusal(schema)


@SCHEMA_EXTENSION
@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(annotated() | {"type": "object"}, id="the root"),
        pytest.param(tool(a={"type": "array", "items": annotated()}), id="items"),
        pytest.param(tool(a={"type": "array", "prefixItems": [annotated()]}), id="prefixItems"),
        pytest.param(tool(a={"type": "array", "contains": annotated()}), id="contains"),
        pytest.param(tool(a={"oneOf": [annotated()]}), id="oneOf"),
        pytest.param(tool(a={"anyOf": [PLAIN, annotated()]}), id="anyOf"),
        pytest.param({"type": "object", "allOf": [tool(a=annotated())]}, id="allOf around properties"),
        pytest.param(tool(a={"not": annotated()}), id="not"),
        pytest.param({"if": tool(a=annotated())}, id="if"),
        pytest.param({"then": tool(a=annotated())}, id="then"),
        pytest.param({"else": tool(a=annotated())}, id="else"),
        pytest.param({"$defs": {"a": annotated()}, **tool(a={"$ref": "#/$defs/a"})}, id="$ref"),
        pytest.param({"$defs": {"a": annotated()}}, id="unused $defs"),
        pytest.param({"definitions": {"a": tool(b=annotated())}}, id="definitions"),
        pytest.param({"additionalProperties": annotated()}, id="additionalProperties"),
        pytest.param({"patternProperties": {"^a": annotated()}}, id="patternProperties"),
        pytest.param({"propertyNames": annotated()}, id="propertyNames"),
        pytest.param({"dependentSchemas": {"a": tool(b=annotated())}}, id="dependentSchemas"),
        pytest.param({"unevaluatedProperties": annotated()}, id="unevaluatedProperties"),
        pytest.param(tool(a={"type": "array", "items": tool(b=annotated())}), id="properties below items"),
        pytest.param(tool(a={"x-own": {"deep": [annotated()]}}), id="an unknown keyword"),
    ],
)
def test_an_annotation_off_the_chain_of_properties_is_refused_with_its_place(schema: dict[str, Any]) -> None:
    message = refusal(schema)
    assert "is not reachable through 'properties' alone" in message
    assert " #" in message


def test_the_place_of_a_refused_annotation_reads_like_a_json_pointer() -> None:
    schema = tool(a={"type": "array", "prefixItems": [PLAIN, tool(b=annotated())]})
    assert "#/properties/a/prefixItems/1/properties/b" in refusal(schema)


NAMES = st.sampled_from(["a", "b", "region", "properties", "items", "const", "$defs", "x-mcp-header"])
WRAPPERS = st.sampled_from(["items", "anyOf", "not", "$defs", "additionalProperties", "allOf", "then"])


@st.composite
def schemas(draw: st.DrawFn, depth: int = 0) -> tuple[dict[str, Any], list[tuple[str, ...]], bool]:
    """A schema with the paths that it annotates through properties alone, and whether it annotates anywhere else."""
    properties: dict[str, Any] = {}
    paths: list[tuple[str, ...]] = []
    elsewhere = False
    for name in draw(st.lists(NAMES, unique=True, max_size=3)):
        if depth < 2 and draw(st.booleans()):
            properties[name], below, off = draw(schemas(depth + 1))
            paths += [(name, *path) for path in below]
            elsewhere |= off
        elif draw(st.booleans()):
            properties[name] = annotated(draw(st.uuids()).hex, type=draw(st.sampled_from(["string", "integer"])))
            paths.append((name,))
        else:
            properties[name] = dict(PLAIN)
    schema = tool(**properties)
    if depth < 2 and draw(st.integers(0, 3)) == 0:
        wrapped, below, off = draw(schemas(depth + 1))
        wrapper = draw(WRAPPERS)
        schema[wrapper] = (
            {"d": wrapped} if wrapper == "$defs" else [wrapped] if wrapper in ("anyOf", "allOf") else wrapped
        )
        elsewhere |= bool(below) or off
    return schema, paths, elsewhere


@SCHEMA_EXTENSION
@given(schemas())
def test_a_plan_is_the_annotated_properties_or_a_refusal(
    made: tuple[dict[str, Any], list[tuple[str, ...]], bool],
) -> None:
    schema, paths, elsewhere = made
    before = copy.deepcopy(schema)
    if elsewhere:
        refusal(schema)
    else:
        plan = build_plan(schema)
        assert [entry.path for entry in plan] == paths
        assert len({entry.header for entry in plan}) == len(paths)
    assert schema == before


SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["properties", "items", "anyOf", "x-mcp-header", "type", "enum", "$defs", "a", "minimum"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["properties", "$defs", "x-mcp-header", "type", "if"]), SOME_JSON, max_size=4))
def test_any_json_for_a_schema_is_planned_or_refused(schema: dict[str, Any]) -> None:
    try:
        plan = build_plan(schema)
    except HeaderPlanError:
        assert "x-mcp-header" in json.dumps(schema)
    else:
        assert all(entry.header.startswith(b"mcp-param-") for entry in plan)
