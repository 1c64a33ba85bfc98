"""Clients from the time of sessions and handshakes get along with the server that speaks 2026-07-28 too."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.legacy.clients import CLIENTS, FAMILIES, INSPECTOR_VERSION, LegacyClient
from tests.clients.legacy.held import Held

pytestmark = pytest.mark.clients

MISSING_CAPABILITY: Final = -32021


def each(wanted: Callable[[LegacyClient], bool] = lambda _: True) -> pytest.MarkDecorator:
    """The test runs once for each client that is `wanted`."""
    return pytest.mark.parametrize("client", [pytest.param(one, id=one.id) for one in CLIENTS if wanted(one)])


def over_http(client: LegacyClient) -> bool:
    """Whether the program itself sends HTTP requests to the server."""
    return client.spoken_on != "stdio"


@each()
def test_it_speaks_the_newest_revision_that_it_knows(client: LegacyClient, held: Held) -> None:
    seen = held.transcript(client)
    assert seen["version"] == client.family.revision
    assert seen["server"] == "mcp-runtime"


@each(lambda client: client.family.proxy is None)
def test_it_is_the_version_that_the_table_says(client: LegacyClient, held: Held) -> None:
    assert f"{held.transcript(client)['client']}.".startswith(f"{client.family.version}.")


def test_what_is_no_library_is_the_version_that_the_table_says() -> None:
    pinned = json.loads(Path(__file__).parents[1].joinpath("package.json").read_text())["dependencies"]
    assert pinned["mcp-remote"] == next(one.version for one in FAMILIES if one.proxy == "mcp-remote")
    assert pinned["@modelcontextprotocol/inspector"] == INSPECTOR_VERSION


@each()
def test_everything_is_listed(client: LegacyClient, held: Held) -> None:
    seen = held.transcript(client)
    assert seen["tools"][0] == "test_simple_text"
    assert {"test_error_handling", "test_elicitation", "json_schema_2020_12_tool", "touch"} <= set(seen["tools"])
    assert seen["resources"] == ["test://static-text", "test://static-binary", "test://watched-resource"]
    assert set(seen["templates"]) == {"test://template/{id}/data", "touch://{name}"}
    assert seen["prompts"][:2] == ["test_simple_prompt", "test_prompt_with_arguments"]


@each()
def test_a_call_brings_text(client: LegacyClient, held: Held) -> None:
    assert held.transcript(client)["text"] == [False, "This is a simple text response for testing."]


@each()
def test_a_tool_that_fails_says_so_in_its_result(client: LegacyClient, held: Held) -> None:
    seen = held.transcript(client)
    assert seen["tool_error"] == [True, "This tool intentionally returns an error for testing"]
    failed, text = seen["bad_argument"]
    assert failed
    assert "region" in text


@each()
def test_what_is_not_there_is_an_error_with_the_code_of_its_revision(client: LegacyClient, held: Held) -> None:
    seen = held.transcript(client)
    code, message = seen["unknown_tool"]
    assert code == -32602
    assert "no_such_tool" in message
    code, _ = seen["unknown_resource"]
    # This one shows the code of 2026-07-28 for either, where the error's data say which resource it is about.
    assert code == (-32602 if client.family.name == "node-2-legacy" else -32002)


@each()
def test_progress_arrives(client: LegacyClient, held: Held) -> None:
    progress = held.transcript(client)["progress"]
    if client.is_node:
        # It forgets the call once it has read the answer, and drops progress that came in one piece with it.
        assert progress == [0, 50, 100][: len(progress)] != []
    else:
        assert progress == [0, 50, 100]


@each()
def test_a_stream_that_the_server_lets_go_of_brings_the_result_all_the_same(client: LegacyClient, held: Held) -> None:
    assert held.transcript(client)["reconnected"] == [False, "Reconnection test completed successfully"]


@each(lambda client: client.is_node)
def test_a_call_that_it_gives_up_is_cancelled(client: LegacyClient, held: Held) -> None:
    # `mcp` 1.x for Python has no way to say so.
    assert held.transcript(client)["cancelled_call"] == ["given up", 1]


@each()
def test_log_messages_arrive_from_the_level_that_was_set(client: LegacyClient, held: Held) -> None:
    seen = held.transcript(client)
    texts = ["Tool execution started", "Tool processing data", "Tool execution completed"]
    assert seen["logs"] == [["info", text] for text in texts]
    assert seen["logs_at_error"] == []


@each(lambda client: client.family.elicits)
def test_the_user_is_asked_in_the_middle_of_a_call(client: LegacyClient, held: Held) -> None:
    seen = held.transcript(client)
    account = '{"username": "ann", "email": "ann@example.com"}'
    assert seen["accepted"] == f"User response: action=accept, content={account}"
    assert seen["declined"] == "User response: action=decline, content={}"
    assert seen["cancelled"] == "User response: action=cancel, content={}"
    assert seen["rounds"] == "Ann likes green."
    assert seen["many"] == "sampled: Generate a greeting Ann works in 1 root(s)."


@each(lambda client: not client.family.elicits)
def test_a_client_that_cannot_ask_its_user_is_told_so(client: LegacyClient, held: Held) -> None:
    seen = held.transcript(client)
    for refusal in (seen["accepted"], seen["rounds"], seen["many"]):
        code, message = refusal
        assert code == MISSING_CAPABILITY
        assert "elicitation" in message


@each()
def test_its_model_and_its_roots_are_asked_for(client: LegacyClient, held: Held) -> None:
    seen = held.transcript(client)
    assert seen["sampled"] == "LLM response: sampled: Hello"
    assert seen["roots"] == "Roots: file:///work"


@each()
def test_prompts_completions_and_resources_are_read(client: LegacyClient, held: Held) -> None:
    seen = held.transcript(client)
    assert seen["prompt"] == "Prompt with arguments: arg1='a', arg2='b'"
    assert seen["completion"] == ["paris", "park", "party"]
    assert seen["resource"] == "This is the content of the static text resource."
    assert '"Data for ID: 123"' in seen["template"]


@each()
def test_an_update_is_heard_of_once_while_subscribed_and_not_after(client: LegacyClient, held: Held) -> None:
    seen = held.transcript(client)
    assert seen["updated"] == ["watched"]
    assert seen["updates_after_unsubscribe"] == 0


@each()
def test_a_changed_list_is_heard_of_and_read_again(client: LegacyClient, held: Held) -> None:
    seen = held.transcript(client)
    differs = set(seen["tools"]) ^ set(seen["tools_after"])
    if client.transport == "stdio":
        assert seen["changes"] == 1
        assert differs == {"test_dynamic_tool"}
    else:
        # The others change the list of the one server, too.
        assert seen["changes"] >= 1
        assert differs <= {"test_dynamic_tool"}


@each()
def test_it_pings_and_leaves_in_peace(client: LegacyClient, held: Held) -> None:
    seen = held.transcript(client)
    assert seen["ping"]
    assert seen["closed"]


@each(over_http)
def test_no_request_meets_an_http_error(client: LegacyClient, held: Held) -> None:
    # JSON-RPC errors included: an old SDK does not look into the body of a 400.
    odd = [one for one in _requests(held, client) if one[2] not in {200, 202, 204}]
    assert odd == []


@each(lambda client: client.spoken_on == "http")
def test_it_hears_by_one_stream_and_ends_its_session(client: LegacyClient, held: Held) -> None:
    requests = _requests(held, client)
    # LangChain opens three sessions: the test's own, and one each for a list and a call without one.
    sessions = 3 if client.family.name == "langchain" else 1
    assert [method for method, _, _ in requests].count("DELETE") == sessions
    assert requests[-1][0] == "DELETE"
    # In 2025-11-25 it came back for the result of the call whose stream the server let go of.
    returned = 1 if client.family.revision == "2025-11-25" else 0
    assert 1 <= [method for method, _, _ in requests].count("GET") - returned <= sessions


@each(lambda client: client.family.name == "langchain")
def test_it_calls_without_a_session_of_its_own(client: LegacyClient, held: Held) -> None:
    assert held.transcript(client)["sessionless"] == "This is a simple text response for testing."


@each(lambda client: client.transport == "stdio")
def test_the_server_that_it_started_has_nothing_to_complain_of(client: LegacyClient, held: Held) -> None:
    assert {event["level"] for event in held.stdio_events[client.id]} <= {"info"}


def test_the_one_server_ends_when_asked_and_has_nothing_to_complain_of(held: Held) -> None:
    assert held.exit_code == 0
    complaints = [event for event in held.events if event["level"] not in {"info", "warning"}]
    assert complaints == []


def _requests(held: Held, client: LegacyClient) -> list[tuple[str, str, int]]:
    requests: list[Any] = held.transcript(client)["requests"]
    return [(method, path, status) for method, path, status in requests]
