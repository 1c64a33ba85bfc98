"""Questions to the client's model. Rule: each test shows a demand of 2026-07-28/client/sampling."""

from typing import Any

import pytest

from mcp_runtime import Context, Plugin, SamplingMessage, TextContent
from mcp_runtime.protocol.content import SamplingContent, ToolResultContent, ToolUseContent
from tests.support.clients import Client
from tests.support.messages import ABLE, Message, sampled
from tests.support.wires import EVERY_WIRE, over

TOOLS: list[Message] = [{"name": "weather", "inputSchema": {"type": "object"}}]


def use(id_: str) -> ToolUseContent:
    """The model wants to call a tool."""
    return ToolUseContent(id=id_, name="weather", input={})


def gave(id_: str) -> ToolResultContent:
    """What the tool gave."""
    return ToolResultContent(tool_use_id=id_, content=[TextContent("sunny")])


def said(role: Any, *content: SamplingContent) -> SamplingMessage:
    """A message of several blocks."""
    return SamplingMessage(role, list(content))


QUESTION = SamplingMessage("user", TextContent("Weather?"))
CONVERSATIONS: dict[str, list[SamplingMessage]] = {
    "balanced": [QUESTION, said("assistant", use("a"), use("b")), said("user", gave("b"), gave("a"))],
    "with text beside the uses": [
        QUESTION,
        said("assistant", TextContent("Let me see"), use("a")),
        said("user", gave("a")),
    ],
    "twice": [
        QUESTION,
        said("assistant", use("a")),
        said("user", gave("a")),
        said("assistant", use("b")),
        said("user", gave("b")),
    ],
    "mixed": [QUESTION, said("assistant", use("a")), said("user", TextContent("Here:"), gave("a"))],
    "missing one": [QUESTION, said("assistant", use("a"), use("b")), said("user", gave("a"))],
    "missing all": [QUESTION, said("assistant", use("a")), said("assistant", TextContent("Sunny"))],
    "left open": [QUESTION, said("assistant", use("a"))],
    "unasked result": [QUESTION, said("user", gave("z"))],
    "wrong result": [QUESTION, said("assistant", use("a")), said("user", gave("z"))],
    "late": [QUESTION, said("assistant", use("a")), QUESTION, said("user", gave("a"))],
    "result from the assistant": [QUESTION, said("assistant", use("a")), said("assistant", gave("a"))],
}


def sampling_plugin(_: list[str]) -> Plugin[Any]:
    """Tools that sample."""
    plugin = Plugin("sampling")

    @plugin.tool
    async def converse(conversation: str, ctx: Context) -> str:
        """Send one of the conversations."""
        messages = CONVERSATIONS[conversation]
        return (await ctx.sample(messages, max_tokens=10, tools=TOOLS, key="reply")).text

    @plugin.tool
    async def full(ctx: Context) -> str:
        """Say everything a sampling request can say."""
        reply = await ctx.sample(
            "Hello",
            max_tokens=5,
            system_prompt="Be brief",
            temperature=0.1,
            stop_sequences=["."],
            model_preferences={"hints": [{"name": "small"}], "costPriority": 1},
            metadata={"x": 1},
            tools=TOOLS,
            tool_choice={"mode": "none"},
            key="reply",
        )
        return f"{reply.model}: {reply.text}"

    return plugin


@pytest.mark.spec("client/sampling#tools-in-sampling", "declared-tools")
@pytest.mark.parametrize("declared", [{}, {"context": {}}])
@over(*EVERY_WIRE, plugin=sampling_plugin)
async def test_tools_are_offered_only_to_clients_that_declared_them(client: Client, declared: Message) -> None:
    error = (await client.call("full", capabilities={"sampling": declared})).refused(-32021)
    assert error["data"] == {"requiredCapabilities": {"sampling": {"tools": {}}}}
    assert (await client.call("full", capabilities={"sampling": {"tools": {}}})).asked["reply"]["params"][
        "tools"
    ] == TOOLS


@pytest.mark.spec("client/sampling#messages", "role-and-content")
@pytest.mark.spec("client/sampling#sampling-parameters", "max-tokens")
@over(*EVERY_WIRE)
async def test_a_sampling_request_has_messages_and_a_limit(client: Client) -> None:
    asked = (await client.call("think")).asked["capital"]
    assert asked == {
        "method": "sampling/createMessage",
        "params": {
            "messages": [{"role": "user", "content": {"type": "text", "text": "What is the capital of France?"}}],
            "maxTokens": 100,
        },
    }


@pytest.mark.spec("client/sampling#messages", "role-and-content")
@over(*EVERY_WIRE, plugin=sampling_plugin)
async def test_everything_that_a_sampling_request_can_say_is_said(client: Client) -> None:
    answer = await client.call("full")
    params = answer.asked["reply"]["params"]
    assert set(params) == {
        "messages",
        "maxTokens",
        "systemPrompt",
        "temperature",
        "stopSequences",
        "modelPreferences",
        "metadata",
        "tools",
        "toolChoice",
    }
    assert (await client.retry(answer, {"reply": sampled("Hi")})).text == "test: Hi"


@pytest.mark.spec("client/sampling#tool-result-messages", "unmixed")
@pytest.mark.spec("client/sampling#tool-use-and-result-balance", "balanced")
@pytest.mark.spec("client/sampling#security-considerations", "tool-results")
@pytest.mark.parametrize("conversation", CONVERSATIONS)
@over(*EVERY_WIRE, plugin=sampling_plugin)
async def test_tool_uses_and_results_come_in_balance_or_are_not_sent(client: Client, conversation: str) -> None:
    answer = await client.call("converse", {"conversation": conversation})
    if conversation in {"balanced", "with text beside the uses", "twice"}:
        messages = answer.asked["reply"]["params"]["messages"]
        rounds = 2 if conversation == "twice" else 1
        assert [message["role"] for message in messages] == ["user", "assistant"] * rounds + ["user"]
        assert [message for message in messages if not message["content"]] == []
        assert (await client.retry(answer, {"reply": sampled("Sunny")})).text == "Sunny"
    else:
        assert answer.result["isError"]


@pytest.mark.spec("client/sampling#messages", "role-and-content")
@pytest.mark.parametrize(
    "reply",
    [
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Par"}, {"type": "text", "text": "is"}],
            "model": "m",
        },
        {
            "role": "assistant",
            "content": {"type": "text", "text": "Paris"},
            "model": "m",
            "stopReason": "own",
            "extra": 1,
        },
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Paris"}, {"type": "image", "data": "", "mimeType": "image/png"}],
            "model": "m",
        },
    ],
)
@over(*EVERY_WIRE)
async def test_the_model_may_answer_in_one_block_or_in_several(client: Client, reply: Message) -> None:
    answer = await client.retry(await client.call("think"), {"capital": reply})
    assert answer.text == "The model said: Paris"


@pytest.mark.spec("client/sampling#messages", "role-and-content")
@pytest.mark.parametrize(
    "reply",
    [{}, {"role": "assistant"}, {"role": "robot", "content": {"type": "text", "text": ""}, "model": "m"}, [], "Paris"],
)
@over(*EVERY_WIRE)
async def test_an_answer_that_is_none_is_refused(client: Client, reply: Any) -> None:
    (await client.retry(await client.call("think"), {"capital": reply})).refused(-32602)


@pytest.mark.spec("client/sampling#tools-in-sampling", "declared-tools")
@over(*EVERY_WIRE)
async def test_a_client_without_sampling_is_not_asked(client: Client) -> None:
    without = {key: value for key, value in ABLE.items() if key != "sampling"}
    (await client.call("think", capabilities=without)).refused(-32021)
