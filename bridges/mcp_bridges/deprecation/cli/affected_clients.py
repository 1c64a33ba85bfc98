"""Clients that would be refused, as text and JSON. Rule: whoever would be hit is named."""

from collections.abc import Sequence
from typing import Final

from mcp_bridges.deprecation.reports.formats import aligned
from mcp_bridges.deprecation.reports.readiness import Hit
from mcp_bridges.deprecation.reports.report import day_in_words

_HEADINGS: Final = ("CLIENT", "PRINCIPAL", "TRANSPORT", "NETWORK", "CALLS", "OF", "LAST SEEN", "WHAT TO DO")


def hit_lines(hits: Sequence[Hit]) -> list[str]:
    """A table: `CALLS` use the feature, `OF` are all messages of the client."""
    return aligned([_HEADINGS, *map(_row, hits)])


def _row(hit: Hit) -> Sequence[str]:
    who = hit.client.identity
    return (
        who.label,
        who.principal,
        who.transport,
        hit.client.networks[0].name if hit.client.networks else "",
        f"{hit.used.calls:,}",
        f"{hit.messages:,}",
        day_in_words(hit.used.last_s),
        hit.could_move.action,
    )


def hit_json(hit: Hit) -> dict[str, object]:
    """One client, its facts by their names."""
    return {
        **hit.client.identity._asdict(),
        "networks": [network.name for network in hit.client.networks],
        "calls": hit.used.calls,
        "messages": hit.messages,
        "first_seen": day_in_words(hit.used.first_s),
        "last_seen": day_in_words(hit.used.last_s),
        "could_move": hit.could_move.verdict,
        "action": hit.could_move.action,
    }
