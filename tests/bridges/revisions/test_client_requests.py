"""A question goes out as the client's revision asks it, or not at all; an answer comes back as 2026-07-28 has it."""

from collections.abc import Callable
from copy import deepcopy
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridges.revisions.client_requests import UnaskableError, UnusableResultError, answer_from, question_for
from mcp_bridges.revisions.translation import LEGACY
from mcp_runtime.protocol.content import CreateMessageResult, ElicitResult, ListRootsResult
from tests.bridges.revisions import modern_messages as modern

NOVEMBER_25, JUNE, MARCH, NOVEMBER_24 = LEGACY
each_revision = pytest.mark.parametrize("revision", LEGACY)


def no_id() -> str:
    raise AssertionError("only elicitation in URL mode has an id")


def asked(question: dict[str, Any], revision: str, elicitation_id: Callable[[], str] = no_id) -> dict[str, Any]:
    """The params of `question` as it goes out; the question itself is left as it was."""
    before = deepcopy(question)
    sent = question_for(question, revision, elicitation_id=elicitation_id)
    assert question == before
    assert sent["method"] == question["method"]
    params: dict[str, Any] = sent["params"]
    return params


def refusal(question: dict[str, Any], revision: str) -> str:
    with pytest.raises(UnaskableError) as refused:
        question_for(question, revision, elicitation_id=no_id)
    assert str(refused.value) == refused.value.reason
    return refused.value.reason


def fields(question: dict[str, Any], revision: str) -> dict[str, Any]:
    properties: dict[str, Any] = asked(question, revision)["requestedSchema"]["properties"]
    return properties


# Forms


def test_a_form_is_asked_as_it_is_in_2025_11_25() -> None:
    question = modern.form_question({**modern.FIELDS, **modern.SEVERAL})
    assert asked(question, NOVEMBER_25) == question["params"]


def test_2025_06_18_has_no_mode_and_no_dialect() -> None:
    params = asked(modern.form_question(), JUNE)
    assert set(params) == {"message", "requestedSchema"}
    assert set(params["requestedSchema"]) == {"type", "properties", "required"}


def test_2025_06_18_names_titled_choices_beside_them() -> None:
    expected = {"type": "string", "title": "Which", "enum": ["a", "b"], "enumNames": ["The A", "The B"]}
    assert fields(modern.form_question(), JUNE)["titled"] == expected


def test_a_choice_without_a_title_is_its_own_name() -> None:
    question = modern.form_question({"a": {"oneOf": [{"const": "x"}, {"const": "y", "title": "Why"}, "malformed"]}})
    assert fields(question, JUNE) == {"a": {"type": "string", "enum": ["x", "y"], "enumNames": ["x", "Why"]}}


def test_choices_that_are_none_are_no_choices() -> None:
    assert fields(modern.form_question({"a": {"oneOf": 1}}), JUNE) == {
        "a": {"type": "string", "enum": [], "enumNames": []}
    }


def test_2025_06_18_has_defaults_of_yes_or_no_only() -> None:
    translated = fields(modern.form_question(), JUNE)
    assert [name for name, field in translated.items() if "default" in field] == ["yes"]


@pytest.mark.parametrize("name", ["mail", "named"])
def test_other_fields_are_what_they_were(name: str) -> None:
    assert fields(modern.form_question(), JUNE)[name] == modern.FIELDS[name]


@pytest.mark.parametrize("name", list(modern.SEVERAL))
def test_2025_06_18_cannot_ask_for_several_choices(name: str) -> None:
    reason = refusal(modern.form_question({**modern.FIELDS, name: modern.SEVERAL[name]}), JUNE)
    assert "2025-06-18" in reason
    assert "several choices" in reason
    assert "2025-11-25" in reason


@pytest.mark.parametrize("schema", [None, {}, {"type": "object", "properties": 1}, {"properties": {"a": True}}])
def test_a_form_that_is_none_is_sent_on_for_the_client_to_refuse(schema: object) -> None:
    question = {"method": "elicitation/create", "params": {"requestedSchema": schema}}
    assert asked(question, JUNE) == {"requestedSchema": schema}


@pytest.mark.parametrize("revision", [MARCH, NOVEMBER_24])
@pytest.mark.parametrize("question", [modern.form_question(), modern.url_question()])
def test_no_user_is_asked_before_2025_06_18(question: dict[str, Any], revision: str) -> None:
    assert refusal(question, revision) == (
        f"revision {revision}, which the client speaks, has no elicitation: that came with 2025-06-18"
    )


# Pages to open


def test_each_page_to_open_has_an_id_of_its_own() -> None:
    numbers = count(1)
    for number in (1, 2):
        params = asked(modern.url_question(), NOVEMBER_25, lambda: f"id-{next(numbers)}")
        assert params == {**modern.url_question()["params"], "elicitationId": f"id-{number}"}


def test_2025_06_18_opens_no_page() -> None:
    assert "URL mode" in refusal(modern.url_question(), JUNE)


# Sampling


def test_a_conversation_is_what_it_was_in_2025_11_25() -> None:
    question = modern.sampling_question(modern.TEXT, [modern.IMAGE, modern.AUDIO], [modern.TOOL_USE])
    assert asked(question, NOVEMBER_25) == question["params"]


def test_a_message_of_several_blocks_is_several_messages_before_2025_11_25() -> None:
    question = modern.sampling_question(modern.TEXT, [modern.TEXT, modern.IMAGE], [])
    for revision in (JUNE, MARCH, NOVEMBER_24):
        messages = asked(question, revision)["messages"]
        assert [message["content"]["type"] for message in messages] == ["text", "text", "image"]
        assert {message["role"] for message in messages} == {"user"}


def test_messages_have_metadata_since_2025_11_25_and_their_content_since_2025_06_18() -> None:
    for revision in LEGACY:
        (message,) = asked(modern.sampling_question(modern.TEXT), revision)["messages"]
        assert ("_meta" in message) is (revision == NOVEMBER_25)
        assert ("_meta" in message["content"]) is (revision >= JUNE)
        assert ("lastModified" in message["content"]["annotations"]) is (revision >= JUNE)


@each_revision
def test_everything_else_about_a_conversation_is_kept(revision: str) -> None:
    question = modern.sampling_question(modern.TEXT)
    assert {**asked(question, revision), "messages": None} == {**question["params"], "messages": None}


def test_audio_is_sampled_since_2025_03_26() -> None:
    for revision in (NOVEMBER_25, JUNE, MARCH):
        (message,) = asked(modern.sampling_question(modern.AUDIO), revision)["messages"]
        assert message["content"]["type"] == "audio"
    assert "'audio'" in refusal(modern.sampling_question(modern.AUDIO), NOVEMBER_24)


@pytest.mark.parametrize("block", [modern.TOOL_USE, modern.TOOL_RESULT, {"type": "future"}, {"type": []}, {}])
def test_other_content_is_not_sampled_before_2025_11_25(block: dict[str, Any]) -> None:
    for revision in (JUNE, MARCH, NOVEMBER_24):
        assert repr(block.get("type")) in refusal(modern.sampling_question([block]), revision)


def test_tools_are_sampled_with_since_2025_11_25() -> None:
    question = modern.sampling_question(modern.TEXT, tools=[modern.TOOL], toolChoice={"mode": "required"})
    params = asked(question, NOVEMBER_25)
    assert params["toolChoice"] == {"mode": "required"}
    assert params["tools"][0]["inputSchema"]["properties"]["anything"] == {}
    for revision in (JUNE, MARCH, NOVEMBER_24):
        assert "tools" in refusal(question, revision)


def test_no_tools_are_no_reason_not_to_ask() -> None:
    question = modern.sampling_question(modern.TEXT, tools=[], toolChoice={"mode": "none"})
    assert {"tools", "toolChoice"} & set(asked(question, JUNE)) == set()


def test_what_a_tool_gave_is_an_object_in_2025_11_25() -> None:
    (message,) = asked(modern.sampling_question([modern.TOOL_RESULT]), NOVEMBER_25)["messages"]
    (result,) = message["content"]
    assert "structuredContent" not in result
    assert result["content"] == [*modern.CONTENT, {"type": "text", "text": "[3]"}]


@pytest.mark.parametrize("messages", [None, 1, ["text"], [{"role": "user", "content": None}]])
@each_revision
def test_a_conversation_that_is_none_is_sent_on_for_the_client_to_refuse(messages: Any, revision: str) -> None:
    question = {"method": "sampling/createMessage", "params": {"messages": messages}}
    assert asked(question, revision) == {"messages": messages}


# Roots, and what is no question


@pytest.mark.parametrize("question", [{"method": "roots/list", "params": {}}, {"method": "roots/list"}])
@each_revision
def test_roots_are_asked_for_in_every_revision(question: dict[str, Any], revision: str) -> None:
    assert question_for(question, revision, elicitation_id=no_id) == {"method": "roots/list", "params": {}}


@pytest.mark.parametrize("question", [{"method": "tasks/get"}, {"method": ["roots/list"]}, {}])
@each_revision
def test_what_clients_cannot_be_asked_is_refused(question: dict[str, Any], revision: str) -> None:
    assert repr(question.get("method")) in refusal(question, revision)


# Answers


@pytest.mark.parametrize("revision", [NOVEMBER_25, JUNE])
@pytest.mark.parametrize("content", [{"a": "x", "b": 1, "c": 1.5, "d": True, "e": ["x"]}, {}])
def test_an_accepted_form_comes_with_what_was_filled_in(content: dict[str, Any], revision: str) -> None:
    result = {"action": "accept", "content": content, "_meta": {"any": 1}}
    assert answer_from("elicitation/create", result, revision) == {"action": "accept", "content": content}


@pytest.mark.parametrize("result", [{"action": "accept"}, {"action": "accept", "content": None}])
def test_an_accepted_page_comes_with_nothing(result: dict[str, Any]) -> None:
    assert answer_from("elicitation/create", result, NOVEMBER_25) == {"action": "accept"}


@pytest.mark.parametrize("action", ["decline", "cancel"])
@pytest.mark.parametrize("content", [None, {}, {"a": 1}, "nothing"])
def test_what_was_not_accepted_has_no_content(action: str, content: object) -> None:
    result = {"action": action, "content": content}
    assert answer_from("elicitation/create", result, JUNE) == {"action": action}


@pytest.mark.parametrize("content", [modern.TEXT, modern.IMAGE, modern.AUDIO, [modern.TEXT, modern.TOOL_USE]])
@each_revision
def test_a_sampled_message_is_what_the_client_sent(content: object, revision: str) -> None:
    result = {"role": "assistant", "content": content, "model": "m", "stopReason": "endTurn", "_meta": {"a": 1}}
    assert answer_from("sampling/createMessage", {**result, "surprise": 1}, revision) == result


def test_a_reason_that_is_null_is_none() -> None:
    result = {"role": "assistant", "content": {"type": "text", "text": "x"}, "model": "m"}
    assert answer_from("sampling/createMessage", {**result, "stopReason": None}, MARCH) == result


@each_revision
def test_roots_are_what_the_client_sent(revision: str) -> None:
    roots = [{"uri": "file:///a", "name": "a"}, {"uri": "file:///b"}]
    assert answer_from("roots/list", {"roots": roots, "_meta": {}}, revision) == {"roots": roots}


@pytest.mark.parametrize(
    ("method", "result", "problem"),
    [
        ("elicitation/create", None, "is no object"),
        ("elicitation/create", [], "is no object"),
        ("elicitation/create", {}, "`action`"),
        ("elicitation/create", {"action": "reject"}, "'reject'"),
        ("elicitation/create", {"action": ["accept"]}, "$.action"),
        ("elicitation/create", {"action": "accept", "content": "x"}, "$.content"),
        ("elicitation/create", {"action": "accept", "content": {"a": {"b": 1}}}, "$.content"),
        ("sampling/createMessage", {}, "`role`"),
        ("sampling/createMessage", {"role": "assistant", "model": "m"}, "`content`"),
        ("sampling/createMessage", {"role": "assistant", "content": {"type": "text", "text": "x"}}, "`model`"),
        ("sampling/createMessage", {"role": "system", "content": [], "model": "m"}, "'system'"),
        ("sampling/createMessage", {"role": "assistant", "content": {"type": "x"}, "model": "m"}, "$.content"),
        ("sampling/createMessage", {"role": "assistant", "content": "x", "model": "m"}, "$.content"),
        ("roots/list", "all", "is no object"),
        ("roots/list", {}, "`roots`"),
        ("roots/list", {"roots": None}, "`roots`"),
        ("roots/list", {"roots": [{"name": "a"}]}, "`uri`"),
    ],
)
def test_an_answer_that_is_none_says_in_one_line_what_is_wrong(method: str, result: object, problem: str) -> None:
    with pytest.raises(UnusableResultError) as refused:
        answer_from(method, result, NOVEMBER_25)
    assert problem in str(refused.value)
    assert method in str(refused.value)
    assert "\n" not in str(refused.value)


# Whatever comes

names = st.sampled_from(
    ["action", "content", "role", "model", "roots", "uri", "type", "text", "messages", "tools", "x"]
)
words = st.sampled_from(["accept", "decline", "user", "text", "audio", "tool_use", "form", "url", "x"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)
ANSWERS = {
    "elicitation/create": ElicitResult,
    "sampling/createMessage": CreateMessageResult,
    "roots/list": ListRootsResult,
}


@given(st.sampled_from(list(ANSWERS)), anything, st.sampled_from(LEGACY))
def test_whatever_a_client_answers_is_an_answer_or_unusable(method: str, result: object, revision: str) -> None:
    before = deepcopy(result)
    try:
        answer = answer_from(method, result, revision)
    except UnusableResultError:
        answer = None
    assert result == before
    if answer is not None:
        msgspec.json.decode(msgspec.json.encode(answer), type=ANSWERS[method])


@given(st.sampled_from([*ANSWERS, "other"]), anything, st.sampled_from(LEGACY))
def test_whatever_is_asked_is_a_question_or_unaskable(method: str, params: object, revision: str) -> None:
    question = {"method": method, "params": params}
    before = deepcopy(question)
    try:
        sent = question_for(question, revision, elicitation_id=lambda: "e")
    except UnaskableError:
        sent = {"method": method, "params": {}}
    assert question == before
    assert sent["method"] == method
