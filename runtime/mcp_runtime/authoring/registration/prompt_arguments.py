"""The arguments of a prompt, read off its function. Rule: what a client is told of them is what the schema says.

Spec: 2026-07-28/server/prompts#prompt
"""

from typing import Any

from msgspec import UNSET

from mcp_runtime.authoring.registration.signatures import Signature
from mcp_runtime.protocol.messages import PromptArgument


def prompt_arguments(signature: Signature, schema: dict[str, Any]) -> list[PromptArgument]:
    """The arguments of a prompt as clients see them; `schema` is that of the function's parameters."""
    properties: dict[str, Any] = schema.get("properties", {})
    required: list[str] = schema.get("required", [])
    return [
        PromptArgument(
            name=name,
            title=properties[name].get("title", UNSET),
            description=properties[name].get("description", UNSET),
            required=name in required,
        )
        for name in signature.parameters
    ]
