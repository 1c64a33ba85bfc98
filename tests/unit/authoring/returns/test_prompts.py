"""What a prompt function returned is a list of messages, and plain text is what the user says."""

from typing import Annotated, Any

import pytest
from msgspec import UNSET
from pydantic import Field

from mcp_runtime.authoring.registration.arguments import Arguments, prompt_arguments
from mcp_runtime.authoring.registration.signatures import read_signature
from mcp_runtime.authoring.returns.prompts import prompt_result
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import PluginError
from mcp_runtime.protocol.content import ImageContent, PromptMessage, ResourceLink, TextContent
from mcp_runtime.protocol.messages import PromptArgument

IMAGE = ImageContent(b"x", "image/png")
LINK = ResourceLink("a://b", "n")
SAID = PromptMessage("assistant", TextContent("Hello."))


def user(content: Any) -> PromptMessage:
    return PromptMessage("user", content)


@pytest.mark.spec("server/prompts#promptmessage")
@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ("Hi", [user(TextContent("Hi"))]),
        ("", [user(TextContent(""))]),
        (IMAGE, [user(IMAGE)]),
        (SAID, [SAID]),
        (["Hi", SAID, LINK], [user(TextContent("Hi")), SAID, user(LINK)]),
        (("Hi",), [user(TextContent("Hi"))]),
        ([], []),
        ([["Hi", IMAGE]], [user(TextContent("Hi")), user(IMAGE)]),
    ],
    ids=str,
)
def test_text_and_content_are_the_users_and_messages_are_whose_they_say(
    value: Any, messages: list[PromptMessage]
) -> None:
    found = prompt_result(value, "A prompt")
    assert (found.messages, found.description, found.result_type) == (messages, "A prompt", "complete")


@pytest.mark.parametrize("value", [None, 5, {"role": "user"}, b"x", ["a", None], [5], [[]]], ids=str)
def test_anything_else_is_refused_by_its_type(value: Any) -> None:
    item = next((item for item in value if not isinstance(item, str)), None) if isinstance(value, list) else value
    with pytest.raises(PluginError, match=rf"not {type(item).__name__}$"):
        prompt_result(value, UNSET)


def test_a_prompt_without_a_description_has_none() -> None:
    assert prompt_result("Hi", UNSET).description is UNSET


@pytest.mark.spec("server/prompts#prompt")
def test_parameters_are_listed_as_arguments() -> None:
    async def prompt(
        code: Annotated[str, Field(title="Code", description="What to review")],
        lang: str = "python",
        n: int | None = None,
    ) -> str:
        """Review.

        Args:
            code: Not this.
            lang: Its language.
        """
        return code

    signature = read_signature(prompt)
    assert prompt_arguments(signature, Arguments(signature, Limits()).schema) == [
        PromptArgument("code", title="Code", description="What to review", required=True),
        PromptArgument("lang", description="Its language.", required=False),
        PromptArgument("n", required=False),
    ]


def test_a_prompt_without_parameters_has_no_arguments() -> None:
    async def prompt() -> str:
        return "Hi"

    signature = read_signature(prompt)
    assert prompt_arguments(signature, Arguments(signature, Limits()).schema) == []
