"""The `Plugin` that all these files declare to.

Rule: a plugin of several files has its `Plugin` in one that imports none of the others.
"""

from mcp_runtime import Plugin

plugin = Plugin(
    "everything",
    instructions="A test server: every tool does what its name says, for the conformance suite and for the curious.",
)
