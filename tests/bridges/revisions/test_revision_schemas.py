"""Messages of older revisions: each is valid under that revision's own schema, and names no field that it does not."""

from typing import Any

import pytest

from mcp_bridges.revisions.client_requests import question_for
from mcp_bridges.revisions.translation import (
    LEGACY,
    at_least,
    capabilities_for,
    implementation_for,
    notification_for,
    result_for,
)
from tests.bridges.revisions import modern_messages as modern
from tests.bridges.revisions.revision_schemas import schema_of
from tests.support.result_types import RESULT_TYPES

MODERN = "2026-07-28"
each_revision = pytest.mark.parametrize("revision", LEGACY)
each_method = pytest.mark.parametrize("method", modern.METHODS)


@each_method
def test_the_results_that_are_translated_are_valid_to_begin_with(method: str) -> None:
    assert schema_of(MODERN).problems(RESULT_TYPES[method], modern.result_of(method)) == []


@each_method
@each_revision
def test_a_result_is_valid_in_every_revision(method: str, revision: str) -> None:
    translated = result_for(method, modern.result_of(method), revision)
    assert schema_of(revision).problems(RESULT_TYPES[method], translated) == []


@each_method
@each_revision
def test_a_result_that_is_not_translated_is_not_valid(method: str, revision: str) -> None:
    assert schema_of(revision).problems(RESULT_TYPES[method], modern.result_of(method)) != []


@pytest.mark.parametrize("block", modern.CONTENT, ids=lambda block: block["type"])
@each_revision
def test_each_kind_of_content_is_valid_by_itself(block: dict[str, Any], revision: str) -> None:
    schema = schema_of(revision)
    called = result_for("tools/call", modern.result_of("tools/call", content=[block]), revision)
    assert schema.problems("CallToolResult", called) == []
    message = {"role": "assistant", "content": block}
    prompt = result_for("prompts/get", modern.result_of("prompts/get", messages=[message]), revision)
    assert schema.problems("GetPromptResult", prompt) == []


@pytest.mark.parametrize("value", [None, True, 3, 0.5, "text", [], [{"a": 1}], {"a": 1}, {}])
@each_revision
def test_structured_content_of_any_kind_is_valid(value: object, revision: str) -> None:
    result = modern.result_of("tools/call", structuredContent=value)
    assert schema_of(MODERN).problems("CallToolResult", result) == []
    assert schema_of(revision).problems("CallToolResult", result_for("tools/call", result, revision)) == []


@pytest.mark.parametrize("method", modern.NOTIFICATIONS)
@each_revision
def test_a_notification_is_valid_in_every_revision(method: str, revision: str) -> None:
    params = modern.notification_params(method)
    assert schema_of(MODERN).problems_of_message({"method": method, "params": params}) == []
    translated = notification_for(method, params, revision)
    assert schema_of(revision).problems_of_message({"method": method, "params": translated}) == []


@each_revision
def test_what_initialize_answers_is_valid(revision: str) -> None:
    answer = {
        "protocolVersion": revision,
        "capabilities": capabilities_for(modern.CAPABILITIES, revision),
        "serverInfo": implementation_for(modern.SERVER_INFO, revision),
        "instructions": "Ask.",
    }
    assert schema_of(revision).problems("InitializeResult", answer) == []


QUESTIONS = {
    "roots": ("2024-11-05", {"method": "roots/list", "params": {}}),
    "form": ("2025-06-18", modern.form_question()),
    "form with several choices": ("2025-11-25", modern.form_question({**modern.FIELDS, **modern.SEVERAL})),
    "url": ("2025-11-25", modern.url_question()),
    "sampling": ("2024-11-05", modern.sampling_question(modern.TEXT, modern.IMAGE)),
    "sampling of several blocks": ("2024-11-05", modern.sampling_question([modern.TEXT, modern.IMAGE])),
    "sampling of audio": ("2025-03-26", modern.sampling_question([modern.TEXT, modern.AUDIO], modern.AUDIO)),
    "sampling with tools": (
        "2025-11-25",
        modern.sampling_question(
            modern.TEXT, [modern.TOOL_USE], [modern.TOOL_RESULT], tools=[modern.TOOL], toolChoice={"mode": "auto"}
        ),
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
@each_revision
def test_a_question_is_valid_wherever_it_can_be_asked(name: str, revision: str) -> None:
    since, question = QUESTIONS[name]
    assert schema_of(MODERN).problems_of_message(question) == []
    if at_least(revision, since):
        asked = question_for(question, revision, elicitation_id=lambda: "e1")
        assert schema_of(revision).problems_of_message(asked) == []


@each_revision
def test_a_field_that_the_revision_does_not_name_would_be_found(revision: str) -> None:
    schema = schema_of(revision)
    result = result_for("tools/list", modern.result_of("tools/list"), revision)
    result["tools"][0]["surprise"] = 1
    assert "surprise" in "".join(schema.problems("ListToolsResult", result))
    assert schema.problems_of_message({"method": "notifications/subscriptions/acknowledged", "params": {}}) != []
