"""Programs that are known to speak 2026-07-28. Rule: a row says who found out, and when; nothing in it is hearsay.

A client that announces one of these and still speaks the past needs a changed setting, not a new version.
"""

import re
from datetime import date
from typing import Final

import msgspec

from mcp_bridges.gate.identity import Identity
from mcp_runtime.telemetry.labels import TransportName


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A program: by the `clientInfo` name that it announces, from a version on, on these transports.

    `action` is what to change in it; `source` and `checked` say where that is from and when it was so.
    """

    title: str
    name: str
    since: tuple[int, ...]
    transports: frozenset[TransportName]
    action: str
    source: str
    checked: date


PRODUCTS: Final = (
    Product(
        title="Claude Code",
        name="claude-code",
        since=(2, 1, 330),
        transports=frozenset({"http_sse"}),
        action='edit the URL of its entry of type "sse": it takes that of the Streamable HTTP endpoint',
        source='observed with 2.1.330: an entry of type "sse" needs its URL edited, and nothing else',
        checked=date(2026, 11, 25),
    ),
    Product(
        title="MCP Inspector",
        name="mcp-inspector",
        since=(2, 12, 0),
        transports=frozenset({"stdio", "streamable_http"}),
        action='set the server\'s protocolEra to "auto" or "modern"; "legacy" is its default',
        source="https://modelcontextprotocol.io/docs/2026-07-28/tools/inspector/protocol-eras",
        checked=date(2026, 11, 25),
    ),
)


def product_of(identity: Identity) -> Product | None:
    """The row for this client, None where there is none for its version and transport."""
    for product in PRODUCTS:
        if identity.name.lower() == product.name and identity.transport in product.transports:
            return product if _version(identity.version) >= product.since else None
    return None


def _version(text: str) -> tuple[int, ...]:
    """The numbers that a version begins with: (2, 1, 330) of "2.1.330 (cli)". Empty for none, which is before all."""
    found = re.match(r"v?(\d{1,9}(?:\.\d{1,9})*)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()
