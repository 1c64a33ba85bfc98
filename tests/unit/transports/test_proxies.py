"""Tests of trusted proxies: which client a request comes from, whatever stands in the header that they write."""

from typing import Any

import pytest

from mcp_runtime.transports.http.proxies import TrustedProxies

PROXY = "10.0.0.1"
PLACES = (PROXY, "10.1.0.0/16", "2001:db8:ffff::/48", "unix")


def client(*values: bytes, header: str = "x-forwarded-for", peer: str | None = PROXY) -> Any:
    """The address in the scope of a request from `peer` with these header fields."""
    scope: dict[str, Any] = {
        "client": None if peer is None else (peer, 5),
        "headers": [(b"x-other", b"203.0.113.99"), *((header.encode(), value) for value in values)],
    }
    found = TrustedProxies(PLACES, header).seen_through(scope)["client"]
    return found if found is None else found[0]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((b"203.0.113.7",), "203.0.113.7"),
        ((b"198.51.100.9, 203.0.113.7",), "203.0.113.7"),
        ((b"198.51.100.9,203.0.113.7 , 10.1.2.3,\t10.0.0.1",), "203.0.113.7"),
        ((b"198.51.100.9", b"203.0.113.7", b"10.1.2.3"), "203.0.113.7"),
        ((b"203.0.113.7:4711",), "203.0.113.7"),
        ((b"2001:DB8::1",), "2001:db8::1"),
        ((b"[2001:db8::1]",), "2001:db8::1"),
        ((b"[2001:db8::1]:4711",), "2001:db8::1"),
        ((b"::ffff:203.0.113.7",), "203.0.113.7"),
        ((b"203.0.113.7, ::ffff:10.0.0.1, 2001:db8:ffff::1",), "203.0.113.7"),
        ((), None),
        ((b"",), None),
        ((b"unknown",), None),
        ((b"198.51.100.9, unknown",), None),
        ((b"198.51.100.9, _hidden",), None),
        ((b"198.51.100.9,",), None),
        ((b"203.0.113.7:port",), None),
        ((b"203.0.113.7:123456",), None),
        ((b"[2001:db8::1",), None),
        ((b"[2001:db8::1]x",), None),
        ((b"fe80::1%an interface of its own",), None),
        ((b"203.0.113.7\xff",), None),
        ((b"203.0.113.256",), None),
        ((b"198.51.100.9 203.0.113.7",), None),
        ((b"10.0.0.1, 10.1.2.3",), None),  # Only proxies: nobody is named.
        ((b"203.0.113.7" + b",10.0.0.1" * 31,), "203.0.113.7"),
        ((b"203.0.113.7" + b",10.0.0.1" * 32,), None),  # Past what is looked at.
        ((b"203.0.113.7", *[b"10.0.0.1"] * 32), None),
        ((b"1" * 10_000,), None),
        ((b"1" * 10_000 + b",203.0.113.7",), "203.0.113.7"),
    ],
)
def test_the_last_address_that_is_no_trusted_proxy_is_the_client(values: tuple[bytes, ...], named: str | None) -> None:
    assert client(*values) == named


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((b"for=203.0.113.7",), "203.0.113.7"),
        ((b'For="203.0.113.7:4711";proto=https;by=10.0.0.1',), "203.0.113.7"),
        ((b'proto=https; for="[2001:db8::1]:4711"',), "2001:db8::1"),
        ((b'for="[2001:db8::1]:_port"',), "2001:db8::1"),
        ((b"for=[2001:db8::1]:4711",), "2001:db8::1"),
        ((b'for="203.0.113\\.7"',), "203.0.113.7"),
        ((b"for=198.51.100.9, for=203.0.113.7;by=_x, for=10.1.2.3",), "203.0.113.7"),
        ((b'for=198.51.100.9;host="', b"for=203.0.113.7"), "203.0.113.7"),
        # A quote that the client opens ends nowhere, and swallows nothing.
        ((b'for="198.51.100.9, for=203.0.113.7',), "203.0.113.7"),
        ((b"203.0.113.7",), None),
        ((b"for=unknown",), None),
        ((b'for="_hidden"',), None),
        ((b"proto=https",), None),
        ((b"for=203.0.113.7;for=198.51.100.9",), None),
        ((b"for=203.0.113.7;;",), None),
        ((b"for = 203.0.113.7",), None),
        ((b'for="203.0.113.7',), None),
        # What a client has put into a quoted host is no entry of its own.
        ((b'for=203.0.113.7;host="a,for=198.51.100.9"',), None),
        ((b'for=203.0.113.7;host="a;for=198.51.100.9"',), "203.0.113.7"),
        ((b'for=203.0.113.7;host="a,for=198.51.100.9;b=\\"c\\""',), None),
        ((b'for="",for=""',), None),
        ((b"",), None),
        ((b'for="' + b"\\" * 20_000,), None),
        ((b"for=1;" * 5000,), None),
    ],
)
def test_forwarded_is_read_as_its_rfc_has_it(values: tuple[bytes, ...], named: str | None) -> None:
    assert client(*values, header="forwarded") == named


@pytest.mark.parametrize(
    ("peer", "seen"),
    [
        ("10.0.0.1", "203.0.113.7"),
        ("::ffff:10.0.0.1", "203.0.113.7"),
        ("10.1.255.255", "203.0.113.7"),
        ("2001:db8:ffff::5", "203.0.113.7"),
        (None, "203.0.113.7"),
        ("", "203.0.113.7"),
        ("/run/server.sock", "203.0.113.7"),
        ("unix:/run/server.sock", "203.0.113.7"),
        ("10.0.0.2", "10.0.0.2"),
        ("127.0.0.1", "127.0.0.1"),
        ("a-name", "a-name"),
    ],
)
def test_the_word_of_a_peer_counts_where_it_is_trusted(peer: str | None, seen: str) -> None:
    assert client(b"203.0.113.7", peer=peer) == seen


def test_a_unix_socket_is_trusted_where_it_is_named() -> None:
    scope: Any = {"client": None, "headers": [(b"x-real-ip", b"203.0.113.7")]}
    assert TrustedProxies(("127.0.0.1",), "x-real-ip").seen_through(scope) is scope
    assert TrustedProxies(("unix",), "X-Real-IP").seen_through(scope)["client"] == ("203.0.113.7", 0)
    assert scope["client"] is None


@pytest.mark.parametrize(
    ("peer", "key"),
    [(PROXY, None), ("10.1.2.3", None), ("2001:db8:ffff::1", None), (None, None), ("203.0.113.7", "203.0.113.7")],
)
def test_the_socket_of_a_proxy_stands_for_many(peer: str | None, key: str | None) -> None:
    assert TrustedProxies(PLACES, "forwarded").socket_key(peer) == key
