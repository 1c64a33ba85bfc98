"""The links that clients of the past are given. Rule: without one of the operator's own, it is the specification's."""

from typing import Final

import msgspec

from mcp_bridges.deprecation.decisions.registry import FEATURES

FEATURE_LIFECYCLE_URL: Final = "https://modelcontextprotocol.io/community/feature-lifecycle"


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """Where to read more, and where to go instead: URLs, or paths on this server.

    Without a `documentation_url` it is what the specification says of each feature.
    """

    documentation_url: str = ""
    sunset_url: str = FEATURE_LIFECYCLE_URL
    replacement_url: str = "/mcp"

    def documentation_of(self, feature: str) -> str:
        """Where to read about the end of `feature`."""
        return self.documentation_url or FEATURES[feature].spec_url
