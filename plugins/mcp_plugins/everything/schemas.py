"""Tools with input schemas beyond plain types.

Rule: type hints make the input schema; where they do not suffice, bring your own.

Spec: 2026-07-28/server/tools#tool
"""

from typing import Annotated, Any, Final

from pydantic import Field

from .plugin import plugin

# The suite compares what `tools/list` says with this, keyword by keyword: nothing may be dropped or rewritten.
JSON_SCHEMA_2020_12: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@plugin.tool(input_schema=JSON_SCHEMA_2020_12)
async def json_schema_2020_12_tool(contact: dict[str, Any]) -> str:
    """Take a contact with a phone number or an email address, checked by a schema written by hand."""
    return f"Reach {contact.get('name', 'them')} by {contact.get('contactMethod', 'email')}."


@plugin.tool
async def test_x_mcp_header(
    region: Annotated[
        str, Field(description="Region to look at, such as eu-north-1.", json_schema_extra={"x-mcp-header": "Region"})
    ],
) -> str:
    """Take a parameter that HTTP clients repeat in the header Mcp-Param-Region, so that proxies can route by it."""
    return f"Region: {region}"
