"""The client of the PyPI package `mcp`, as a process. Rule: see `conversation`."""

import json
import sys
from collections.abc import Awaitable
from typing import Any

import anyio
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.subscriptions import SubscriptionLost, ToolsListChanged
from mcp_types import (
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitResult,
    ImageContent,
    ListRootsResult,
    PromptReference,
    Root,
    TextContent,
)

ANSWERS = {"name": "Ann", "color": "green", "context": "tests", "ok": True}


class Conversation:
    """One client and what it saw."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.seen: dict[str, Any] = {}

    async def text(self, tool: str, arguments: dict[str, Any] | None = None) -> str:
        result = await self.client.call_tool(tool, arguments)
        return "".join(block.text for block in result.content if isinstance(block, TextContent))

    async def lists(self) -> None:
        client, seen = self.client, self.seen
        seen["version"] = client.protocol_version
        seen["server"] = client.server_info and client.server_info.name
        seen["tools"] = [tool.name for tool in (await client.list_tools()).tools]
        seen["resources"] = [str(one.uri) for one in (await client.list_resources()).resources]
        seen["templates"] = [one.uri_template for one in (await client.list_resource_templates()).resource_templates]
        seen["prompts"] = [prompt.name for prompt in (await client.list_prompts()).prompts]

    async def calls(self, reported: list[float]) -> None:
        client, seen = self.client, self.seen
        seen["text"] = await self.text("test_simple_text")
        seen["header_text"] = await self.text("test_x_mcp_header", {"region": "zürich "})
        (image,) = (await client.call_tool("test_image_content")).content
        seen["image_type"] = image.mime_type if isinstance(image, ImageContent) else ""
        failed = await client.call_tool("test_error_handling")
        seen["tool_error"] = await self.text("test_error_handling") if failed.is_error else "no error"
        failed = await client.call_tool("test_x_mcp_header", {"region": 5})
        seen["bad_argument"] = failed.content[0].text if failed.is_error else "no error"  # type: ignore[union-attr]
        seen["unknown_tool"] = await code_of(client.call_tool("no_such_tool"))
        seen["unknown_resource"] = await code_of(client.read_resource("test://nothing"))

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            reported.append(progress)

        await client.call_tool("test_tool_with_progress", progress_callback=on_progress)
        await client.call_tool("test_tool_with_logging")

    async def questions(self, action: list[str]) -> None:
        seen = self.seen
        seen["accepted"] = await self.text("test_input_required_result_elicitation")
        action[0] = "decline"
        seen["declined"] = await self.text("test_input_required_result_elicitation")
        action[0] = "accept"
        seen["sampled"] = await self.text("test_input_required_result_sampling")
        seen["roots"] = await self.text("test_input_required_result_list_roots")
        seen["many"] = await self.text("test_input_required_result_multiple_inputs")
        seen["rounds"] = await self.text("test_input_required_result_multi_round")
        prompt = await self.client.get_prompt("test_input_required_result_prompt")
        seen["prompt_after_question"] = prompt.messages[0].content.text  # type: ignore[union-attr]

    async def reads(self) -> None:
        client, seen = self.client, self.seen
        prompt = await client.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        seen["prompt"] = prompt.messages[0].content.text  # type: ignore[union-attr]
        reference = PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
        completed = await client.complete(reference, {"name": "arg1", "value": "par"})
        seen["completion"] = completed.completion.values
        seen["resource"] = (await client.read_resource("test://static-text")).contents[0].text  # type: ignore[union-attr]
        seen["template"] = (await client.read_resource("test://template/123/data")).contents[0].text  # type: ignore[union-attr]
        seen["blob"] = (await client.read_resource("test://static-binary")).contents[0].blob[:8]  # type: ignore[union-attr]

    async def subscriptions(self) -> None:
        client, seen = self.client, self.seen
        async with client.listen(tools_list_changed=True) as subscription:
            await client.call_tool("test_trigger_tool_change")
            async for event in subscription:
                seen["changes"] = [type(event).__name__]
                assert isinstance(event, ToolsListChanged)
                break
        seen["tools_after"] = [tool.name for tool in (await client.list_tools()).tools]
        async with client.listen(tools_list_changed=True) as subscription:
            print("listening", flush=True)
            try:
                async for _ in subscription:
                    seen["changes"].append("unexpected")
                seen["ended"] = "graceful"
            except SubscriptionLost:
                seen["ended"] = "lost"


async def code_of(request: Awaitable[object]) -> int:
    """The code of the JSON-RPC error that answers the request."""
    try:
        await request
    except MCPError as error:
        return error.error.code
    return 0


async def main() -> None:
    target = json.loads(sys.argv[1])
    action, logs = ["accept"], list[Any]()

    async def on_elicit(context: Any, params: Any) -> ElicitResult:
        if action[0] != "accept":
            return ElicitResult(action="decline")
        assert isinstance(params, ElicitRequestFormParams)
        wanted = params.requested_schema["properties"]
        return ElicitResult(action="accept", content={name: ANSWERS[name] for name in wanted})  # type: ignore[misc]

    async def on_sample(context: Any, params: Any) -> CreateMessageResult:
        text = f"sampled: {params.messages[0].content.text}"
        return CreateMessageResult(role="assistant", model="m", content=TextContent(type="text", text=text))

    async def on_roots(context: Any) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri="file:///work")])  # type: ignore[arg-type]

    async def on_log(params: Any) -> None:
        logs.append([params.level, params.data])

    server: Any = target.get("url") or StdioServerParameters(
        command=target["command"], args=target["arguments"], env=target["environment"]
    )
    async with Client(
        server,
        mode=target["mode"],
        elicitation_callback=on_elicit,
        sampling_callback=on_sample,
        list_roots_callback=on_roots,
        logging_callback=on_log,
        log_level="info",
        read_timeout_seconds=20,
        cache=None,
    ) as client:
        conversation = Conversation(client)
        progress = list[float]()
        await conversation.lists()
        await conversation.calls(progress)
        await conversation.questions(action)
        await conversation.reads()
        await conversation.subscriptions()
    print(json.dumps({**conversation.seen, "progress": progress, "logs": logs}))


anyio.run(main)
