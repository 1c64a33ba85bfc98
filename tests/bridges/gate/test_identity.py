"""Identities: sightings that count as one client, and what is left of an address."""

import pytest

from mcp_bridges.gate.identity import identity_of, network_of
from mcp_bridges.gate.port import LegacyClient

ANN = LegacyClient(
    transport="http_sse", name="mcp", version="0.1.0", user_agent="node", principal="ann", peer="192.0.2.1"
)


def test_a_client_that_moves_stays_the_same() -> None:
    moved = LegacyClient(
        transport="http_sse", name="mcp", version="0.1.0", user_agent="node", principal="ann", peer="203.0.113.9"
    )
    assert identity_of(moved) == identity_of(ANN)


@pytest.mark.parametrize(
    "other",
    [
        LegacyClient(transport="stdio", name="mcp", version="0.1.0", user_agent="node", principal="ann"),
        LegacyClient(transport="http_sse", name="sdk", version="0.1.0", user_agent="node", principal="ann"),
        LegacyClient(transport="http_sse", name="mcp", version="0.1.1", user_agent="node", principal="ann"),
        LegacyClient(transport="http_sse", name="mcp", version="0.1.0", user_agent="bun", principal="ann"),
        LegacyClient(transport="http_sse", name="mcp", version="0.1.0", user_agent="node", principal="bob"),
        LegacyClient(transport="http_sse", name="mcp", version="0.1.0", user_agent="node"),
    ],
)
def test_everything_else_tells_clients_apart(other: LegacyClient) -> None:
    assert identity_of(other) != identity_of(ANN)


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("::1", "::/48"),
        ("unix:", "unknown"),
        ("", ""),
        (None, ""),
    ],
)
def test_of_an_address_only_its_network_is_written_down(peer: str | None, network: str) -> None:
    assert network_of(peer) == network
