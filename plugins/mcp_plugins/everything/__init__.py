"""The plugin `everything`: the fixture of the official conformance suite, and a tour of the author's API.

Read it in this order: `content` (what a tool may return), `schemas` (what it may take), `notifications` (talking while
it works), `input_required` (asking the user in a straight line), `elicitation_forms` (what a form may hold), `changes`
(lists that change), `resources`, `prompts`.

Serve it with `mcp-runtime serve --plugin mcp_plugins.everything`.
"""

# Importing a file declares what is in it, in this order: the suite wants `test_simple_text`, of `content`, first.
from . import content, schemas, notifications, input_required, elicitation_forms, changes, resources, prompts  # isort: skip
from .plugin import plugin

__all__ = [
    "changes",
    "content",
    "elicitation_forms",
    "input_required",
    "notifications",
    "plugin",
    "prompts",
    "resources",
    "schemas",
]
