"""The five revisions and the two eras. Rule: only this file decides which era a message opens.

Modern revisions carry version and capabilities in every request; legacy ones agree on them in an `initialize`
handshake. `Mcp-Method` decides nothing: old clients send it too.
Spec: 2026-07-28/basic/versioning#terminology
"""

import enum
from typing import Final

MODERN_REVISIONS: Final = ("2026-07-28",)
LEGACY_REVISIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
LATEST: Final = MODERN_REVISIONS[0]


class Era(enum.Enum):
    """Which of the protocol's two shapes a message is written in."""

    MODERN = "modern"
    LEGACY = "legacy"


def classify(*, body_version: str | None, header_version: str | None) -> Era:
    """The era of a message that shows these two versions; never fails.

    `body_version` is `_meta["io.modelcontextprotocol/protocolVersion"]`, `header_version` the `MCP-Protocol-Version`
    header: None where absent, and always None on stdio, which has no headers. A session id or the method `initialize`
    decides nothing beyond that: under modern markers they are ignored, respectively unknown. What shows no version at
    all is legacy, because before 2025-06-18 there was none to show.
    """
    if body_version is not None:
        return Era.MODERN
    if header_version is not None:
        return Era.LEGACY if header_version in LEGACY_REVISIONS else Era.MODERN
    return Era.LEGACY
