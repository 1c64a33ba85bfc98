"""The official SDKs' clients get along with the server: over HTTP and stdio, found out or told that it is modern."""

from typing import Any, Final

import pytest

from tests.clients.transcripts import Transcript

pytestmark = pytest.mark.clients

TALKS: Final = [
    ("python", "http", "auto"),
    ("python", "http", "2026-07-28"),
    ("python", "stdio", "auto"),
    ("python", "stdio", "2026-07-28"),
    ("js", "http", "auto"),
    ("js", "http", "2026-07-28"),
    ("js", "stdio", "auto"),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("transcript", TALKS, ids=["-".join(talk) for talk in TALKS], indirect=True, scope="module")


def test_the_modern_revision_is_spoken(transcript: Transcript, request: pytest.FixtureRequest) -> None:
    assert transcript["version"] == "2026-07-28"
    # Told the revision, a client does not ask who it talks to.
    told = _client_and_transport(request)[2] == "2026-07-28"
    assert transcript["server"] in ({None, "mcp-runtime"} if told else {"mcp-runtime"})


def test_everything_is_listed(transcript: Transcript) -> None:
    assert transcript["tools"][0] == "test_simple_text"
    assert {"test_error_handling", "test_x_mcp_header", "json_schema_2020_12_tool"} <= set(transcript["tools"])
    assert transcript["resources"] == ["test://static-text", "test://static-binary", "test://watched-resource"]
    assert transcript["templates"] == ["test://template/{id}/data"]
    assert transcript["prompts"][:2] == ["test_simple_prompt", "test_prompt_with_arguments"]


def test_calls_bring_content(transcript: Transcript) -> None:
    assert transcript["text"] == "This is a simple text response for testing."
    assert transcript["image_type"] == "image/png"


def test_a_parameter_is_mirrored_in_a_header_that_cannot_hold_it_as_it_is(transcript: Transcript) -> None:
    assert transcript["header_text"] == "Region: zürich "


def test_failures_are_told_apart(transcript: Transcript) -> None:
    assert transcript["tool_error"] == "This tool intentionally returns an error for testing"
    assert "region" in transcript["bad_argument"]
    assert transcript["unknown_tool"] == -32602
    assert transcript["unknown_resource"] == -32602


def test_progress_arrives(transcript: Transcript, request: pytest.FixtureRequest) -> None:
    client, transport, _ = _client_and_transport(request)
    if (client, transport) == ("js", "stdio"):
        # It forgets the call once it has read the answer, and drops what it had read before but not handled yet.
        assert transcript["progress"] == [0, 50, 100][: len(transcript["progress"])] != []
    else:
        assert transcript["progress"] == [0, 50, 100]


def test_log_messages_arrive(transcript: Transcript) -> None:
    texts = ["Tool execution started", "Tool processing data", "Tool execution completed"]
    assert transcript["logs"] == [["info", text] for text in texts]


def test_questions_are_put_and_answers_taken(transcript: Transcript) -> None:
    assert transcript["accepted"] == "Hello, Ann!"
    assert transcript["declined"] == "The user declined to answer"
    assert transcript["sampled"] == "sampled: What is the capital of France?"
    assert transcript["roots"] == "Roots: file:///work"
    assert transcript["many"] == "sampled: Generate a greeting Ann works in 1 root(s)."
    assert transcript["rounds"] == "Ann likes green."
    assert transcript["prompt_after_question"] == "Please answer in this context: tests"


def test_prompts_completions_and_resources_are_read(transcript: Transcript) -> None:
    assert transcript["prompt"] == "Prompt with arguments: arg1='a', arg2='b'"
    assert transcript["completion"] == ["paris", "park", "party"]
    assert transcript["resource"] == "This is the content of the static text resource."
    assert '"Data for ID: 123"' in transcript["template"]
    assert transcript["blob"] == "iVBORw0K"


def test_a_changed_list_is_heard_of_and_read_again(transcript: Transcript) -> None:
    assert transcript["changes"] == ["ToolsListChanged"]
    assert set(transcript["tools"]) ^ set(transcript["tools_after"]) == {"test_dynamic_tool"}


def test_sigterm_ends_the_subscription_gracefully(transcript: Transcript) -> None:
    assert transcript["ended"] == "graceful"


def _client_and_transport(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    callspec: Any = request.node.callspec
    client, transport, mode = callspec.params["transcript"]
    return client, transport, mode
