"""Tools, prompts and a template that go as far as their client asks, for a server with small limits."""

from dataclasses import dataclass

from mcp_runtime import Context, Plugin

plugin = Plugin("bounded")


@dataclass
class Word:
    """An answer."""

    word: str


@plugin.tool
async def total(numbers: list[int]) -> int:
    return sum(numbers)


@plugin.tool
async def ask_again(times: int, ctx: Context) -> str:
    for number in range(times):
        await ctx.elicit(f"Question {number}?", Word)
    return "asked"


@plugin.tool
async def ask_at_once(count: int, ctx: Context) -> str:
    await ctx.gather(*(ctx.elicit(f"Question {number}?", Word) for number in range(count)))
    return "asked"


@plugin.tool
async def remember(size_bytes: int, ctx: Context) -> str:
    await ctx.memo("remembered", lambda: "x" * size_bytes)
    await ctx.elicit("Go on?", Word)
    return "remembered"


@plugin.prompt
async def first(topic: str) -> str:
    return topic


@plugin.completion(argument="topic", prompt="first")
async def complete_topic(value: str) -> list[str]:
    return [value]


@plugin.prompt
async def second() -> str:
    return "second"


@plugin.prompt
async def third() -> str:
    return "third"


@plugin.resource("note://{+path}")
async def note(path: str) -> str:
    return path
