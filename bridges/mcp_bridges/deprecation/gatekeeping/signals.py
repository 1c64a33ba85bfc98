"""Signals to clients, in HTTP headers. Rule: nowhere else; a word in a result would cost tokens and mislead.

`Deprecation` is RFC 9745, `Sunset` RFC 8594, and the relations in `Link` are theirs and RFC 5829's.
`Legacy-Brownout` is ours: a list of RFC 9651 with an item for each window, its beginning as a date.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from mcp_bridges.deprecation.decisions.enforcement import Announcement
from mcp_bridges.deprecation.decisions.policy import Links, Policy
from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.gate.port import HeaderFields

_MAX_SETS: Final = 1024
"""Sets of features whose headers are kept; bridges name far fewer."""


class SignalHeaders:
    """A maker of the headers of legacy responses. Only the set of features counts, so each set's are made once."""

    def __init__(self, policy: Policy, links: Links) -> None:
        self._policy = policy
        self._links = links
        self._made: dict[tuple[str, ...], HeaderFields] = {}

    def headers(self, features: tuple[str, ...]) -> HeaderFields:
        """`Deprecation`, `Sunset` and `Link` for a response that used these features; nothing for none.

        One response has one date of each kind: the first of its features to be deprecated, the first to end.
        """
        found = self._made.get(features)
        if found is None:
            if len(self._made) >= _MAX_SETS:
                self._made.clear()
            found = self._made[features] = self._make(features) if features else ()
        return found

    def _make(self, features: tuple[str, ...]) -> HeaderFields:
        from email.utils import format_datetime  # half a megabyte, for servers that old clients come to

        deprecated_at = min(FEATURES[feature].deprecated_at for feature in features)
        sunset = datetime.combine(
            min(self._policy.sunset(feature) for feature in features), datetime.min.time(), tzinfo=UTC
        )
        links = self._links
        targets = [
            *dict.fromkeys((links.documentation_of(feature), "deprecation") for feature in features),
            (links.sunset_url, "sunset"),
            (links.replacement_url, "successor-version"),
        ]
        return (
            (b"deprecation", b"@%d" % deprecated_at.timestamp()),
            (b"sunset", format_datetime(sunset, usegmt=True).encode()),
            (b"link", ", ".join(f'<{target}>; rel="{relation}"' for target, relation in targets).encode()),
        )


def brownout_headers(announcements: Iterable[Announcement]) -> HeaderFields:
    """The header `Legacy-Brownout`, which says when this client will be refused; none where it will not."""
    items = [f'@{one.window.begins_s};until=@{one.window.ends_s};feature="{one.feature}"' for one in announcements]
    return ((b"legacy-brownout", ", ".join(items).encode()),) if items else ()
