"""Prompts: messages to start a conversation with.

Rule: plain text is what the user says; return messages for anything else.

Spec: 2026-07-28/server/prompts
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mcp_runtime import Context, EmbeddedResource, ImageContent, PromptMessage, TextContent, TextResourceContents

from .plugin import plugin
from .samples import PNG


@plugin.prompt(title="Simple prompt")
async def test_simple_prompt() -> str:
    """Begin with a fixed text."""
    return "This is a simple prompt for testing."


@plugin.prompt(title="Prompt with arguments")
async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """Begin with a text made of two arguments.

    Args:
        arg1: The first of them.
        arg2: The second of them.
    """
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@plugin.completion(prompt="test_prompt_with_arguments", argument="arg1")
async def complete_arg1(value: str) -> Iterable[str]:
    """Suggest values that begin as typed."""
    return [known for known in ("paris", "park", "party", "testing") if known.startswith(value)]


@plugin.prompt(title="Prompt with an embedded resource")
async def test_prompt_with_embedded_resource(resourceUri: str) -> list[PromptMessage]:  # noqa: N803 - as the suite says
    """Begin with a resource and what to do with it.

    Args:
        resourceUri: The resource's address.
    """
    resource = TextResourceContents(resourceUri, "Embedded resource content for testing.", "text/plain")
    return [
        PromptMessage("user", EmbeddedResource(resource)),
        PromptMessage("user", TextContent("Please process the embedded resource above.")),
    ]


@plugin.prompt(title="Prompt with an image")
async def test_prompt_with_image() -> list[PromptMessage]:
    """Begin with a picture and what to do with it."""
    return [
        PromptMessage("user", ImageContent(PNG, "image/png")),
        PromptMessage("user", TextContent("Please analyze the image above.")),
    ]


@dataclass
class Setting:
    """A form with one field."""

    context: str


@plugin.prompt(title="Prompt that asks first")
async def test_input_required_result_prompt(ctx: Context) -> str:
    """Begin with what the user answers to a question."""
    answer = await ctx.elicit("What context should the prompt use?", Setting, key="user_context")
    return f"Please answer in this context: {answer.data.context}"
