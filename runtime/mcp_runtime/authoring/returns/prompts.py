"""The result of a prompt: messages, from what its function returned. Rule: plain text is what the user says.

Spec: 2026-07-28/server/prompts
"""

from collections.abc import Sequence
from typing import Any, cast

from msgspec import UnsetType

from mcp_runtime.authoring.returns.results import content_blocks
from mcp_runtime.core.calls.errors import PluginError
from mcp_runtime.protocol.content import PromptMessage
from mcp_runtime.protocol.messages import GetPromptResult


def prompt_result(value: Any, description: str | UnsetType) -> GetPromptResult:
    """The filled-in prompt. Raises PluginError for a value that is neither text nor messages."""
    items = cast("Sequence[object]", value) if isinstance(value, list | tuple) else [value]
    messages: list[PromptMessage] = []
    for item in items:
        if isinstance(item, PromptMessage):
            messages.append(item)
            continue
        blocks = content_blocks(item)
        if not blocks:
            raise PluginError(f"a prompt returns text, content or PromptMessage, not {type(item).__name__}")
        messages.extend(PromptMessage("user", block) for block in blocks)
    return GetPromptResult(messages=messages, description=description)
