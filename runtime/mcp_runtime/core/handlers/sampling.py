"""Sampling: conversations for the client's model. Rule: what a provider would refuse for its shape is never sent.

Spec: 2026-07-28/client/sampling#message-content-constraints
"""

from collections.abc import Sequence
from typing import Any, TypedDict

import msgspec

from mcp_runtime.core.calls.errors import PluginError
from mcp_runtime.protocol.content import SamplingContent, SamplingMessage, ToolResultContent, ToolUseContent


class SamplingOptions(TypedDict, total=False):
    """The options of a question to the client's model, beside its messages and `max_tokens`."""

    system_prompt: str | None
    temperature: float | None
    stop_sequences: Sequence[str] | None
    model_preferences: dict[str, Any] | None
    metadata: dict[str, Any] | None
    tools: Sequence[dict[str, Any]] | None
    tool_choice: dict[str, Any] | None


class CreateMessageRequestParams(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A question to the client's model. Spec: 2026-07-28/client/sampling#creating-messages"""

    messages: list[SamplingMessage]
    max_tokens: int
    system_prompt: str | None = None
    temperature: float | None = None
    stop_sequences: Sequence[str] | None = None
    model_preferences: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    tools: Sequence[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None


def check_conversation(messages: Sequence[SamplingMessage]) -> None:
    """Raises PluginError where tool results are mixed with other content, or a tool use has no result next to it."""
    open_uses: set[str] = set()
    for number, message in enumerate(messages, start=1):
        blocks = _blocks(message)
        results = [block for block in blocks if isinstance(block, ToolResultContent)]
        if results and (message.role != "user" or len(results) != len(blocks)):
            raise PluginError(f"sampling message {number}: tool results stand alone, in a message of the user's")
        if {block.tool_use_id for block in results} != open_uses:
            raise PluginError(
                f"sampling message {number}: the tool uses before it need one result each, and only those"
            )
        open_uses = {block.id for block in blocks if isinstance(block, ToolUseContent)}
    if open_uses:
        raise PluginError(f"sampling: the tool uses {sorted(open_uses)} have no results")


def _blocks(message: SamplingMessage) -> list[SamplingContent]:
    return message.content if isinstance(message.content, list) else [message.content]
