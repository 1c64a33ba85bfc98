"""What every Python client does, step by step. Rule: a step writes what it saw under its names, and asserts nothing.

The same steps, under the same names, are in steps.mjs for Node clients. `session` is what the library calls its client:
a `ClientSession` of `mcp` 1.x and a `Client` of 2.x name their methods alike, and members of results nearly so.
"""

import json
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any
from uuid import uuid4

from tests.clients.legacy.heard import PATIENCE_S, Heard
from tests.clients.legacy.wire_log import WireLog

ANSWERS = {
    "name": "Ann",
    "color": "green",
    "username": "ann",
    "email": "ann@example.com",
    "context": "tests",
    "ok": True,
}


def member(value: Any, *names: str) -> Any:
    """The first of the members that there is: 1.x says isError, 2.x is_error."""
    return next(getattr(value, name) for name in names if hasattr(value, name))


class Answers:
    """How the user, their model and their editor answer. `types` is the library's module of protocol types."""

    def __init__(self, types: Any) -> None:
        self.types = types
        self.action = "accept"

    async def elicit(self, context: Any, params: Any) -> Any:  # noqa: ARG002 - as the library calls it
        if self.action != "accept":
            return self.types.ElicitResult(action=self.action)
        wanted = member(params, "requestedSchema", "requested_schema")["properties"]
        return self.types.ElicitResult(action="accept", content={name: ANSWERS[name] for name in wanted})

    async def sample(self, context: Any, params: Any) -> Any:  # noqa: ARG002 - as the library calls it
        text = f"sampled: {params.messages[0].content.text}"
        content = self.types.TextContent(type="text", text=text)
        return self.types.CreateMessageResult(role="assistant", model="m", content=content)

    async def roots(self, context: Any) -> Any:  # noqa: ARG002 - as the library calls it
        return self.types.ListRootsResult(roots=[self.types.Root(uri="file:///work")])


class Steps:
    """One conversation. A subclass replaces what its library does in another way."""

    def __init__(self, session: Any, answers: Answers, heard: Heard, wire: WireLog, transport: str) -> None:
        self.session = session
        self.answers = answers
        self.heard = heard
        self.wire = wire
        self.transport = transport
        self.seen: dict[str, Any] = {}

    async def all(self) -> None:
        """Every step, in the order of the transcript."""
        await self.lists()
        await self.calls()
        await self.progress()
        await self.logs()
        await self.questions()
        await self.reads()
        await self.updates()
        await self.changes()
        await self.session.send_roots_list_changed()
        await self.session.send_ping()
        self.seen["ping"] = True

    # What a library may do in its own way.

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any] | None = None) -> tuple[bool, str]:
        """Whether the tool failed, and its text."""
        result = await self.session.call_tool(name, arguments or {})
        return outcome(result)

    async def call_with_progress(self, name: str) -> None:
        await self.session.call_tool(name, {}, progress_callback=self.heard.on_progress)

    async def read(self, uri: str) -> str:
        return str((await self.session.read_resource(self.uri(uri))).contents[0].text)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return str((await self.session.get_prompt(name, arguments)).messages[0].content.text)

    def uri(self, uri: str) -> Any:
        """A URI as the library wants it."""
        return uri

    # The steps.

    async def lists(self) -> None:
        session, seen = self.session, self.seen
        seen["tools"] = await self.tools()
        seen["resources"] = [str(one.uri) for one in (await session.list_resources()).resources]
        templates = member(await session.list_resource_templates(), "resourceTemplates", "resource_templates")
        seen["templates"] = [member(one, "uriTemplate", "uri_template") for one in templates]
        seen["prompts"] = [prompt.name for prompt in (await session.list_prompts()).prompts]

    async def calls(self) -> None:
        seen = self.seen
        seen["text"] = await self.call("test_simple_text")
        seen["tool_error"] = await self.call("test_error_handling")
        seen["bad_argument"] = await self.call("test_x_mcp_header", {"region": 5})
        seen["unknown_tool"] = await refusal(self.session.call_tool("no_such_tool", {}))
        seen["unknown_resource"] = await refusal(self.session.read_resource(self.uri("test://nothing")))

    async def progress(self) -> None:
        await self.call_with_progress("test_tool_with_progress")
        await self.heard.until(lambda: len(self.heard.progress) >= 3)
        self.seen["progress"] = self.heard.progress
        self.seen["reconnected"] = await self.call("test_reconnection")

    async def logs(self) -> None:
        await self.session.set_logging_level("info")
        await self.call("test_tool_with_logging")
        await self.heard.until(lambda: len(self.heard.logs) >= 3)
        self.seen["logs"] = list(self.heard.logs)
        await self.session.set_logging_level("error")
        await self.call("test_tool_with_logging")
        self.seen["logs_at_error"] = self.heard.logs[len(self.seen["logs"]) :]

    async def questions(self) -> None:
        seen = self.seen
        for name, action in (("accepted", "accept"), ("declined", "decline"), ("cancelled", "cancel")):
            self.answers.action = action
            seen[name] = await self.told("test_elicitation", {"message": "Who?"})
        self.answers.action = "accept"
        seen["sampled"] = await self.told("test_sampling", {"prompt": "Hello"})
        seen["roots"] = await self.told("test_input_required_result_list_roots", {})
        seen["many"] = await self.told("test_input_required_result_multiple_inputs", {})
        seen["rounds"] = await self.told("test_input_required_result_multi_round", {})

    async def told(self, tool: str, arguments: dict[str, Any]) -> str | tuple[int, str]:
        """A tool's text, or code and message of the error that the server refuses to call it with."""
        try:
            return (await self.call(tool, arguments))[1]
        except protocol_error() as error:
            return (error.error.code, error.error.message)

    async def reads(self) -> None:
        seen = self.seen
        seen["resource"] = await self.read("test://static-text")
        seen["template"] = await self.read("test://template/123/data")
        seen["prompt"] = await self.prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        reference = self.answers.types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
        completed = await self.session.complete(reference, {"name": "arg1", "value": "par"})
        seen["completion"] = completed.completion.values

    async def updates(self) -> None:
        if self.transport != "stdio":
            await self.wire.stream_answered(PATIENCE_S)
        watched, other = f"touch://{uuid4().hex}", f"touch://{uuid4().hex}"
        await self.session.subscribe_resource(self.uri(watched))
        await self.call("touch", {"uri": other})
        await self.call("touch", {"uri": watched})
        await self.heard.until(lambda: len(self.heard.updated) >= 1)
        await self.session.unsubscribe_resource(self.uri(watched))
        await self.call("touch", {"uri": watched})
        # On one stream, in order: what an ended subscription still brought would come before the change of `changes`.
        self.seen["updated"] = [{watched: "watched", other: "other"}[uri] for uri in self.heard.updated]

    async def changes(self) -> None:
        before = len(self.heard.changes)
        await self.call("test_trigger_tool_change")
        await self.heard.until(lambda: len(self.heard.changes) > before)
        self.seen["changes"] = len(self.heard.changes) - before
        self.seen["updates_after_unsubscribe"] = len(self.heard.updated) - len(self.seen["updated"])
        self.seen["tools_after"] = await self.tools()


def outcome(result: Any) -> tuple[bool, str]:
    """Whether the tool failed, and its text."""
    texts = [block.text for block in result.content if block.type == "text"]
    return bool(member(result, "isError", "is_error")), "".join(texts)


def protocol_error() -> Any:
    """What the library raises for a JSON-RPC error: McpError in 1.x, MCPError in 2.x."""
    return member(import_module("mcp"), "McpError", "MCPError")


async def refusal(request: Awaitable[object]) -> tuple[int, str] | None:
    """Code and message of the JSON-RPC error that answers the request; None where a result does."""
    try:
        await request
    except protocol_error() as error:
        return (error.error.code, error.error.message)
    return None


async def printed(hold: Callable[[dict[str, Any], WireLog], Awaitable[dict[str, Any]]], argument: str) -> None:
    """Hold a conversation and print its transcript, with the requests that it took, its end included."""
    wire = WireLog()
    wire.install()
    seen = await hold(json.loads(argument), wire)
    print(json.dumps({**seen, "closed": True, "requests": wire.requests}))
