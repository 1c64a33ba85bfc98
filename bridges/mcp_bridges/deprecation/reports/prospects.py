"""The prospect of a client: could it leave the past today? Rule: what was seen or is known is said, and never "cannot".

A client that was never seen trying may well be able to, and one that was seen trying has no excuse. Of some products it
is known that they speak 2026-07-28; one of those that still speaks the past needs another setting, not a new version.
"""

import re
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from mcp_bridges.deprecation.reports.evidence import Client, Evidence
from mcp_bridges.gate.identity import Identity
from mcp_runtime.telemetry.labels import TransportName

ProspectKind = Literal["modern_seen", "configuration", "never_tried", "unknown"]

MEANINGS: Final[Mapping[ProspectKind, str]] = MappingProxyType(
    {
        "modern_seen": "It speaks 2026-07-28 too: it was seen doing so.",
        "configuration": "Its product speaks 2026-07-28: its settings keep it in the past.",
        "never_tried": "It was never seen trying: it may need a new version, or its author.",
        "unknown": "It cannot be told from other programs: find it by its network, or authenticate clients.",
    }
)
"""The kinds of prospects, for people."""


class Prospect(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one client could move, and what to do about it: a phrase for the operator."""

    kind: ProspectKind
    action: str


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A program that is known to speak 2026-07-28. Rule: a row says who found out and when, and is no hearsay."""

    title: str
    name: str
    """The `clientInfo` name that it announces, in lower case."""
    since: tuple[int, ...]
    """The first version that speaks it."""
    transports: frozenset[TransportName]
    """Those on which it is a setting that keeps it in the past."""
    action: str
    """The setting, and how to change it."""
    source: str
    checked: date
    """The day on which `source` was right."""


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


def prospects_of(evidence: Evidence) -> Mapping[str, Prospect]:
    """The prospect of each client in `evidence`, by its key."""
    modern = {kin for client in evidence.clients.values() if client.modern_s is not None for kin in _kin(client)}
    return {key: _prospect(client, modern) for key, client in evidence.clients.items()}


def _prospect(client: Client, modern: "set[_Kin]") -> Prospect:
    identity = client.identity
    if not modern.isdisjoint(_kin(client)):
        return Prospect(kind="modern_seen", action="point it at the Streamable HTTP endpoint, or let it probe")
    product = product_of(identity)
    if product is not None:
        return Prospect(kind="configuration", action=f"{product.title}: {product.action}")
    if identity.is_anonymous:
        return Prospect(kind="unknown", action="find out which program this is")
    return Prospect(kind="never_tried", action=f"ask for a version of {identity.label} that speaks 2026-07-28")


_Kin = tuple[str, ...]


def _kin(client: Client) -> set[_Kin]:
    """The facts that one program shows on any transport, which changes with the revision.

    A no-name is one program only where all its calls come from one place; seen at several, it may be several.
    """
    identity = client.identity
    same = (identity.principal, identity.name, identity.version, identity.user_agent)
    if not identity.is_anonymous:
        return {same}
    return {(*same, client.networks[0].name)} if len(client.networks) == 1 else set()


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
