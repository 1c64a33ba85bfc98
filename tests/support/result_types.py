"""The type of each method's result, as the specification names it. Rule: typed from the schemas, not from the runtime.

The runtime has a table of its own; a mistake in one of them shows because they differ.
"""

from typing import Final

_OF_EVERY_REVISION: Final = {
    "tools/list": "ListToolsResult",
    "tools/call": "CallToolResult",
    "resources/list": "ListResourcesResult",
    "resources/templates/list": "ListResourceTemplatesResult",
    "resources/read": "ReadResourceResult",
    "prompts/list": "ListPromptsResult",
    "prompts/get": "GetPromptResult",
    "completion/complete": "CompleteResult",
}

RESULT_TYPES: Final = {
    **_OF_EVERY_REVISION,
    "server/discover": "DiscoverResult",
    "subscriptions/listen": "SubscriptionsListenResult",
}
"""Of 2026-07-28."""

OLD_RESULT_TYPES: Final = {**_OF_EVERY_REVISION, "initialize": "InitializeResult"}
"""Of the revisions before it; other methods of theirs have an empty result."""
