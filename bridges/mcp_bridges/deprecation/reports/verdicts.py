"""Could this client leave the past today? Rule: "cannot" is never said; what was seen is, and what is known.

A client that was never seen trying may well be able to, and one that was seen trying has no excuse.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from mcp_bridges.deprecation.reports.evidence import Client, Evidence
from mcp_bridges.deprecation.reports.products import product_of

Verdict = Literal["modern_seen", "configuration", "never_tried", "unknown"]

MEANINGS: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        "modern_seen": "It speaks 2026-07-28 too: it was seen doing so.",
        "configuration": "Its product speaks 2026-07-28: its settings keep it in the past.",
        "never_tried": "It was never seen trying: it may need a new version, or its author.",
        "unknown": "It cannot be told from other programs: find it by its network, or authenticate clients.",
    }
)


class CouldMove(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one client, and what to do about it."""

    verdict: Verdict
    action: str


def judge(evidence: Evidence) -> Mapping[str, CouldMove]:
    """The verdict on each client in `evidence`, by its key."""
    modern = {kin for client in evidence.clients.values() if client.modern_s is not None for kin in _kin(client)}
    return {key: _judge(client, modern) for key, client in evidence.clients.items()}


def _judge(client: Client, modern: "set[_Kin]") -> CouldMove:
    identity = client.identity
    if not modern.isdisjoint(_kin(client)):
        return CouldMove(verdict="modern_seen", action="point it at the Streamable HTTP endpoint, or let it probe")
    product = product_of(identity)
    if product is not None:
        return CouldMove(verdict="configuration", action=f"{product.title}: {product.action}")
    if identity.is_anonymous:
        return CouldMove(verdict="unknown", action="find out which program this is")
    return CouldMove(verdict="never_tried", action=f"ask for a version of {identity.label} that speaks 2026-07-28")


_Kin = tuple[str, ...]


def _kin(client: Client) -> set[_Kin]:
    """What one program shows on any transport, which changes with the revision.

    A no-name is one program only where all its calls come from one place; seen at several, it may be several.
    """
    identity = client.identity
    same = (identity.principal, identity.name, identity.version, identity.user_agent)
    if not identity.is_anonymous:
        return {same}
    return {(*same, client.networks[0].name)} if len(client.networks) == 1 else set()
