"""Tools that change the lists while clients look on. Rule: add and remove; those who listen hear of it.

Spec: 2026-07-28/basic/patterns/subscriptions
"""

from .plugin import plugin


async def test_dynamic_tool() -> str:
    """Answer while this tool is there."""
    return "Here for now"


async def test_dynamic_prompt() -> str:
    """Say something while this prompt is there."""
    return "Here for now"


@plugin.tool
async def test_trigger_tool_change() -> str:
    """Remove the tool test_dynamic_tool, or bring it back."""
    try:
        plugin.remove_tool("test_dynamic_tool")
    except KeyError:
        plugin.add_tool(test_dynamic_tool)
        return "Added test_dynamic_tool"
    return "Removed test_dynamic_tool"


@plugin.tool
async def test_trigger_prompt_change() -> str:
    """Remove the prompt test_dynamic_prompt, or bring it back."""
    try:
        plugin.remove_prompt("test_dynamic_prompt")
    except KeyError:
        plugin.add_prompt(test_dynamic_prompt)
        return "Added test_dynamic_prompt"
    return "Removed test_dynamic_prompt"
