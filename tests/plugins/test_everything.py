"""The fixture does what the conformance suite's description of it says, seen through the dispatcher."""

from base64 import b64decode
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from mcp_plugins.everything import plugin
from mcp_plugins.everything.schemas import JSON_SCHEMA_2020_12
from tests.support.dispatcher_client import RpcError, text_of
from tests.support.plugin_conversation import Conversation, conversation


@pytest.fixture
async def client(tmp_path: Path) -> AsyncGenerator[Conversation]:
    async with conversation(plugin, tmp_path) as talk:
        yield talk


def accepted(**content: Any) -> dict[str, Any]:
    return {"action": "accept", "content": content}


def sampled(answer: str) -> dict[str, Any]:
    return {"role": "assistant", "content": {"type": "text", "text": answer}, "model": "test"}


def questions(result: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Each question's method and what it says."""
    assert result["resultType"] == "input_required"
    found: dict[str, tuple[str, str]] = {}
    for key, request in result["inputRequests"].items():
        params = request.get("params", {})
        messages = params.get("messages", [{"content": {"text": ""}}])
        found[key] = (request["method"], params.get("message", messages[0]["content"]["text"]))
    return found


async def test_simple_text_comes_first_so_that_it_can_be_called_with_nothing(client: Conversation) -> None:
    tools = (await client.request("tools/list"))["tools"]
    assert tools[0]["name"] == "test_simple_text"
    result = await client.request("tools/call", name="test_simple_text")
    assert text_of(result) == "This is a simple text response for testing."


async def test_every_tool_prompt_and_resource_is_described(client: Conversation) -> None:
    tools = (await client.request("tools/list"))["tools"]
    prompts = (await client.request("prompts/list"))["prompts"]
    resources = (await client.request("resources/list"))["resources"]
    templates = (await client.request("resources/templates/list"))["resourceTemplates"]
    assert all((tools, prompts, resources, templates))
    assert [entry for entry in [*tools, *prompts, *resources, *templates] if not entry["description"]] == []


@pytest.mark.parametrize(
    ("tool", "block_type", "mime_type", "magic"),
    [("test_image_content", "image", "image/png", b"\x89PNG"), ("test_audio_content", "audio", "audio/wav", b"RIFF")],
)
async def test_pictures_and_sounds_travel_as_base64(
    client: Conversation, tool: str, block_type: str, mime_type: str, magic: bytes
) -> None:
    (block,) = (await client.call(tool))["content"]
    assert (block["type"], block["mimeType"]) == (block_type, mime_type)
    assert b64decode(block["data"]).startswith(magic)


async def test_a_result_embeds_a_resource(client: Conversation) -> None:
    (block,) = (await client.call("test_embedded_resource"))["content"]
    assert block["resource"] == {
        "uri": "test://embedded-resource",
        "mimeType": "text/plain",
        "text": "This is an embedded resource content.",
    }


async def test_a_result_mixes_kinds_of_content(client: Conversation) -> None:
    blocks = (await client.call("test_multiple_content_types"))["content"]
    assert [block["type"] for block in blocks] == ["text", "image", "resource"]
    assert blocks[2]["resource"]["text"] == '{"test":"data","value":123}'


async def test_a_tool_error_is_a_result_with_its_text(client: Conversation) -> None:
    result = await client.call("test_error_handling")
    assert result["isError"] is True
    assert text_of(result) == "This tool intentionally returns an error for testing"


async def test_log_messages_come_only_when_asked_for(client: Conversation) -> None:
    await client.call("test_tool_with_logging")
    assert client.notifications == []
    meta = {"io.modelcontextprotocol/logLevel": "debug"}
    await client.request("tools/call", meta, name="test_tool_with_logging")
    assert [message["params"]["data"] for message in client.notifications] == [
        "Tool execution started",
        "Tool processing data",
        "Tool execution completed",
    ]


async def test_progress_goes_from_0_to_100(client: Conversation) -> None:
    await client.request("tools/call", {"progressToken": "p"}, name="test_tool_with_progress")
    assert [message["params"]["progress"] for message in client.notifications] == [0, 50, 100]
    assert {message["params"]["progressToken"] for message in client.notifications} == {"p"}


async def test_the_hand_written_schema_is_listed_word_for_word_and_enforced(client: Conversation) -> None:
    tools = {tool["name"]: tool for tool in (await client.request("tools/list"))["tools"]}
    assert tools["json_schema_2020_12_tool"]["inputSchema"] == JSON_SCHEMA_2020_12
    assert text_of(await client.call("json_schema_2020_12_tool", name="Ada", email="a@b")) == "Reach Ada by email."
    assert (await client.call("json_schema_2020_12_tool", name="Ada"))["isError"] is True


async def test_a_parameter_is_marked_for_a_header(client: Conversation) -> None:
    tools = {tool["name"]: tool for tool in (await client.request("tools/list"))["tools"]}
    assert tools["test_x_mcp_header"]["inputSchema"]["properties"]["region"]["x-mcp-header"] == "Region"
    assert text_of(await client.call("test_x_mcp_header", region="eu")) == "Region: eu"


async def test_a_name_is_asked_for_and_greeted(client: Conversation) -> None:
    asked = await client.call("test_input_required_result_elicitation")
    assert questions(asked) == {"user_name": ("elicitation/create", "What is your name?")}
    schema = asked["inputRequests"]["user_name"]["params"]["requestedSchema"]
    assert schema == {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    result = await client.answer("test_input_required_result_elicitation", asked, {"user_name": accepted(name="Alice")})
    assert text_of(result) == "Hello, Alice!"


@pytest.mark.parametrize("answers", [{"wrong_key": accepted(name="Alice")}, {"user_name": accepted(name=7)}, {}])
async def test_an_answer_that_does_not_fit_is_asked_for_again(client: Conversation, answers: dict[str, Any]) -> None:
    tool = "test_input_required_result_elicitation"
    asked = await client.request("tools/call", name=tool, inputResponses=answers)
    assert "user_name" in questions(asked)


@pytest.mark.parametrize("answers", [{"user_name": 12345}, None])
async def test_answers_that_are_none_at_all_are_refused(client: Conversation, answers: Any) -> None:
    with pytest.raises(RpcError, match="Invalid params"):
        await client.request("tools/call", name="test_input_required_result_elicitation", inputResponses=answers)


async def test_an_answer_that_comes_at_once_is_taken_and_what_else_comes_is_ignored(client: Conversation) -> None:
    # As the conformance suite does it, without a state.
    answers = {"user_name": accepted(name="Alice"), "unknown": accepted(foo="bar"), "another": accepted(baz=123)}
    tool = "test_input_required_result_elicitation"
    assert text_of(await client.request("tools/call", name=tool, inputResponses=answers)) == "Hello, Alice!"


async def test_a_user_who_declines_is_told_of_in_the_result(client: Conversation) -> None:
    asked = await client.call("test_input_required_result_elicitation")
    result = await client.answer("test_input_required_result_elicitation", asked, {"user_name": {"action": "decline"}})
    assert result["isError"] is True


async def test_the_model_is_asked(client: Conversation) -> None:
    asked = await client.call("test_input_required_result_sampling")
    assert questions(asked) == {"capital_question": ("sampling/createMessage", "What is the capital of France?")}
    assert asked["inputRequests"]["capital_question"]["params"]["maxTokens"] == 100
    answers = {"capital_question": sampled("Paris.")}
    assert text_of(await client.answer("test_input_required_result_sampling", asked, answers)) == "Paris."


async def test_roots_are_asked_for_and_named(client: Conversation) -> None:
    asked = await client.call("test_input_required_result_list_roots")
    assert questions(asked)["client_roots"][0] == "roots/list"
    answers = {"client_roots": {"roots": [{"uri": "file:///a"}, {"uri": "file:///b", "name": "B"}]}}
    assert text_of(await client.answer("test_input_required_result_list_roots", asked, answers)) == (
        "Roots: file:///a, file:///b"
    )


async def test_what_was_computed_before_a_question_is_remembered(client: Conversation) -> None:
    asked = await client.call("test_input_required_result_request_state")
    result = await client.answer("test_input_required_result_request_state", asked, {"confirm": accepted(ok=True)})
    assert text_of(result) == "state-ok: begun as request 1, confirmed: True"


async def test_three_questions_are_put_at_once(client: Conversation) -> None:
    tool = "test_input_required_result_multiple_inputs"
    asked = await client.call(tool)
    assert [method for method, _ in questions(asked).values()] == [
        "elicitation/create",
        "sampling/createMessage",
        "roots/list",
    ]
    answers: dict[str, Any] = {
        "user_name": accepted(name="Alice"),
        "greeting": sampled("Hi"),
        "client_roots": {"roots": []},
    }
    assert text_of(await client.answer(tool, asked, answers)) == "Hi Alice works in 0 root(s)."


async def test_questions_follow_each_other_with_a_new_state_each_time(client: Conversation) -> None:
    tool = "test_input_required_result_multi_round"
    first = await client.call(tool)
    second = await client.answer(tool, first, {"step1": accepted(name="Alice")})
    assert list(questions(second)) == ["step2"]
    assert first["requestState"] != second["requestState"]
    assert text_of(await client.answer(tool, second, {"step2": accepted(color="blue")})) == "Alice likes blue."


async def test_a_state_that_was_changed_is_refused(client: Conversation) -> None:
    tool = "test_input_required_result_tampered_state"
    asked = await client.call(tool)
    asked["requestState"] += "-TAMPERED"
    with pytest.raises(RpcError) as refused:
        await client.answer(tool, asked, {"confirm": accepted(ok=True)})
    assert refused.value.code == -32602


@pytest.mark.parametrize(
    ("capabilities", "method"),
    [({"sampling": {}}, "sampling/createMessage"), ({"elicitation": {}}, "elicitation/create")],
)
async def test_only_what_the_client_can_answer_is_asked(
    client: Conversation, capabilities: dict[str, Any], method: str
) -> None:
    client.capabilities = capabilities
    asked = await client.call("test_input_required_result_capabilities")
    assert [question for question, _ in questions(asked).values()] == [method]


async def test_a_client_without_the_capability_is_told_which_is_needed(client: Conversation) -> None:
    client.capabilities = {}
    with pytest.raises(RpcError) as refused:
        await client.call("test_missing_capability")
    assert (refused.value.code, refused.value.data) == (-32021, {"requiredCapabilities": {"sampling": {}}})


async def test_streaming_elicitation_notifies_and_asks_in_its_result(client: Conversation) -> None:
    asked = await client.request("tools/call", {"progressToken": 1}, name="test_streaming_elicitation")
    assert [message["method"] for message in client.notifications] == ["notifications/progress"]
    assert "confirm" in questions(asked)


async def test_sampling_with_a_prompt_of_the_callers(client: Conversation) -> None:
    asked = await client.call("test_sampling", prompt="Say hi")
    ((key, question),) = questions(asked).items()
    assert question == ("sampling/createMessage", "Say hi")
    result = await client.answer("test_sampling", asked, {key: sampled("hi")}, prompt="Say hi")
    assert text_of(result) == "LLM response: hi"


async def test_a_form_of_two_required_fields(client: Conversation) -> None:
    asked = await client.call("test_elicitation", message="Who are you?")
    ((key, request),) = asked["inputRequests"].items()
    schema = request["params"]["requestedSchema"]
    assert schema["required"] == ["username", "email"]
    answers = {key: accepted(username="ada", email="ada@example.com")}
    result = await client.answer("test_elicitation", asked, answers, message="Who are you?")
    assert text_of(result).startswith("User response: action=accept")


async def test_a_form_with_a_default_of_every_type(client: Conversation) -> None:
    asked = await client.call("test_elicitation_sep1034_defaults")
    ((key, request),) = asked["inputRequests"].items()
    properties = request["params"]["requestedSchema"]["properties"]
    assert {name: (field["type"], field["default"]) for name, field in properties.items()} == {
        "name": ("string", "John Doe"),
        "age": ("integer", 30),
        "score": ("number", 95.5),
        "status": ("string", "active"),
        "verified": ("boolean", True),
    }
    assert properties["status"]["enum"] == ["active", "inactive", "pending"]
    result = await client.answer("test_elicitation_sep1034_defaults", asked, {key: {"action": "cancel"}})
    assert text_of(result) == "Elicitation completed: action=cancel, content={}"


async def test_a_form_with_choices_in_all_five_ways(client: Conversation) -> None:
    asked = await client.call("test_elicitation_sep1330_enums")
    ((key, request),) = asked["inputRequests"].items()
    properties = request["params"]["requestedSchema"]["properties"]
    assert properties["untitledSingle"]["enum"]
    assert properties["titledSingle"]["oneOf"][0] == {"const": "value1", "title": "First Option"}
    assert properties["legacyEnum"]["enumNames"]
    assert properties["untitledMulti"]["items"]["enum"]
    assert properties["titledMulti"]["items"]["anyOf"][0] == {"const": "value1", "title": "First Choice"}
    chosen = accepted(untitledMulti=["option1", "option2"], titledSingle="value1")
    result = await client.answer("test_elicitation_sep1330_enums", asked, {key: chosen})
    assert "option2" in text_of(result)


@pytest.mark.parametrize(
    ("kind", "method"),
    [("tool", "notifications/tools/list_changed"), ("prompt", "notifications/prompts/list_changed")],
)
async def test_a_list_changes_back_and_forth_and_listeners_hear_of_it(
    client: Conversation, kind: str, method: str
) -> None:
    async with client.listen(**{f"{kind}sListChanged": True}) as hear:
        for expected in (True, False):
            await client.call(f"test_trigger_{kind}_change")
            assert (await hear())["method"] == method
            listed = (await client.request(f"{kind}s/list"))[f"{kind}s"]
            assert (listed[-1]["name"] == f"test_dynamic_{kind}") is expected


async def test_resources_are_read(client: Conversation) -> None:
    (words,) = (await client.request("resources/read", uri="test://static-text"))["contents"]
    assert words["text"] == "This is the content of the static text resource."
    (picture,) = (await client.request("resources/read", uri="test://static-binary"))["contents"]
    assert picture["mimeType"] == "image/png"
    assert b64decode(picture["blob"]).startswith(b"\x89PNG")


async def test_a_template_is_filled_in(client: Conversation) -> None:
    (contents,) = (await client.request("resources/read", uri="test://template/123/data"))["contents"]
    assert contents["uri"] == "test://template/123/data"
    assert contents["mimeType"] == "application/json"
    assert contents["text"] == '{"id":"123","templateTest":true,"data":"Data for ID: 123"}'


async def test_an_unknown_resource_is_an_error_that_names_it(client: Conversation) -> None:
    with pytest.raises(RpcError) as refused:
        await client.request("resources/read", uri="test://nowhere")
    assert (refused.value.code, refused.value.data["uri"]) == (-32602, "test://nowhere")


@pytest.mark.parametrize(
    ("prompt", "arguments", "types"),
    [
        ("test_simple_prompt", {}, ["text"]),
        ("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"}, ["text"]),
        ("test_prompt_with_embedded_resource", {"resourceUri": "test://example"}, ["resource", "text"]),
        ("test_prompt_with_image", {}, ["image", "text"]),
    ],
)
async def test_prompts_are_filled_in(
    client: Conversation, prompt: str, arguments: dict[str, str], types: list[str]
) -> None:
    given = {"arguments": arguments} if arguments else {}
    messages = (await client.request("prompts/get", name=prompt, **given))["messages"]
    assert [message["content"]["type"] for message in messages] == types


async def test_a_prompt_uses_its_arguments(client: Conversation) -> None:
    given = {"arg1": "hello", "arg2": "world"}
    result = await client.request("prompts/get", name="test_prompt_with_arguments", arguments=given)
    assert result["messages"][0]["content"]["text"] == "Prompt with arguments: arg1='hello', arg2='world'"


async def test_a_prompt_may_ask_before_it_answers(client: Conversation) -> None:
    name = "test_input_required_result_prompt"
    asked = await client.request("prompts/get", name=name)
    assert questions(asked) == {"user_context": ("elicitation/create", "What context should the prompt use?")}
    answers = {"user_context": accepted(context="a ship")}
    retry = {"requestState": asked["requestState"], "inputResponses": answers}
    result = await client.request("prompts/get", name=name, **retry)
    assert "a ship" in result["messages"][0]["content"]["text"]


@pytest.mark.parametrize(
    ("reference", "argument", "values"),
    [
        ({"type": "ref/prompt", "name": "test_prompt_with_arguments"}, {"name": "arg1", "value": "par"}, 3),
        ({"type": "ref/resource", "uri": "test://template/{id}/data"}, {"name": "id", "value": "12"}, 2),
    ],
)
async def test_arguments_are_completed(
    client: Conversation, reference: dict[str, str], argument: dict[str, str], values: int
) -> None:
    result = await client.request("completion/complete", ref=reference, argument=argument)
    assert len(result["completion"]["values"]) == values
