"""Identities as the ledger keeps them, and the part of an address that is kept."""

import pytest
from msgspec.structs import replace

from mcp_bridges.gate.identity import Addresses, AddressPrivacy, identity_of, overflow
from tests.bridges.deprecation.ledgers import client

KEY = b"k" * 32


@pytest.mark.parametrize(
    ("addresses", "peer", "kept"),
    [
        ("full", "192.0.2.7", "192.0.2.7"),
        ("full", "2001:db8::1", "2001:db8::1"),
        ("full", "not an address\x1b[31m", "not an address\N{REPLACEMENT CHARACTER}[31m"),
        ("full", None, ""),
        ("truncated", "192.0.2.7", "192.0.2.0/24"),
        ("truncated", "192.0.2.255", "192.0.2.0/24"),
        ("truncated", "::ffff:192.0.2.7", "192.0.2.0/24"),
        ("truncated", "2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("truncated", "fe80::1%eth0", "fe80::/48"),
        ("truncated", "/run/mcp.sock", "unknown"),
        ("truncated", None, ""),
        ("none", "192.0.2.7", ""),
        ("none", None, ""),
        ("hashed", None, ""),
    ],
)
def test_an_address_is_kept_as_exactly_as_the_operator_allows(
    addresses: Addresses, peer: str | None, kept: str
) -> None:
    assert AddressPrivacy(addresses, key=KEY).network(peer) == kept


def test_a_hash_is_the_same_for_one_address_under_one_key_and_shows_nothing_of_it() -> None:
    hashed = AddressPrivacy("hashed", key=KEY).network("192.0.2.7")
    assert hashed == AddressPrivacy("hashed", key=KEY).network("::ffff:192.0.2.7")
    assert hashed != AddressPrivacy("hashed", key=KEY).network("192.0.2.8")
    assert hashed != AddressPrivacy("hashed", key=b"l" * 32).network("192.0.2.7")
    assert len(hashed) == 16
    assert "192" not in AddressPrivacy("hashed", key=KEY).network("unix:192")


@pytest.mark.parametrize("key", [b"", b"k" * 15])
def test_a_hash_without_a_real_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        AddressPrivacy("hashed", key=key)


@pytest.mark.parametrize(
    "other",
    [
        client("acme", version="1.1"),
        client("acme", user_agent="other/1"),
        client("acme", principal="ada"),
        client("acme", transport="http_sse"),
        client("acmf"),
        client("acme", version=None),
    ],
)
def test_every_fact_makes_another_client(other: object) -> None:
    assert identity_of(client("acme")).key != identity_of(other).key  # type: ignore[arg-type]  # parametrized


def test_the_address_does_not() -> None:
    assert identity_of(client(peer="192.0.2.1")) == identity_of(client(peer=None))


def test_facts_cannot_run_together() -> None:
    assert identity_of(client("a", version="b\0c")).key != identity_of(client("a\0b", version="c")).key


def test_what_a_client_says_is_printable_and_bounded() -> None:
    found = identity_of(client("a\x1b]0;x\x07\u202e\ud800" + "x" * 1000))
    assert found.name.isprintable()
    assert len(found.name) == 200
    found.key.encode()


@pytest.mark.parametrize(
    ("facts", "label"),
    [
        ({}, "acme/1.0"),
        ({"version": None}, "acme"),
        ({"name": None}, "agent/2"),
        ({"name": None, "user_agent": None}, "ada"),
        ({"name": None, "user_agent": None, "principal": None}, "a client on streamable_http"),
    ],
)
def test_a_client_always_has_a_name_for_people(facts: dict[str, str | None], label: str) -> None:
    everything = client("acme", user_agent="agent/2", principal="ada")
    assert identity_of(replace(everything, **facts)).label == label


def test_those_beyond_counting_share_an_identity_a_transport() -> None:
    assert overflow("stdio") != overflow("http_sse")
    assert overflow("stdio").label == "(more clients)"


@pytest.mark.parametrize("name", ["mcp", None, ""])
def test_a_client_without_a_name_of_its_own_is_told_by_its_network(name: str | None) -> None:
    one, two, elsewhere = (
        identity_of(client(name or "", version="0.1.0", peer=peer))
        for peer in ("192.0.2.1", "192.0.2.99", "198.51.100.1")
    )
    assert one == two
    assert one.key != elsewhere.key
    assert one.network == "192.0.2.0/24"


@pytest.mark.parametrize(
    ("addresses", "network"), [("full", "192.0.2.0/24"), ("truncated", "192.0.2.0/24"), ("none", "")]
)
def test_the_network_of_an_anonymous_client_is_kept_as_exactly_as_the_operator_allows(
    addresses: Addresses, network: str
) -> None:
    assert AddressPrivacy(addresses).identity(client("", version=None, peer="192.0.2.7")).network == network
    assert AddressPrivacy(addresses).identity(client("acme", peer="192.0.2.7")).network == ""


def test_hashed_networks_of_anonymous_clients_tell_them_apart_and_show_nothing() -> None:
    privacy = AddressPrivacy("hashed", key=KEY)
    one, same, other = (
        privacy.identity(client("", version=None, peer=peer)).network
        for peer in ("192.0.2.7", "192.0.2.8", "203.0.113.1")
    )
    assert one == same != other
    assert len(one) == 16
