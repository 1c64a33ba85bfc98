"""The translation to older revisions: decided row by row, and nothing but the rows changes a message."""

from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridges.revisions import translation
from mcp_bridges.revisions.losses import drop
from mcp_bridges.revisions.table import ROWS, Row
from mcp_bridges.revisions.translation import LEGACY, result_for
from mcp_runtime.protocol.json_types import is_array, is_object
from mcp_runtime.protocol.meta import SERVER_INFO_KEY, SUBSCRIPTION_ID_KEY, ClientCapabilities
from tests.bridges.revisions import modern_messages as modern
from tests.bridges.revisions.revision_schemas import schema_of

NOVEMBER_25, JUNE, MARCH, NOVEMBER_24 = LEGACY
MODERN = "2026-07-28"
each_revision = pytest.mark.parametrize("revision", LEGACY)


def since(first: str) -> tuple[tuple[str, bool], ...]:
    """Each legacy revision, and whether it has what came with `first`."""
    return tuple((revision, revision >= first) for revision in LEGACY)


def called(revision: str, *content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return result_for("tools/call", {"resultType": "complete", "content": list(content), **fields}, revision)


# Negotiation


@each_revision
def test_a_revision_that_is_served_is_agreed_on(revision: str) -> None:
    assert translation.negotiate(revision) == revision


@pytest.mark.parametrize("requested", [MODERN, "2024-10-07", "1.0", "", "2099-01-01"])
def test_any_other_version_is_answered_with_the_newest_legacy_one(requested: str) -> None:
    assert translation.negotiate(requested) == "2025-11-25"


def test_revisions_are_ordered_by_date() -> None:
    assert list(LEGACY) == sorted(LEGACY, reverse=True)
    assert translation.at_least("2025-06-18", "2025-06-18")
    assert translation.at_least("2025-11-25", "2025-06-18")
    assert not translation.at_least("2025-03-26", "2025-06-18")


# The table against the schemas


def fields_of(kind: str, revision: str) -> set[str] | None:
    """The fields that a revision's schema names for a type; None where it has no such type."""
    definition = schema_of(revision).types.get(kind)
    return None if definition is None or "properties" not in definition else set(definition["properties"])


@each_revision
def test_the_table_names_each_field_that_the_schema_of_a_revision_lacks(revision: str) -> None:
    lost: dict[str, set[str]] = {}
    lacks: dict[str, set[str]] = {}
    for kind in {kind for row in ROWS for kind in row.where} - {"Result"}:  # It stands for results of every kind.
        newest, own = fields_of(kind, MODERN), fields_of(kind, revision)
        # Types that one of them does not name are validated in whole messages, in test_revision_schemas.py.
        if newest is not None and own is not None:
            lost[kind] = {row.field for row in ROWS if kind in row.where and row.since > revision and row.when is None}
            lacks[kind] = newest - own
    assert lost == lacks
    assert {"Tool", "Prompt", "Resource", "TextContent", "CallToolResult"} < set(lost)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.where[0]}.{row.field}")
def test_a_row_names_a_revision_and_where_that_is_said(row: Row) -> None:
    assert row.since in (MODERN, *LEGACY[:-1])
    assert row.source.split("/")[0] in {row.since, JUNE}


# Results of every kind


@pytest.mark.parametrize("method", [*modern.METHODS, "future/method"])
@each_revision
def test_every_result_loses_what_only_2026_07_28_has(method: str, revision: str) -> None:
    result = {"resultType": "complete", "ttlMs": 1, "cacheScope": "public", "_meta": {SERVER_INFO_KEY: {}}, "kept": 1}
    if method in {"tools/call", "prompts/get", "completion/complete"}:
        del result["ttlMs"], result["cacheScope"]
    assert result_for(method, result, revision) == {"kept": 1}


@each_revision
def test_a_meta_keeps_what_others_put_there(revision: str) -> None:
    meta = {SERVER_INFO_KEY: {}, SUBSCRIPTION_ID_KEY: 1, "example.com/mine": 2}
    assert result_for("tools/list", {"tools": [], "_meta": meta}, revision)["_meta"] == {"example.com/mine": 2}


@each_revision
def test_a_meta_that_was_empty_before_stays(revision: str) -> None:
    assert result_for("tools/list", {"tools": [], "_meta": {}}, revision) == {"tools": [], "_meta": {}}


def test_what_needs_no_change_is_not_copied() -> None:
    result = {"content": [modern.TEXT, modern.LINK, modern.AUDIO], "structuredContent": {"a": 1}}
    assert result_for("tools/call", result, NOVEMBER_25) is result
    translated = result_for("tools/call", {"resultType": "complete", **result}, NOVEMBER_25)
    assert translated["content"] is result["content"]


# What is listed


@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("tools/list", "tools"),
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ],
)
@pytest.mark.parametrize(("lost", "first"), [("title", JUNE), ("icons", NOVEMBER_25), ("_meta", JUNE)])
def test_titles_icons_and_metadata_are_listed_since(method: str, field: str, lost: str, first: str) -> None:
    for revision, is_known in since(first):
        item = result_for(method, modern.result_of(method), revision)[field][0]
        assert (lost in item) is is_known
        assert "name" in item
        assert "description" in item


@pytest.mark.parametrize(
    ("field", "first"), [("annotations", MARCH), ("outputSchema", JUNE), ("inputSchema", NOVEMBER_24)]
)
def test_a_tool_has_since(field: str, first: str) -> None:
    for revision, is_known in since(first):
        assert (field in result_for("tools/list", modern.result_of("tools/list"), revision)["tools"][0]) is is_known


def test_a_prompts_arguments_have_titles_since_2025_06_18() -> None:
    for revision, is_known in since(JUNE):
        prompt = result_for("prompts/list", modern.result_of("prompts/list"), revision)["prompts"][0]
        assert ("title" in prompt["arguments"][0]) is is_known


def test_annotations_say_when_something_was_modified_since_2025_06_18() -> None:
    for revision, is_known in since(JUNE):
        resource = result_for("resources/list", modern.result_of("resources/list"), revision)["resources"][0]
        assert ("lastModified" in resource["annotations"]) is is_known
        assert resource["annotations"]["priority"] == 0.5


@each_revision
@pytest.mark.parametrize("schema", [{"type": "array"}, {"$ref": "#/$defs/a"}, {}, True])
def test_an_output_schema_that_promises_no_object_is_left_out(schema: object, revision: str) -> None:
    tool = {"name": "a", "inputSchema": {"type": "object"}, "outputSchema": schema}
    translated = result_for("tools/list", {"tools": [tool]}, revision)
    assert translated == {"tools": [{"name": "a", "inputSchema": {"type": "object"}}]}


def test_schemas_name_their_dialect_since_2025_11_25() -> None:
    for revision, is_known in since(NOVEMBER_25):
        tool = result_for("tools/list", modern.result_of("tools/list"), revision)["tools"][0]
        assert ("$schema" in tool["inputSchema"]) is is_known
        assert "$defs" in tool["inputSchema"]


@each_revision
def test_boolean_schemas_become_the_objects_that_mean_the_same(revision: str) -> None:
    tool = result_for("tools/list", modern.result_of("tools/list"), revision)["tools"][0]
    properties = tool["inputSchema"]["properties"]
    assert properties == {"a": {"$ref": "#/$defs/n"}, "anything": {}, "nothing": {"not": {}}}
    assert tool["inputSchema"]["additionalProperties"] is False


# Content


@each_revision
def test_plain_text_is_what_it_was(revision: str) -> None:
    assert called(revision, {"type": "text", "text": "x"}) == {"content": [{"type": "text", "text": "x"}]}


def test_structured_content_exists_since_2025_06_18_and_is_a_text_before() -> None:
    for revision, is_known in since(JUNE):
        result = called(revision, structuredContent={"a": 1})
        text = {"type": "text", "text": '{"a":1}'}
        assert result == ({"content": [], "structuredContent": {"a": 1}} if is_known else {"content": [text]})


@pytest.mark.parametrize("value", [None, False, 0, 2**70, 1.5, "x", [], [{"a": 1}]])
@each_revision
def test_structured_content_that_is_no_object_is_a_text_in_every_revision(value: object, revision: str) -> None:
    result = called(revision, modern.IMAGE, structuredContent=value)
    assert "structuredContent" not in result
    assert msgspec.json.decode(result["content"][-1]["text"]) == value


@pytest.mark.parametrize("text", ["[1,2]", "[1, 2]", "[\n  1,\n  2\n]"])
@each_revision
def test_a_text_that_says_the_same_as_structured_content_is_not_said_twice(text: str, revision: str) -> None:
    block = {"type": "text", "text": text}
    assert called(revision, block, structuredContent=[1, 2])["content"] == [block]


@pytest.mark.parametrize("text", ["two numbers", "", "[1]", "[1,2", "[" * 100_000])
@each_revision
def test_another_text_is_kept_beside_it(text: str, revision: str) -> None:
    block = {"type": "text", "text": text}
    assert called(revision, block, structuredContent=[1, 2])["content"] == [block, {"type": "text", "text": "[1,2]"}]


@each_revision
def test_structured_content_of_a_result_without_content_is_its_content(revision: str) -> None:
    assert result_for("tools/call", {"structuredContent": 1}, revision) == {"content": [{"type": "text", "text": "1"}]}


def test_a_resource_link_is_a_text_before_2025_06_18() -> None:
    for revision, is_known in since(JUNE):
        (block,) = called(revision, modern.LINK)["content"]
        if is_known:
            assert block["type"] == "resource_link"
        else:
            assert block == {
                "type": "text",
                "text": "The letter A: file:///a.txt\nFirst of many.",
                "annotations": {"audience": ["user"], "priority": 0.5},
            }


def test_a_resource_link_has_icons_since_2025_11_25() -> None:
    for revision in (NOVEMBER_25, JUNE):
        (block,) = called(revision, modern.LINK)["content"]
        assert ("icons" in block) is (revision == NOVEMBER_25)
        assert block["title"] == "The letter A"


def test_a_plain_resource_link_says_its_name_and_uri() -> None:
    link = {"type": "resource_link", "name": "a", "uri": "file:///a.txt"}
    assert called(MARCH, link)["content"] == [{"type": "text", "text": "a: file:///a.txt"}]


def test_audio_is_an_embedded_resource_before_2025_03_26() -> None:
    for revision, is_known in since(MARCH):
        (block,) = called(revision, modern.AUDIO)["content"]
        if is_known:
            assert block["data"] == "AAAA"
        else:
            uri = block["resource"].pop("uri")
            assert block == {
                "type": "resource",
                "resource": {"mimeType": "audio/wav", "blob": "AAAA"},
                "annotations": {"audience": ["user"], "priority": 0.5},
            }
            assert uri.startswith("urn:uuid:")


def test_the_same_sound_has_the_same_uri_and_another_sound_has_another() -> None:
    blocks = [{"type": "audio", "data": data, "mimeType": "audio/wav"} for data in ("AAAA", "AAAA", "BBBB")]
    first, same, other = (block["resource"]["uri"] for block in called(NOVEMBER_24, *blocks)["content"])
    assert first == same != other


@pytest.mark.parametrize("block", [modern.TEXT, modern.IMAGE, modern.AUDIO, modern.EMBEDDED])
def test_content_has_metadata_since_2025_06_18(block: dict[str, Any]) -> None:
    for revision, is_known in since(JUNE):
        (translated,) = called(revision, block)["content"]
        assert ("_meta" in translated) is is_known
        assert ("lastModified" in translated["annotations"]) is is_known


def test_the_contents_of_a_resource_have_metadata_since_2025_06_18() -> None:
    for revision, is_known in since(JUNE):
        (embedded,) = called(revision, modern.EMBEDDED)["content"]
        read = result_for("resources/read", modern.result_of("resources/read"), revision)["contents"]
        assert all(("_meta" in contents) is is_known for contents in (embedded["resource"], *read))


def test_the_content_of_a_prompt_is_translated_like_that_of_a_tool() -> None:
    message = {"role": "user", "content": modern.LINK}
    (translated,) = result_for("prompts/get", {"messages": [message]}, MARCH)["messages"]
    assert translated == {"role": "user", "content": called(MARCH, modern.LINK)["content"][0]}


# What initialize answers


@pytest.mark.parametrize(
    ("field", "first"), [("completions", MARCH), ("logging", NOVEMBER_24), ("experimental", NOVEMBER_24)]
)
def test_a_capability_is_offered_since(field: str, first: str) -> None:
    for revision, is_known in since(first):
        assert (field in translation.capabilities_for(modern.CAPABILITIES, revision)) is is_known


@each_revision
def test_extensions_are_offered_to_none(revision: str) -> None:
    assert "extensions" not in translation.capabilities_for(modern.CAPABILITIES, revision)


@pytest.mark.parametrize(
    ("field", "first"),
    [("title", JUNE), ("icons", NOVEMBER_25), ("description", NOVEMBER_25), ("websiteUrl", NOVEMBER_25)],
)
def test_an_implementation_has_since(field: str, first: str) -> None:
    for revision, is_known in since(first):
        info = translation.implementation_for(modern.SERVER_INFO, revision)
        assert (field in info) is is_known
        assert info["name"] == "a-server"


# Notifications and errors


def test_progress_has_a_message_since_2025_03_26() -> None:
    for revision, is_known in since(MARCH):
        params = translation.notification_for("notifications/progress", {"progress": 1, "message": "m"}, revision)
        assert params == ({"progress": 1, "message": "m"} if is_known else {"progress": 1})


@pytest.mark.parametrize("method", modern.NOTIFICATIONS)
@each_revision
def test_no_notification_names_a_subscription(method: str, revision: str) -> None:
    translated = translation.notification_for(method, modern.notification_params(method), revision)
    assert translated is not None
    assert "_meta" not in translated


@pytest.mark.parametrize("method", ["notifications/subscriptions/acknowledged", "notifications/anything"])
@each_revision
def test_a_notification_of_2026_07_28_alone_is_none(method: str, revision: str) -> None:
    assert translation.notification_for(method, {"_meta": {}}, revision) is None


@each_revision
def test_a_resource_that_is_not_found_has_its_old_code(revision: str) -> None:
    error = {"code": -32602, "message": "Resource not found", "data": {"uri": "a:b"}}
    assert translation.error_for("resources/read", error, revision) == {**error, "code": -32002}
    assert error["code"] == -32602


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("resources/read", {"code": -32602, "message": "Invalid params: params.uri"}),
        ("resources/read", {"code": -32602, "message": "Invalid params", "data": "uri"}),
        ("resources/read", {"code": -32602, "message": "Invalid params", "data": {"other": 1}}),
        ("resources/read", {"code": -32603, "message": "Internal error", "data": {"uri": "a:b"}}),
        ("tools/call", {"code": -32602, "message": "Unknown tool", "data": {"uri": "a:b"}}),
        ("tools/call", {"code": -32021, "message": "Missing", "data": {"requiredCapabilities": {}}}),
    ],
)
@each_revision
def test_every_other_error_is_what_it_was(method: str, error: dict[str, Any], revision: str) -> None:
    assert translation.error_for(method, error, revision) is error


def test_2026_07_28_keeps_its_code() -> None:
    error = {"code": -32602, "message": "Resource not found", "data": {"uri": "a:b"}}
    assert translation.error_for("resources/read", error, MODERN) is error


# What the client can do


CLIENT = {
    "experimental": {"example.com/x": {}},
    "roots": {"listChanged": True},
    "sampling": {"context": {}, "tools": {}},
    "elicitation": {"form": {}, "url": {}},
    "tasks": {"list": {}},
    "extensions": {"example.com/y": {}},
}


@pytest.mark.parametrize(
    ("revision", "meant"),
    [
        (NOVEMBER_25, {"sampling": {"context": {}, "tools": {}}, "elicitation": {"form": {}, "url": {}}}),
        (JUNE, {"sampling": {}, "elicitation": {}}),
        (MARCH, {"sampling": {}}),
        (NOVEMBER_24, {"sampling": {}}),
    ],
)
def test_a_client_can_do_what_its_revision_knows(revision: str, meant: dict[str, Any]) -> None:
    expected = {"experimental": {"example.com/x": {}}, "roots": {}, **meant}
    assert translation.client_capabilities(CLIENT, revision) == expected


@pytest.mark.parametrize("declared", [None, [], "all", 1, {}, {"roots": True, "elicitation": [], "experimental": 1}])
@each_revision
def test_capabilities_that_are_malformed_are_none(declared: object, revision: str) -> None:
    assert translation.client_capabilities(declared, revision) == {}


def test_only_the_malformed_part_of_a_capability_is_dropped() -> None:
    declared = {"sampling": {"tools": True, "context": {}}, "experimental": {"a": {}, "b": None}}
    assert translation.client_capabilities(declared, NOVEMBER_25) == {
        "sampling": {"context": {}},
        "experimental": {"a": {}},
    }


# Whatever comes


NAMES = sorted(
    {row.field for row in ROWS} | {"content", "text", "uri", "name", "data", "mimeType", "tools", "messages"}
)
TYPES = ["text", "image", "audio", "resource", "resource_link", "tool_use", "other"]
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3)
)
anything = st.recursive(
    scalars | st.sampled_from(TYPES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)
methods = st.sampled_from([*modern.METHODS, "future/method"])


@st.composite
def results(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A method and a result of it, in which something may be replaced by anything."""
    method = draw(methods)
    if method not in modern.METHODS:
        return method, draw(st.dictionaries(st.sampled_from(NAMES), anything, max_size=5))
    result = modern.result_of(method)
    for _ in range(draw(st.integers(0, 3))):
        owner, key = draw(st.sampled_from(list(places(result))))
        owner[key] = draw(anything)
    return method, result


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in `value` where something stands: what holds it, and under which key."""
    if is_object(value):
        keys: list[Any] = list(value)
    else:
        keys = list(range(len(value))) if is_array(value) else []
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


REWRITTEN = {row.field for row in ROWS if row.becomes is not drop}


def changed_fields(before: Any, after: Any, field: str = "") -> set[str]:
    """The names of the fields in which two values differ; of a block that was replaced, only its `type`."""
    if is_object(before) and is_object(after) and (field not in REWRITTEN or before == after):
        if before.get("type") != after.get("type"):
            return {"type"}
        found = set(before) ^ set(after)
        for key in set(before) & set(after):
            found |= changed_fields(before[key], after[key], key)
        return found
    if is_array(before) and is_array(after) and len(before) == len(after):
        return {name for old, new in zip(before, after, strict=True) for name in changed_fields(old, new, field)}
    return set() if before == after else {field}


@given(results(), st.sampled_from(LEGACY))
def test_a_result_is_translated_without_failing_changing_it_or_touching_what_no_row_names(
    given_result: tuple[str, dict[str, Any]], revision: str
) -> None:
    method, result = given_result
    before = deepcopy(result)
    translated = result_for(method, result, revision)
    assert result == before
    assert result_for(method, translated, revision) == translated
    named = {row.field for row in ROWS if row.since > revision}
    changed = changed_fields(before, translated)
    assert changed - {"content"} <= named
    assert "content" not in changed or "structuredContent" in changed


capabilities = st.dictionaries(st.sampled_from(list(CLIENT)), anything | st.sampled_from(list(CLIENT.values())))


@given(anything | capabilities, st.sampled_from(LEGACY))
def test_whatever_a_client_declares_means_something_in_2026_07_28(declared: object, revision: str) -> None:
    msgspec.convert(translation.client_capabilities(declared, revision), ClientCapabilities)


@given(st.dictionaries(st.sampled_from(NAMES), anything, max_size=5), st.sampled_from(LEGACY))
def test_the_other_messages_are_translated_without_failing_too(value: dict[str, Any], revision: str) -> None:
    before = deepcopy(value)
    for method in modern.NOTIFICATIONS:
        translation.notification_for(method, value, revision)
    translation.capabilities_for(value, revision)
    translation.implementation_for(value, revision)
    translation.error_for("resources/read", value, revision)
    assert value == before
