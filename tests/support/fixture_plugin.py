"""What the tests call: tools, resources and prompts that ask, report, fail, wait and change. Rule: what the protocol
cannot show of a handler, it writes into the journal.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final

import anyio
from pydantic import BaseModel, Field

from mcp_runtime import (
    Annotations,
    AudioContent,
    BlobResourceContents,
    Completions,
    Context,
    EmbeddedResource,
    Icon,
    ImageContent,
    PeerError,
    Plugin,
    PromptMessage,
    ResourceLink,
    SyncContext,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
    ToolError,
    ToolResult,
)

PIXEL: Final = bytes.fromhex("89504e470d0a1a0a")
"""The first bytes of a PNG: no picture, but not text either."""
SOUND: Final = b"RIFF\x26\0\0\0WAVE"
MIRRORED: Final = {"regional": {"region": "Region", "count": "Count", "dry": "Dry-Run", "place.city": "City"}}
"""The arguments that travel in `Mcp-Param-*` headers, by tool."""
SECRET: Final = "hunter2, at /srv/secret/path"
"""What a handler fails with, and no client may see."""


class Name(BaseModel):
    """A form."""

    name: str = Field(min_length=1)


class Colour(Enum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Taste:
    """A form with a choice."""

    colour: Colour


class Weather(BaseModel):
    """What `weather` returns."""

    celsius: float
    sky: str


def make_plugin(journal: list[str]) -> Plugin[Any]:
    """A plugin of its own for every test; `journal` is where its handlers write."""
    plugin = Plugin("fixture", instructions="Call echo to hear yourself.")
    _plain_tools(plugin)
    _talking_tools(plugin)
    _failing_tools(plugin)
    _waiting_tools(plugin, journal)
    _asking_tools(plugin, journal)
    _changing_tools(plugin)
    _resources(plugin)
    _prompts(plugin)
    _completions(plugin)
    _lifespan(plugin, journal)
    return plugin


def bare_plugin(_: list[str]) -> Plugin[Any]:
    """One tool, and nothing else."""
    plugin = Plugin("bare")

    @plugin.tool
    async def echo(text: str) -> str:
        """Say the same."""
        return text

    return plugin


def _plain_tools(plugin: Plugin[Any]) -> None:
    @plugin.tool(
        title="Echo",
        annotations=ToolAnnotations(read_only_hint=True),
        icons=[Icon(src="https://example.com/echo.png", mime_type="image/png", sizes=["48x48"])],
        meta={"example.com/kind": "plain"},
    )
    async def echo(text: Annotated[str, Field(description="What to say.", max_length=100_000)]) -> str:
        """Say the same."""
        return text

    @plugin.tool
    async def nothing() -> None:
        """Return nothing."""

    @plugin.tool
    async def weather(city: str, days: int = 1) -> Weather:
        """Typed, so with an output schema."""
        return Weather(celsius=20.5 + days, sky=f"clear over {city}")

    @plugin.tool
    async def media() -> list[TextContent | ImageContent | AudioContent | EmbeddedResource | ResourceLink]:
        """One of each kind of content."""
        note = Annotations(audience=["user"], priority=0.5)
        return [
            TextContent("text", annotations=note),
            ImageContent(PIXEL, "image/png"),
            AudioContent(SOUND, "audio/wav"),
            EmbeddedResource(TextResourceContents("note://embedded", "inside", "text/plain")),
            EmbeddedResource(BlobResourceContents("note://blob", PIXEL, "image/png")),
            ResourceLink(uri="note://text", name="text"),
        ]

    @plugin.tool(
        input_schema={
            "type": "object",
            "properties": {
                "region": {"type": "string", "x-mcp-header": "Region"},
                "count": {"type": "integer", "x-mcp-header": "Count"},
                "dry": {"type": "boolean", "x-mcp-header": "Dry-Run"},
                "place": {"type": "object", "properties": {"city": {"type": "string", "x-mcp-header": "City"}}},
                "query": {"type": "string"},
            },
            "required": ["query"],
        }
    )
    async def regional(arguments: dict[str, Any]) -> str:
        """Some of its arguments travel in headers too."""
        return str(sorted(arguments.items()))

    @plugin.tool
    async def about_me(ctx: Context) -> dict[str, Any]:
        """What the handler knows of the request."""
        info = ctx.client_info
        return {
            "client": None if info is None else info.name,
            "method": ctx.method,
            "version": ctx.protocol_version,
            "transport": ctx.transport,
            "principal": ctx.principal,
            "trace": [ctx.trace.traceparent, ctx.trace.tracestate, ctx.trace.baggage],
            "meta": sorted(ctx.meta),
        }


def _talking_tools(plugin: Plugin[Any]) -> None:
    @plugin.tool
    async def count(ctx: Context, steps: int = 3) -> str:
        """Report progress."""
        for step in range(1, steps + 1):
            await ctx.progress(step, steps, f"step {step}")
        return f"counted to {steps}"

    @plugin.tool
    async def dither(ctx: Context) -> str:
        """Report progress that does not always grow."""
        for value in (1, 1, 0.5, 2, 1.5, 3):
            await ctx.progress(value)
        return "dithered"

    @plugin.tool
    async def chat(ctx: Context) -> str:
        """Log on several levels."""
        await ctx.message("debug", "small talk", logger="chat")
        await ctx.message("info", {"said": ["hello", None]})
        await ctx.message("error", "oh dear", logger="chat")
        return "chatted"

    @plugin.tool
    def chat_in_thread(ctx: SyncContext, text: str) -> str:
        """Log and report from a worker thread."""
        ctx.progress(1, 2)
        ctx.message("info", text)
        return f"said {text}"

    @plugin.tool
    async def ask_late(ctx: Context) -> str:
        """Report progress, then ask."""
        await ctx.progress(1)
        answer = await ctx.elicit("What is your name?", Name, key="user_name")
        return f"Hello, {answer.data.name}!"


def _failing_tools(plugin: Plugin[Any]) -> None:
    @plugin.tool
    async def fail_kindly() -> str:
        """Fail so that the model can do better."""
        raise ToolError("There is no train on Sundays; try Monday")

    @plugin.tool
    async def crash() -> str:
        """Fail with what nobody may see."""
        raise RuntimeError(SECRET)

    @plugin.tool
    async def refuse(code: int = -32602) -> str:
        """Fail with a protocol error."""
        raise PeerError(code, "Refused", {"why": "because"})

    @plugin.tool(output_schema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    async def broken_promise(value: str) -> ToolResult:
        """Return what its output schema does not allow."""
        return ToolResult(content=["as promised"], structured_content={"n": value})

    @plugin.tool
    async def need_sampling(ctx: Context) -> str:
        """Refuse clients that cannot sample."""
        ctx.require(sampling=True)
        return "you can"


def _waiting_tools(plugin: Plugin[Any], journal: list[str]) -> None:
    @plugin.tool
    async def nap(seconds: float = 1000) -> str:
        """Take a while, and write down how it ended."""
        journal.append("nap began")
        try:
            await anyio.sleep(seconds)
        except anyio.get_cancelled_exc_class():
            journal.append("nap cancelled")
            raise
        journal.append("nap ended")
        return "rested"

    @plugin.tool(timeout_s=5)
    async def hang() -> str:
        """Never end by itself."""
        await anyio.sleep_forever()
        return "never"

    @plugin.tool
    async def stubborn() -> str:
        """Answer although cancelled."""
        try:
            await anyio.sleep(1000)
        except anyio.get_cancelled_exc_class():
            journal.append("cancellation swallowed")
        return "an answer nobody waits for"

    @plugin.tool
    async def tidy(ctx: Context) -> str:
        """Clean up when cancelled, and talk about it."""
        try:
            await anyio.sleep(1000)
        finally:
            with anyio.CancelScope(shield=True):
                await ctx.progress(99)
                await ctx.message("error", "cleaned up")
            journal.append("tidied")
        return "rested"

    @plugin.tool
    async def slow_count(ctx: Context, steps: int = 3, pause_s: float = 1) -> str:
        """Report progress with pauses."""
        for step in range(1, steps + 1):
            await ctx.progress(step, steps)
            await anyio.sleep(pause_s)
        return "counted"


def _asking_tools(plugin: Plugin[Any], journal: list[str]) -> None:
    @plugin.tool
    async def greet(ctx: Context, greeting: str = "Hello") -> str:
        """Ask for a name."""
        answer = await ctx.elicit("What is your name?", Name, key="user_name")
        match answer.action:
            case "accept":
                return f"{greeting}, {answer.data.name}!"
            case action:
                return f"No name: {action}"

    @plugin.tool
    async def interview(ctx: Context) -> str:
        """Ask twice, and work once before it."""

        def draw() -> int:
            journal.append("drew a number")
            return 7

        number = await ctx.memo("number", draw)
        name = (await ctx.elicit("What is your name?", Name, key="name")).data.name
        taste = (await ctx.elicit("Which colour?", Taste, key="taste")).data
        return f"{name} likes {taste.colour.value} and {number}"

    @plugin.tool
    async def survey(ctx: Context) -> str:
        """Ask three things at once."""
        name, haiku, roots = await ctx.gather(
            ctx.elicit("What is your name?", Name, key="user_name"),
            ctx.sample("A haiku, please", max_tokens=50, key="haiku"),
            ctx.roots(key="folders"),
        )
        return f"{name.data.name}: {haiku.text} ({', '.join(root.uri for root in roots)})"

    @plugin.tool
    async def think(ctx: Context) -> str:
        """Ask the client's model."""
        reply = await ctx.sample("What is the capital of France?", max_tokens=100, key="capital")
        return f"The model said: {reply.text}"

    @plugin.tool
    async def where(ctx: Context) -> str:
        """Ask for roots."""
        return ", ".join(root.uri for root in await ctx.roots(key="folders"))

    @plugin.tool
    async def sign_in(ctx: Context, url: str = "https://example.com/sign-in") -> str:
        """Ask the user to open a page."""
        answer = await ctx.elicit_url("Please sign in", url, key="sign_in")
        return f"sign-in: {answer.action}"

    @plugin.tool
    async def nag(ctx: Context) -> str:
        """Ask again and again."""
        for turn in range(1000):
            await ctx.elicit("And now?", Name, key=f"turn{turn}")
        return "enough"

    @plugin.tool
    async def hoard(ctx: Context, size: int) -> str:
        """Put much into the state, then ask."""
        kept = await ctx.memo("hoard", lambda: "x" * size)
        await ctx.elicit("Go on?", Name, key="go_on")
        return str(len(kept))


def _changing_tools(plugin: Plugin[Any]) -> None:
    async def extra() -> str:
        """Came later."""
        return "extra"

    async def extra_note() -> str:
        """Came later."""
        return "extra"

    @plugin.tool
    async def grow(kind: str, name: str) -> str:
        """Add a tool, prompt or resource."""
        adders: dict[str, Callable[[], None]] = {
            "tool": lambda: plugin.add_tool(extra, name=name),
            "prompt": lambda: plugin.add_prompt(extra, name=name),
            "resource": lambda: plugin.add_resource(f"note://{name}", extra_note, name=name),
        }
        adders[kind]()
        return f"grew {name}"

    @plugin.tool
    async def shrink(kind: str, name: str) -> str:
        """Remove a tool, prompt or resource."""
        removers: dict[str, Callable[[], None]] = {
            "tool": lambda: plugin.remove_tool(name),
            "prompt": lambda: plugin.remove_prompt(name),
            "resource": lambda: plugin.remove_resource(f"note://{name}"),
        }
        removers[kind]()
        return f"shrank {name}"

    @plugin.tool
    async def touch(uri: str) -> str:
        """Say that a resource changed."""
        plugin.resource_updated(uri)
        return f"touched {uri}"

    @plugin.tool
    def touch_in_thread(uri: str) -> str:
        """Say so from a worker thread."""
        plugin.resource_updated(uri)
        return f"touched {uri}"


def _resources(plugin: Plugin[Any]) -> None:
    @plugin.resource(
        "note://text",
        title="A note",
        mime_type="text/plain",
        size=6,
        annotations=Annotations(audience=["assistant"], priority=1.0, last_modified="2026-01-12T15:00:58Z"),
        icons=[Icon(src="data:image/png;base64,iVBORw0KGgo=", theme="dark")],
    )
    async def text() -> str:
        """Some text."""
        return "a note"

    @plugin.resource("note://bytes", mime_type="image/png", ttl_ms=60_000, cache_scope="public")
    async def bytes_() -> bytes:
        """Some bytes."""
        return PIXEL

    @plugin.resource("note://folder")
    async def folder() -> list[TextResourceContents | BlobResourceContents]:
        """Several contents."""
        return [
            TextResourceContents("note://folder/a", "a", "text/plain"),
            BlobResourceContents("note://folder/b", PIXEL),
        ]

    @plugin.resource("note://gone")
    async def gone() -> None:
        """Listed, and not there."""

    @plugin.resource("note://empty")
    async def empty() -> str:
        """There, and empty."""
        return ""

    @plugin.resource("note://crash")
    async def crash() -> str:
        """Fail with what nobody may see."""
        raise RuntimeError(SECRET)

    @plugin.resource("vault://combination")
    async def combination(ctx: Context) -> str:
        """Ask before it opens."""
        name = (await ctx.elicit("Who is there?", Name, key="who")).data.name
        return f"opened for {name}"

    @plugin.resource("users://{id}/profile", mime_type="application/json")
    async def profile(id: int) -> dict[str, int]:
        """A family of resources."""
        return {"id": id}

    @plugin.resource("file:///srv/{+path}")
    async def served_file(path: str) -> str:
        """Files below one folder."""
        return f"contents of {path}"


def _prompts(plugin: Plugin[Any]) -> None:
    @plugin.prompt
    async def plain() -> str:
        """No arguments."""
        return "Tell me a story."

    @plugin.prompt(title="Review", icons=[Icon(src="https://example.com/review.svg", sizes=["any"])])
    async def review(code: str, language: str = "python") -> list[PromptMessage | str]:
        """Review some code.

        :param code: The code.
        """
        return [f"Review this {language}:", PromptMessage("assistant", TextContent(code))]

    @plugin.prompt
    async def illustrated() -> list[PromptMessage]:
        """One message of each kind of content."""
        return [
            PromptMessage("user", TextContent("Look:", annotations=Annotations(priority=0.1))),
            PromptMessage("user", ImageContent(PIXEL, "image/png")),
            PromptMessage("user", AudioContent(SOUND, "audio/wav")),
            PromptMessage("user", EmbeddedResource(TextResourceContents("note://text", "a note", "text/plain"))),
            PromptMessage("user", EmbeddedResource(BlobResourceContents("note://bytes", PIXEL, "image/png"))),
            PromptMessage("user", ResourceLink(uri="note://text", name="text")),
        ]

    @plugin.prompt
    async def personal(ctx: Context) -> str:
        """Ask for a name first."""
        name = (await ctx.elicit("Whose story?", Name, key="whose")).data.name
        return f"Tell the story of {name}."

    @plugin.prompt
    async def crashing() -> str:
        """Fail with what nobody may see."""
        raise RuntimeError(SECRET)


def _completions(plugin: Plugin[Any]) -> None:
    @plugin.completion(prompt="review", argument="language")
    async def languages(value: str, settled: dict[str, str]) -> list[str]:
        known = ["python", "pytorch", "rust"] if "import" not in settled.get("code", "") else ["python"]
        return [language for language in known if language.startswith(value)]

    @plugin.completion(resource="users://{id}/profile", argument="id")
    async def ids(value: str) -> Completions:
        matching = [str(number) for number in range(1000) if str(number).startswith(value)]
        return Completions(values=matching, total=len(matching))

    @plugin.completion(prompt="review", argument="code")
    async def code(value: str) -> list[str]:
        raise RuntimeError(SECRET)


def _lifespan(plugin: Plugin[Any], journal: list[str]) -> None:
    @plugin.lifespan
    async def life() -> AsyncGenerator[None]:
        journal.append("started")
        try:
            yield
        finally:
            journal.append("stopped")
