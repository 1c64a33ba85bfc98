"""Tools that ask with forms: of text, numbers, boxes to tick, choices.

Rule: a type where a type can say it, else a schema.

Spec: 2026-07-28/client/elicitation#requested-schema
"""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from mcp_runtime import Context, Elicitation

from .plugin import plugin


@dataclass
class Account:
    """Two fields that must be filled in."""

    username: Annotated[str, Field(description="User's response")]
    email: Annotated[str, Field(description="User's email address", json_schema_extra={"format": "email"})]


@dataclass
class Profile:
    """Fields of every type, each with a default that the client shows."""

    name: Annotated[str, Field(description="User name")] = "John Doe"
    age: Annotated[int, Field(description="User age")] = 30
    score: Annotated[float, Field(description="User score")] = 95.5
    status: Annotated[Literal["active", "inactive", "pending"], Field(description="User status")] = "active"
    verified: Annotated[bool, Field(description="Verification status")] = True


def _titled(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"const": value, "title": title} for value, title in values.items()]


# Choices with titles of their own have no Python type: this is where a form is written as a schema.
CHOICES: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {
            "type": "string",
            "oneOf": _titled({"value1": "First Option", "value2": "Second Option", "value3": "Third Option"}),
        },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
        },
        "titledMulti": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {
                "anyOf": _titled({"value1": "First Choice", "value2": "Second Choice", "value3": "Third Choice"})
            },
        },
    },
}


@plugin.tool
async def test_elicitation(message: str, ctx: Context) -> str:
    """Ask the user for a user name and an email address.

    Args:
        message: What to say above the form.
    """
    answer = await ctx.elicit(message, Account)
    return f"User response: {_told(answer)}"


@plugin.tool
async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Ask the user to review a form that is filled in already."""
    answer = await ctx.elicit("Please review and update the form fields with defaults", Profile)
    return f"Elicitation completed: {_told(answer)}"


@plugin.tool
async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Ask the user to choose, in each of the five ways to offer choices."""
    answer = await ctx.elicit("Please select options from the enum fields", CHOICES)
    return f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content or {})}"


def _told(answer: Elicitation[Account] | Elicitation[Profile]) -> str:
    content = json.dumps(asdict(answer.data)) if answer.accepted else "{}"
    return f"action={answer.action}, content={content}"
